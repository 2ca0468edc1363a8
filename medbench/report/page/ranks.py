"""Ranks of one column: ranges, as far as the questions or else the intervals tell models apart."""

from bisect import bisect_left, bisect_right

from medbench.report.compare.samples import READINGS
from medbench.report.grid import Column
from medbench.report.ties import Ties

__all__ = ["column_ranks"]

BY_QUESTIONS = "pairwise tests on the same questions"
BY_INTERVALS = "intervals that do not overlap"


def column_ranks(column: Column, found: Ties | None) -> tuple[str, dict[str, tuple[int, int]]]:
    """Return what the ranks were taken from, and each model's first and last possible place.

    There are none for a single model, for models that answered different questions, or where a
    score has no interval.

    Args:
        column: One column of the grid.
        found: What `ties` found, if there were samples to compare.
    """
    for task in found.tasks if found else ():
        ranks = {one.model: (one.first, one.last) for one in task.standings}
        if ranks.keys() == column.cells.keys() and _is_of(column, task.task):
            return BY_QUESTIONS, ranks
    intervals = {model: cell.interval for model, cell in column.cells.items() if cell.interval}
    if not column.is_comparable or len(intervals) < max(2, len(column.cells)):
        return "", {}
    if not all(cell.score.higher_is_better for cell in column.cells.values()):
        intervals = {model: (-high, -low) for model, (low, high) in intervals.items()}
    lows = sorted(low for low, _ in intervals.values())
    highs = sorted(high for _, high in intervals.values())
    return BY_INTERVALS, {
        model: (1 + len(lows) - bisect_right(lows, high), len(highs) - bisect_left(highs, low))
        for model, (low, high) in intervals.items()
    }


def _is_of(column: Column, task: str) -> bool:
    """Tell whether a column shows just the accuracies that the ties of a task are about."""
    return not column.mean and all(
        (cell.score.task, cell.score.metric) == (task, "acc") and cell.score.filter in READINGS
        for cell in column.cells.values()
    )
