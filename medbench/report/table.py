"""Leaderboard tables: Markdown, CSV, LaTeX, HTML, and the terminal's.

Every cell is a number with its 95 % interval; what differs between cells is said below the table.
"""

import csv
import html
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.report.board import MACRO, MARKS, SHARES, Cell, Column, Panel, grid, shown
from medbench.results import Results, Score, one_line

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["table", "terminal"]

MOST_COLUMNS = 9
MISSING = "—"
MARKED = 0.05
# Private characters, which no name keeps, stand for markup until a format's escaping is done.
BOLD, END, BRACE = "\ue000", "\ue001", "\ue002"
LATEX = str.maketrans({
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "<": r"\textless{}", ">": r"\textgreater{}",
})  # fmt: skip
LATEX_MARKUP = str.maketrans({
    BOLD: r"\textbf{", END: "}", BRACE: "{}",
    "†": r"\textdagger{}", "—": "---", "·": r"\textperiodcentered{}",
})  # fmt: skip
CSV_COLUMNS = ("model", "benchmark", "protocol", "subset", "language", "task", "metric", "filter",
               "value", "low", "high", "n", *MARKS, "num_fewshot", "chat_template", "limit",
               "version", "source")  # fmt: skip
STYLE = """body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; }
table { border-collapse: collapse; margin: 1.5rem 0 .5rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child { text-align: left; } thead th { border-bottom: 2px solid #222; }
small, li { color: #666; } ul { padding-left: 1.2rem; font-size: .85rem; }"""


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


def table(results: Results, format: str) -> str:
    """Return the leaderboard as text.

    Args:
        results: What `read_results` returned.
        format: markdown, csv (one line per cell), latex (booktabs) or html (a page).
    """
    formats = {"markdown": _markdown, "csv": _csv, "latex": _latex, "html": _html}
    assert format in formats, f"no table format {format!r}; there are {', '.join(formats)}"
    return formats[format](results)


def terminal(results: Results, console: "Console | None" = None) -> None:
    """Print the leaderboard, in as many tables as the width of the terminal asks for."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    longest = min(28, max((len(score.model) for score in results.scores), default=0))
    for sheet in _sheets(results, max(1, min(MOST_COLUMNS, (console.width - longest) // 16))):
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
        for note in _notes(sheet):
            console.print(Text(f" {note}", style="dim"))
        console.print()
    for note in results.notes:
        console.print(Text(f"note: {note}", style="yellow"))


def _sheets(results: Results, most: int = MOST_COLUMNS) -> list[Sheet]:
    """Return one table if it has few columns, else one per panel, cut where it is too wide."""
    board = grid(results)
    parts = [(p.title, [(c.label or p.title, c, p) for c in p.columns]) for p in board.panels]
    if sum(len(panel.columns) for panel in board.panels) <= most:
        parts = [("", [(c.heading, c, p) for p in board.panels for c in p.columns])]
    sheets = []
    for title, part in parts:
        for start in range(0, len(part), most):
            headers, columns, panels = zip(*part[start : start + most], strict=True)
            cells = [(model, tuple(c.cells.get(model) for c in columns)) for model in board.models]
            rows = tuple((one_line(model), row) for model, row in cells if any(row))
            headings = tuple(map(one_line, headers))
            sheets.append(Sheet(one_line(title), headings, columns, panels, rows))
    return sheets


def _text(cell: Cell | None, panel: Panel, bold: str = "", end: str = "") -> str:
    """Return `41.7 [19.3, 68.0]†`, the number between `bold` and `end` if it is the best."""
    if cell is None:
        return MISSING
    value = shown(cell.score.value, panel.scale)
    interval = [shown(bound, panel.scale) for bound in cell.interval or ()]
    text = f"{bold}{value}{end}" if cell.is_best else value
    return text + (f" [{', '.join(interval)}]" if interval else "") + "†" * _is_marked(cell)


def _is_marked(cell: Cell) -> bool:
    return any(share > MARKED for share in cell.marks.values())


def _notes(sheet: Sheet) -> list[str]:
    """Say what the numbers are, over how many items, and under which settings."""
    kinds = {(panel.metric in SHARES, panel.scale == 100) for panel in sheet.panels}
    what = "In %" if all(percent for _, percent in kinds) else "% for shares"
    how = "Wilson" if all(share for share, _ in kinds) else "(Wilson for shares, else normal)"
    notes = [f"{what} with the 95 % {how} interval; bold: best of its column; {MISSING}: not run."]
    benchmarks = {c.score.benchmark for col in sheet.columns if col.is_mean
                  for c in col.cells.values()}  # fmt: skip
    if any(column.is_mean for column in sheet.columns):
        weights = "each set weighs the same" if benchmarks <= set(MACRO) else "by number of items"
        notes.append(f"Avg: mean over the sets ({weights}), missing where a set is missing.")
    if not all(column.is_comparable for column in sheet.columns):
        notes.append("No best where models answered different items or task versions.")
    return notes + _sizes(sheet) + _settings(sheet) + _unread(sheet)


def _cells(sheet: Sheet) -> Iterator[tuple[str, str, Cell, Column]]:
    """Yield header, model and cell of every task; means follow from these."""
    for model, cells in sheet.rows:
        for header, column, cell in zip(sheet.headers, sheet.columns, cells, strict=True):
            if cell and not column.is_mean:
                yield header, model, cell, column


def _sizes(sheet: Sheet) -> list[str]:
    sizes: dict[str, list[int]] = defaultdict(list)
    for header, _, cell, _ in _cells(sheet):
        sizes[header].append(cell.score.n)
    told = {header: _span(counts) for header, counts in sizes.items() if any(counts)}
    if len(set(told.values())) == 1:
        return [f"n = {next(iter(told.values()))} items in each column."]
    return [f"n: {', '.join(f'{header} {count}' for header, count in told.items())}."] * bool(told)


def _span(counts: Sequence[int]) -> str:
    ends = dict.fromkeys((min(counts), max(counts)))
    return " to ".join(f"{end:,}" for end in ends)


def _settings(sheet: Sheet) -> list[str]:
    """Return one line per way of asking; by model where models of one column differ."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for header, model, cell, column in _cells(sheet):
        found[_setting(cell.score, column)].append((header, model))
    if len(found) == 1:
        return [f"{next(iter(found))}."]
    headers = [header for group in found.values() for header in {header for header, _ in group}]
    by = 0 if len(headers) == len(set(headers)) else 1
    return [f"{text}: {', '.join(dict.fromkeys(pair[by] for pair in group))}."
            for text, group in found.items()]  # fmt: skip


