"""Published numbers as tables of their own: as printed, with what does not add up.

They never share a column with measured ones: who asked, how, and over which questions differs.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from medbench.report.formats import Block, latex, markdown
from medbench.reported import Flag, ReportedTable, flags

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["on_benchmarks", "reported_summary", "reported_table", "reported_terminal"]

MARK = "‡"
HEADING = "Reported elsewhere"
CSV_COLUMNS = ("table", "model", "method", "benchmark", "subset", "metric", "protocol", "n",
               "unit", "value", "flags", "reasons", "source")  # fmt: skip
NAMES = ("model", "method")


def on_benchmarks(
    tables: Iterable[ReportedTable], benchmarks: Collection[str]
) -> tuple[ReportedTable, ...]:
    """Return the tables with at least one column of these benchmarks."""
    return tuple(
        table for table in tables if any(one.benchmark in benchmarks for one in table.columns)
    )


def reported_table(tables: Sequence[ReportedTable], format: str) -> str:
    """Return published tables as text.

    Args:
        tables: What `read_reported` returned.
        format: markdown, csv (one line a number), json (one object a number, as in csv) or latex
            (booktabs).
    """
    if format == "csv":
        return _csv(tables)
    if format == "json":
        objects = [dict(zip(CSV_COLUMNS, line, strict=True)) for line in _lines(tables)]
        return json.dumps(objects, ensure_ascii=False, indent=1) + "\n"
    blocks = [_block(table) for table in tables]
    formats = {"markdown": markdown, "latex": latex}
    assert format in formats, (
        f"no table format {format!r}; there are csv, json, {', '.join(formats)}"
    )
    return formats[format](blocks)


def reported_terminal(tables: Sequence[ReportedTable], console: "Console | None" = None) -> None:
    """Print published tables, each in as many parts as the width of the terminal asks for."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    most = max(1, (console.width - 46) // 11)
    for block in map(_block, tables):
        for start in range(block.names, len(block.headers), most):
            part = slice(start, start + most)
            title = Text(block.title, style="italic yellow")
            drawn = Table(title=title, title_justify="left", box=None, row_styles=["italic"])
            drawn.add_column("model", max_width=22, overflow="fold")
            drawn.add_column("method", max_width=22, overflow="fold")
            for header in block.headers[part]:
                drawn.add_column(Text(header), justify="right")
            for row in block.rows:
                if any(row[part]):
                    drawn.add_row(*map(Text, (*row[: block.names], *row[part])))
            console.print(drawn)
        for note in block.notes:
            console.print(Padding(Text(note, style="dim"), (0, 1)))
        console.print()


def reported_summary(tables: Sequence[ReportedTable]) -> str:
    """Return a Markdown table of the tables, and under it every flag."""
    from tabulate import tabulate

    lines = []
    told: list[str] = []
    for table in tables:
        found = flags(table)
        marked = {(id(flag.row), name) for flag in found for name in flag.columns}
        link = f"[{table.name}]({table.name}.csv)"
        lines.append([link, table.title, table.protocol, len(list(table.numbers())), len(marked)])
        told += [f"- `{table.name}` {note}" for note in _flag_notes(table, found)]
    headers = ["table", "shows", "protocol", "numbers", "flagged"]
    drawn = tabulate(lines, headers, "github")
    return f"{drawn}\n\n" + "\n".join(told)


def _block(table: ReportedTable) -> Block:
    """Return a table with its numbers as printed, the flagged ones marked."""
    found = flags(table)
    marked = {(id(flag.row), name) for flag in found for name in flag.columns}
    rows = tuple(
        (row.model, row.method, *(
            row.cells.get(column.name, "") + MARK * ((id(row), column.name) in marked)
            for column in table.columns
        ))
        for row in table.rows
    )  # fmt: skip
    headers = (*NAMES, *(column.name for column in table.columns))
    notes = (*_notes(table), *(f"{MARK} {note}" for note in _flag_notes(table, found)))
    return Block(f"{HEADING}: {table.title}", headers, rows, notes, names=len(NAMES))


def _notes(table: ReportedTable) -> Iterator[str]:
    """Say where the numbers are from, how they were asked for, and over how many questions."""
    yield f"Not measured here. Printed in: {'; '.join(table.sources)}."
    units: dict[str, list[str]] = defaultdict(list)
    for column in table.columns:
        units[column.unit].append(column.name)
    told = [f"{unit}: {', '.join(names)}" if len(units) > 1 else unit
            for unit, names in units.items()]  # fmt: skip
    yield f"Protocol: {table.protocol}. In {'; '.join(told)}."
    if sizes := [f"{one.name} {one.size:,}" for one in table.columns if one.size]:
        yield f"n: {', '.join(sizes)}."
    yield from table.notes


def _flag_notes(table: ReportedTable, found: Iterable[Flag]) -> Iterator[str]:
    """Yield one line a computed flag, and one a remark, be it on one number or on many."""
    for flag in found:
        if flag.kind != "remark":
            where = f"{flag.row.model}, {flag.row.method}, {' and '.join(flag.columns)}"
            yield f"{where}: {flag.kind}: {flag.reason}."
    for remark in table.remarks:
        where = ", ".join(filter(None, (remark.model, remark.method, " and ".join(remark.columns))))
        yield f"{where}: {remark.reason}."


def _csv(tables: Sequence[ReportedTable]) -> str:
    """Return one line a number, as printed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([CSV_COLUMNS, *_lines(tables)])
    return text.getvalue()


def _lines(tables: Sequence[ReportedTable]) -> Iterator[tuple[str | int, ...]]:
    """Yield `CSV_COLUMNS` of every number."""
    for table in tables:
        found: dict[tuple[int, str], list[Flag]] = defaultdict(list)
        for flag in flags(table):
            for name in flag.columns:
                found[id(flag.row), name].append(flag)
        for row, column in table.numbers():
            own = found[id(row), column.name]
            yield (
                table.name, row.model, row.method, column.benchmark, column.subset, column.metric,
                table.protocol, column.size or "", column.unit, row.cells[column.name],
                "; ".join(flag.kind for flag in own), "; ".join(flag.reason for flag in own),
                row.source,
            )  # fmt: skip
