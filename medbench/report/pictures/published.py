"""Published tables as panels, so that pictures of them and of measured results are drawn alike."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from medbench.report.grid import Cell, Column, Panel
from medbench.reported import Column as ReportedColumn
from medbench.reported import ReportedTable, Row, flags
from medbench.results import LANGUAGES, Score
from medbench.scoring.statistics import macro_mean, wilson

__all__ = ["FLAGGED", "published_panels", "row_names"]

FLAGGED = "flagged"
"""The mark of a number that does not add up."""
STILL_SHARES = {"cut off", "padded"}
"""Flags of numbers that are k/n all the same."""
METRICS = {"acc": "", "f1": "F1", "bleu1": "BLEU-1", "rouge1": "ROUGE-1"}


def row_names(table: ReportedTable) -> tuple[str, ...]:
    """Return a name for each row, unique in its table and as short as can be."""
    forms = [
        (row.model, f"{row.model} · {row.method}", f"{row.model} · {row.method} · {row.source}")
        for row in table.rows
    ]
    counts = [Counter(form[depth] for form in forms) for depth in range(2)]
    return tuple(
        next((form[depth] for depth in range(2) if counts[depth][form[depth]] == 1), form[2])
        for form in forms
    )


def published_panels(table: ReportedTable) -> tuple[Panel, ...]:
    """Return one panel for each metric that is a share; hours and gigabytes are none.

    Intervals are Wilson's over the test set's size, where a number is a share of it at all; those
    of means are normal ones, where all parts have one.
    Cells are named by `row_names`; their score's model is as printed.
    """
    found: dict[tuple[int, str], set[str]] = defaultdict(set)
    for flag in flags(table):
        for name in flag.columns:
            found[id(flag.row), name].add(flag.kind)
    columns: dict[str, list[Column]] = defaultdict(list)
    names = row_names(table)
    cells: dict[str, dict[str, Cell]] = {}
    for column in table.columns:
        own = cells[column.name] = {
            name: _cell(row, column, found[id(row), column.name])
            for name, row in zip(names, table.rows, strict=True)
            if column.name in row.cells
        }
        for name in own if column.mean else ():
            parts = [cells[part][name] for part in column.mean if name in cells.get(part, {})]
            if len(parts) == len(column.mean):
                own[name] = replace(own[name], interval=_around(own[name], parts))
        if column.unit in ("percent", "fraction") and own:
            mean = "set" if column.mean else ""
            columns[column.metric].append(Column(column.name, column.name, own, mean))
    return tuple(
        Panel(METRICS.get(metric, metric), metric, 100, tuple(own))
        for metric, own in columns.items()
    )


def _cell(row: Row, column: ReportedColumn, kinds: set[str]) -> Cell:
    value = float(row.number(column.name)) / (100 if column.unit == "percent" else 1)
    is_counted = column.is_share and 0 <= value <= 1 and kinds <= STILL_SHARES
    interval = wilson(round(value * column.size), column.size) if is_counted else None
    score = Score(
        row.model, column.name, column.metric, "", value, column.size,
        benchmark=column.benchmark, subset=column.subset,
        language=LANGUAGES.get(column.subset, ""),
    )  # fmt: skip
    return Cell(score, interval, {FLAGGED: 1.0} if kinds else {})


def _around(mean: Cell, parts: Sequence[Cell]) -> tuple[float, float] | None:
    """Return the normal interval of a mean, if it and all its parts are shares that add up."""
    if mean.marks or not all(part.interval for part in parts):
        return None
    errors = [math.sqrt(one.value * (1 - one.value) / one.n) for one in (p.score for p in parts)]
    found = macro_mean([part.score.value for part in parts], errors)
    return (found.low, found.high) if found.stderr else None