def _setting(score: Score, column: Column) -> str:
    """Return `5-shot, chat template off`, and what else is unusual."""
    parts = [] if score.num_fewshot is None else [f"{score.num_fewshot}-shot"]
    parts.append(f"chat template {'on' if score.chat_template else 'off'}")
    if score.limit:
        items = f"{score.limit:.0f} items" if score.limit >= 1 else f"{score.limit:.0%} of items"
        parts.append(f"first {items}")
    if len({cell.score.version for cell in column.cells.values()}) > 1:
        parts.append(f"task version {score.version or 'unknown'}")
    return ", ".join(parts)


def _unread(sheet: Sheet) -> list[str]:
    """Return a line for each cell marked with †."""
    return [
        f"† {model}, {header}: "
        + ", ".join(f"{share:.1%} {mark}" for mark, share in cell.marks.items() if share > MARKED)
        for header, model, cell, _ in _cells(sheet)
        if _is_marked(cell)
    ]


def _markdown_escape(text: str) -> str:
    """Escape what GitHub reads as markup; an underscore inside a word is none."""
    text = re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return html.escape(text, quote=False)


def _markdown(results: Results) -> str:
    from tabulate import tabulate

    blocks = []
    for sheet in _sheets(results):
        rows = [[_markdown_escape(model), *(_text(cell, panel, "**", "**")
                 for cell, panel in zip(cells, sheet.panels, strict=True))]
                for model, cells in sheet.rows]  # fmt: skip
        headers = ["model", *map(_markdown_escape, sheet.headers)]
        aligned = ("left", *["right"] * len(sheet.headers))
        blocks += [f"### {_markdown_escape(sheet.title)}"] * bool(sheet.title)
        blocks.append(tabulate(rows, headers, "pipe", disable_numparse=True, colalign=aligned))
        blocks.append("\n".join(f"- {_markdown_escape(note)}" for note in _notes(sheet)))
    blocks += ["\n".join(f"- {_markdown_escape(note)}" for note in results.notes)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _latex(results: Results) -> str:
    from tabulate import tabulate

    blocks = ["% \\usepackage{booktabs}"]
    for sheet in _sheets(results):
        rows = [[BRACE + model, *(_text(cell, panel, BOLD, END)
                 for cell, panel in zip(cells, sheet.panels, strict=True))]
                for model, cells in sheet.rows]  # fmt: skip
        drawn = tabulate(rows, ["model", *sheet.headers], "latex_booktabs", disable_numparse=True,
                         colalign=("left", *["right"] * len(sheet.headers)))  # fmt: skip
        caption = " ".join([f"{sheet.title}." * bool(sheet.title), *_notes(sheet)]).strip()
        blocks.append("\\begin{table}\n\\centering\n\\small\n" + drawn.translate(LATEX_MARKUP)
                      + f"\n\\caption{{{caption.translate(LATEX).translate(LATEX_MARKUP)}}}\n"
                      + "\\end{table}")  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def _html(results: Results) -> str:
    blocks = []
    for sheet in _sheets(results):
        head = "".join(f"<th>{html.escape(header)}</th>" for header in ("model", *sheet.headers))
        body = []
        for model, cells in sheet.rows:
            texts = [_text(cell, panel, "<b>", "</b>")
                     for cell, panel in zip(cells, sheet.panels, strict=True)]  # fmt: skip
            drawn = "".join(f"<td>{text}</td>" for text in texts)
            body.append(f"<tr><td>{html.escape(model)}</td>{drawn}</tr>")
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in _notes(sheet))
        blocks.append(f"<table><caption>{html.escape(sheet.title)}</caption>\n<thead><tr>{head}</tr>"
                      f"</thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody></table>\n"
                      f"<ul>{notes}</ul>")  # fmt: skip
    blocks += [f"<p>{html.escape(note)}</p>" for note in results.notes]
    return (f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>medbench board</title>'
            f"\n<style>{STYLE}</style>\n" + "\n".join(blocks) + "\n</html>\n")  # fmt: skip


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
                    "Avg" if column.is_mean else score.subset, score.language, score.task,
                    score.metric, score.filter, score.value, low, high, score.n or "",
                    *(cell.marks.get(mark, "") for mark in MARKS), score.num_fewshot,
                    score.chat_template, score.limit, score.version, score.source.name,
                ])  # fmt: skip
    return text.getvalue()
