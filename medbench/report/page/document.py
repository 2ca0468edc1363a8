"""The data of the page: measured scores in one table, published ones in tables of their own."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medbench import __version__
from medbench.errors import ResultError
from medbench.report.grid import BENCHMARKS, Cell, Column, Grid, Panel, grid, shown
from medbench.report.page.form import (
    PageCell,
    PageColumn,
    PageDocument,
    PageFacts,
    PageRow,
    PageTable,
)
from medbench.report.page.items import ItemCollection
from medbench.report.page.published import language_of, published_table
from medbench.report.page.ranks import column_ranks
from medbench.report.page.runs import RunRecord, read_run
from medbench.report.page.score_facts import score_facts
from medbench.report.table import MARKED
from medbench.report.ties import Ties, ties
from medbench.reported import ReportedTable
from medbench.results import Results, one_line

__all__ = ["document"]

NOTES = (
    "Scores in %, bars from 0 to 100, the thin line over a bar is the 95 % interval; a column that "
    "is not in % has no bar or one of its own scale.",
    "Rank: every place that a model may have in the column that the table is sorted by, from "
    "pairwise tests on the same questions (McNemar's exact test, Holm), else from 95 % intervals "
    "that do not overlap. There is none where models answered different questions. Bold: may be "
    "the first.",
    f"†: more than {100 * MARKED:g} % of the outputs held no answer (unparsed) or were cut off "
    "(truncated).",
)


@dataclass(slots=True)
class Facts:
    """What cells point to, each once."""

    listed: list[PageFacts] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, facts: PageFacts) -> int:
        """Return where some facts stand."""
        key = repr(facts)
        if key not in self._places:
            self._places[key] = len(self.listed)
            self.listed.append(facts)
        return self._places[key]


def document(results: Results, published: Sequence[ReportedTable]) -> PageDocument:
    """Gather what the page shows; samples and records are read from beside the results.

    Raises:
        ResultError: what lies beside results cannot be read.
    """
    facts, items = Facts(), ItemCollection()
    measured = _measured(results, facts, items)
    return {
        "version": __version__,
        "measured": measured,
        "reported": [published_table(table, facts.place) for table in published],
        "facts": facts.listed,
        "prompts": items.prompts,
        "items": items.items,
    }


def _measured(results: Results, facts: Facts, items: ItemCollection) -> PageTable:
    """Return all panels as one table."""
    board = grid(results)
    found = _ties(results)
    runs = _runs(board)
    columns: list[PageColumn] = []
    cells: list[list[PageCell | None]] = [[] for _ in board.models]
    for panel in board.panels:
        for column in panel.columns:
            basis, ranks = column_ranks(column, found)
            columns.append(_column(panel, column, basis))
            for row, model in zip(cells, board.models, strict=True):
                if (cell := column.cells.get(model)) is None:
                    row.append(None)
                    continue
                drawn = _cell(cell, panel.scale)
                if model in ranks:
                    drawn["rank"] = ranks[model]
                drawn["facts"] = _places(cell, column, panel, runs, facts)
                if not column.mean and (place := items.add(cell.score)) is not None:
                    drawn["items"] = place
                row.append(drawn)
    rows = [_row(model, board, runs) for model in board.models]
    untested = (f"No pairwise tests: {note}" for note in (found.notes if found else ()))
    notes = [*NOTES, *board.notes, *untested]
    return {
        "title": "Measured scores",
        "columns": columns,
        "rows": rows,
        "cells": cells,
        "notes": notes,
    }


def _ties(results: Results) -> Ties | None:
    """Return what the samples tell of the order, None where there are none to compare."""
    try:
        return ties(results)
    except ResultError:
        return None


def _runs(board: Grid) -> dict[Path, RunRecord]:
    cells = (cell for panel in board.panels for column in panel.columns
             for cell in column.cells.values())  # fmt: skip
    paths = dict.fromkeys(cell.score.source for cell in cells)
    return {path: read_run(path) for path in paths if path.is_file()}


def _column(panel: Panel, column: Column, basis: str) -> PageColumn:
    scores = [cell.score for cell in column.cells.values()]
    first = scores[0] if scores else None
    group, label = _heading(panel, column)
    drawn: PageColumn = {
        "group": group,
        "label": label,
        "benchmark": BENCHMARKS.get(first.benchmark, one_line(first.benchmark)) if first else "",
        "language": language_of(first.benchmark, first.language) if first else "",
        "detail": f"each {column.mean} alike" if column.mean else _span([one.n for one in scores]),
        "higher_is_better": all(score.higher_is_better for score in scores),
    }
    if ends := _ends(panel, column):
        drawn["ends"] = ends
    if basis:
        drawn["ranks"] = basis
    return drawn


def _heading(panel: Panel, column: Column) -> tuple[str, str]:
    """Return what stands over a column and its label; a joined panel's columns name their own."""
    group, label = panel.title, column.label or panel.title
    if label == column.heading:
        group, _, rest = column.heading.partition(" · ")
        label = rest or group
    return one_line(group), one_line(label)


def _span(counts: Sequence[int]) -> str:
    known = [count for count in counts if count]
    if not known:
        return ""
    return "n " + "–".join(f"{end:,}" for end in dict.fromkeys((min(known), max(known))))


def _ends(panel: Panel, column: Column) -> tuple[float, float] | None:
    """Return where bars begin and end; none for numbers below zero, nor for all of them zero."""
    if panel.scale == 100:
        return 0.0, 100.0
    ends = [end for cell in column.cells.values() for end in cell.interval or (cell.score.value,)]
    return (0.0, max(ends)) if ends and min(ends) >= 0 < max(ends) else None


def _cell(cell: Cell, scale: int) -> PageCell:
    drawn: PageCell = {"text": shown(cell.score.value, scale), "facts": []}
    if cell.interval:
        low, high = cell.interval
        drawn["interval"] = (shown(low, scale), shown(high, scale))
    if cell.marks:
        drawn["rates"] = {mark: f"{100 * share:.1f}" for mark, share in cell.marks.items()}
        if any(share > MARKED for share in cell.marks.values()):
            drawn["is_marked"] = True
    return drawn


def _places(
    cell: Cell, column: Column, panel: Panel, runs: dict[Path, RunRecord], facts: Facts
) -> list[int]:
    """Return where the facts on a score, its run and its recipe stand."""
    run = runs.get(cell.score.source)
    told = [score_facts(cell, column, panel, run)]
    if run:
        told += filter(None, (run.about(), run.recipe()))
    return [facts.place(one) for one in told]


def _row(model: str, board: Grid, runs: dict[Path, RunRecord]) -> PageRow:
    """Describe a model by the newest of its runs that tells."""
    dates: dict[Path, float] = defaultdict(float)
    for panel in board.panels:
        for column in panel.columns:
            if model in column.cells:
                score = column.cells[model].score
                dates[score.source] = max(dates[score.source], score.date)
    own = [runs[path] for path in sorted(dates, key=lambda path: -dates[path]) if path in runs]
    parameters = next((run.parameters for run in own if run.parameters), None)
    method = own[0].method if own else ""
    size = _size(parameters) if parameters else ""
    detail = " · ".join(filter(None, (size, method)))
    return {"name": one_line(model), "detail": detail, "method": method, "parameters": parameters}


def _size(parameters: int) -> str:
    """Return `135M`, `7.2B`, or all digits of a toy."""
    for unit, whole in (("B", 1e9), ("M", 1e6)):
        if parameters >= whole:
            return f"{parameters / whole:.3g}{unit}"
    return f"{parameters:,}"
