"""The heat map of a published table: its rows as reported, below them what was measured here."""

from collections import defaultdict

from medbench.report.grid import FILTERS, PROTOCOLS, Cell, grid
from medbench.report.pictures.heatmap import Head, Line, Section, Sheet, ranked
from medbench.report.pictures.published import published_panels, row_names
from medbench.reported import ReportedTable
from medbench.results import Results

__all__ = ["reported_sheet"]

Key = tuple[str, str, str]
"""Benchmark, subset and metric: which questions, and what was counted."""


def reported_sheet(table: ReportedTable, results: Results) -> Sheet | None:
    """Return a published table's shares; None where it has fewer than two rows of any.

    Measured rows are those with a column of this table: the same questions, seldom asked in the
    same way.
    """
    columns = [column for panel in published_panels(table) for column in panel.columns]
    by_name = {column.name: column for column in table.columns}
    keys = [(o.benchmark, o.subset, o.metric) for o in (by_name[c.label] for c in columns)]
    shows_method = len({row.method for row in table.rows}) > 1
    lines = [
        Line(row.model, row.method * shows_method, tuple(one.cells.get(name) for one in columns))
        for name, row in zip(row_names(table), table.rows, strict=True)
    ]
    lines = [line for line in lines if any(line.cells)]
    if len(lines) < 2:
        return None
    measured = [
        Line(model, way, cells)
        for (model, way), found in _measured(results).items()
        if any(cells := tuple(found.get(key) for key in keys))
    ]
    sections = [Section("As reported", ranked(lines))]
    sections += [Section("Measured with medbench", ranked(measured))] * bool(measured)
    heads = tuple(Head(column.label, is_mean=bool(column.mean)) for column in columns)
    more = len(table.sources) - 1
    notes = [f"As reported: {table.sources[0]}{f', and {more} more' * bool(more)}."]
    notes += ["Measured: the same benchmarks, asked in medbench's way; the board tells how many "
              "questions, and the intervals."] * bool(measured)  # fmt: skip
    return Sheet(f"{table.title}, as reported", heads, tuple(sections), tuple(notes))


def _measured(results: Results) -> dict[tuple[str, str], dict[Key, Cell]]:
    """Return the cells of each model asked and read one way."""
    found: dict[tuple[str, str], dict[Key, Cell]] = defaultdict(dict)
    origins = {(score.model, score.task): score for score in results.scores}
    for panel in grid(results).panels:
        for column in panel.columns if panel.scale == 100 else ():
            for model, cell in column.cells.items():
                score = cell.score
                origin = score if column.mean else origins[model, score.task]
                words = (PROTOCOLS.get(origin.protocol, origin.protocol),
                         FILTERS.get(score.filter, score.filter))  # fmt: skip
                way = ", ".join(filter(None, words))
                found[model, way][origin.benchmark, origin.subset, score.metric] = cell
    return found
