"""Leaderboard tables: Markdown, CSV, LaTeX, and the terminal's.

Every cell is a number with its 95 % interval; what differs between cells is said below the table.
"""

import csv
import io
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from medbench.report.formats import BOLD, END, Block, latex, markdown
from medbench.report.grid import MARKS, SHARES, Cell, Column, Panel, grid, shown
from medbench.results import Results, Score, one_line

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["MARKED", "table", "terminal"]

MOST_COLUMNS = 9
MISSING = "—"
MARKED = 0.05
CSV_COLUMNS = ("model", "benchmark", "protocol", "subset", "language", "task", "metric", "filter",
               "value", "low", "high", "n", *MARKS, "num_fewshot", "chat_template", "limit",
               "version", "source")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table: some columns of one panel, or all columns of all panels if they are few."""

    title: str
    """Empty where the headers say it all."""
    headers: tuple[str, ...]
    """One per column."""
    columns: tuple[Column, ...]
    """As in the grid."""
    panels: tuple[Panel, ...]
    """The panel of each column."""
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    """The models with at least one cell here."""
    notes: tuple[str, ...] = ()
    """What to know about the numbers; under the last part of a table that was cut."""


def table(results: Results, format: str) -> str:
    """Return the leaderboard as text.

    Args:
        results: What `read_results` returned.
        format: markdown, csv (one line per cell) or latex (booktabs).
    """
    if format == "csv":
        return _csv(results)
    formats = {"markdown": markdown, "latex": latex}
    assert format in formats, f"no table format {format!r}; there are csv, {', '.join(formats)}"
    return formats[format](_blocks(results), results.notes)


def terminal(results: Results, console: "Console | None" = None) -> None:
    """Print the leaderboard, in as many tables as the width of the terminal asks for."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    longest = min(28, max((len(score.model) for score in results.scores), default=0))
    for sheet in _sheets(results, max(1, min(MOST_COLUMNS, (console.width - longest - 2) // 14))):
        drawn = Table(title=Text(sheet.title, style="bold"), title_justify="left", box=None)
        drawn.add_column("model", max_width=28, overflow="fold")
        for header in sheet.headers:
            drawn.add_column(Text(header), justify="right", min_width=12)
        for model, cells in sheet.rows:
            texts = [Text(model)]
            for cell, panel in zip(cells, sheet.panels, strict=True):
                value, _, interval = _text(cell, panel).partition(" ")
                style = "bold" if cell and cell.is_best else ""
                texts.append(Text.assemble((value, style), "\n", (interval, "dim")))
            drawn.add_row(*texts)
        console.print(drawn)
        for note in sheet.notes:
            console.print(Padding(Text(note, style="dim"), (0, 1)))
        console.print()
    for note in results.notes:
        console.print(Text(f"note: {note}", style="yellow"))


def _sheets(results: Results, most: int = MOST_COLUMNS) -> list[Sheet]:
    """Return one table if it has few columns, else one per panel, cut where it is too wide."""
    board = grid(results)
    parts = [(p.title, [(c.label or p.title, c, p) for c in p.columns]) for p in board.panels]
    if len(parts) > 1 and sum(len(part) for _, part in parts) <= most:
        parts = [("", [(c.heading, c, p) for p in board.panels for c in p.columns])]
    sheets = []
    for title, part in parts:
        step = math.ceil(len(part) / math.ceil(len(part) / most))
        cuts = [part[start : start + step] for start in range(0, len(part), step)]
        drawn = [_sheet(title, cut, board.models) for cut in cuts]
        drawn[-1] = replace(drawn[-1], notes=tuple(_notes(_sheet(title, part, board.models))))
        sheets += drawn
    return sheets


def _sheet(title: str, part: Sequence[tuple[str, Column, Panel]], models: Sequence[str]) -> Sheet:
    headers, columns, panels = zip(*part, strict=True)
    cells = [(model, tuple(column.cells.get(model) for column in columns)) for model in models]
    rows = tuple((one_line(model), row) for model, row in cells if any(row))
    return Sheet(one_line(title), tuple(map(one_line, headers)), columns, panels, rows)


def _text(cell: Cell | None, panel: Panel, bold: str = "", end: str = "") -> str:
    """Return `41.7 [19.3, 68.0]†`, the number between `bold` and `end` if it is the best."""
    if cell is None:
        return MISSING
    value = shown(cell.score.value, panel.scale)
    interval = [shown(bound, panel.scale) for bound in cell.interval or ()]
    text = f"{bold}{value}{end}" if cell.is_best else value
    return text + (f" [{', '.join(interval)}]" if interval else "") + "†" * bool(_marks(cell))


def _marks(cell: Cell) -> list[str]:
    return [f"{100 * share:.1f} % {mark}" for mark, share in cell.marks.items() if share > MARKED]


def _notes(sheet: Sheet) -> list[str]:
    """Say what the numbers are, over how many items, and under which settings."""
    percent = {panel.scale == 100 for panel in sheet.panels}
    units = "In %" if percent == {True} else "Shares in %" if True in percent else "Not in %"
    shares = {panel.metric in SHARES for panel in sheet.panels}
    how = " or ".join(["Wilson"] * (True in shares) + ["normal"] * (False in shares))
    notes = [f"{units}, 95 % {how} intervals; bold: best of its column; {MISSING}: not run."]
    for header, column in zip(sheet.headers, sheet.columns, strict=True):
        if column.mean:
            how = ", normal interval" * (column.mean == "set")
            notes.append(f"{header}: mean of the columns before, each {column.mean} alike{how}.")
    if not all(column.is_comparable for column in sheet.columns):
        notes.append("No best where models answered different items or task versions.")
    return notes + _sizes(sheet) + _settings(sheet) + _unread(sheet)


def _cells(sheet: Sheet) -> Iterator[tuple[str, str, Cell, Column]]:
    """Yield header, model and cell of every task, by column; means follow from these."""
    for place, (header, column) in enumerate(zip(sheet.headers, sheet.columns, strict=True)):
        for model, cells in sheet.rows:
            cell = cells[place]
            if cell and not column.mean:
                yield header, model, cell, column


def _sizes(sheet: Sheet) -> list[str]:
    sizes: dict[str, list[int]] = defaultdict(list)
    for header, _, cell, _ in _cells(sheet):
        sizes[header].append(cell.score.n)
    told = {header: _span(counts) for header, counts in sizes.items() if any(counts)}
    if len(set(told.values())) == 1:
        return [f"n = {next(iter(told.values()))}."]
    return [f"n: {', '.join(f'{header} {count}' for header, count in told.items())}."] * bool(told)


def _span(counts: Sequence[int]) -> str:
    ends = dict.fromkeys((min(counts), max(counts)))
    return " to ".join(f"{end:,}" for end in ends)


def _settings(sheet: Sheet) -> list[str]:
    """Return one line per way of asking; by model where models of one column differ."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for header, model, cell, column in _cells(sheet):
        found[_setting(cell.score, column)][model].append(header)
    if len(found) == 1:
        return [f"{next(iter(found))}."]
    ways = Counter(model for models in found.values() for model in models)
    columns = {text: dict.fromkeys(chain(*models.values())) for text, models in found.items()}
    is_by_column = max(Counter(chain(*columns.values())).values(), default=1) == 1
    told = {
        text: [model + f" ({', '.join(own)})" * (ways[model] > 1) for model, own in models.items()]
        for text, models in found.items()
    }
    return [f"{text}: {'; '.join(columns[text] if is_by_column else told[text])}." for text in told]


def _setting(score: Score, column: Column) -> str:
    """Return `5-shot, chat template off`, and what else is unusual."""
    parts = [] if score.num_fewshot is None else [f"{score.num_fewshot}-shot"]
    parts.append(f"chat template {'on' if score.chat_template else 'off'}")
    if score.limit:
        items = (
            f"{score.limit:.0f} items" if score.limit >= 1 else f"{100 * score.limit:g} % of items"
        )
        parts.append(f"first {items}")
    if len({cell.score.version for cell in column.cells.values()}) > 1:
        parts.append(f"task version {score.version or 'unknown'}")
    return ", ".join(parts)


def _unread(sheet: Sheet) -> list[str]:
    """Return a line for each model with cells marked with †."""
    found: dict[str, list[str]] = defaultdict(list)
    for header, model, cell, _ in _cells(sheet):
        found[model] += [f"{header} {mark}" for mark in _marks(cell)]
    return [f"† {model}: {', '.join(marks)}." for model, marks in found.items() if marks]


def _blocks(results: Results) -> list[Block]:
    """Return each table with its cells as text."""
    return [
        Block(sheet.title, ("model", *sheet.headers), tuple(_lines(sheet)), sheet.notes)
        for sheet in _sheets(results)
    ]


def _lines(sheet: Sheet) -> Iterator[tuple[str, ...]]:
    """Yield each row: the model, then its cells."""
    for model, cells in sheet.rows:
        pairs = zip(cells, sheet.panels, strict=True)
        yield model, *(_text(cell, panel, BOLD, END) for cell, panel in pairs)


def _csv(results: Results) -> str:
    """Return one line per cell, with values as lm-eval wrote them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for panel in grid(results).panels:
        for column in panel.columns:
            for model, cell in column.cells.items():
                score = cell.score
                low, high = cell.interval or ("", "")
                writer.writerow([
                    one_line(model), score.benchmark, score.protocol,
                    "Avg" if column.mean else score.subset, score.language, score.task,
                    score.metric, score.filter, score.value, low, high, score.n or "",
                    *(cell.marks.get(mark, "") for mark in MARKS), score.num_fewshot,
                    score.chat_template, score.limit, score.version, score.source.name,
                ])  # fmt: skip
    return text.getvalue()
