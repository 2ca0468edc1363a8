"""Published numbers on the page: as printed, each with its source and what does not add up."""

from collections import defaultdict
from collections.abc import Callable

from medbench.report.grid import BENCHMARKS, SUBSETS
from medbench.report.page.form import PageCell, PageColumn, PageFacts, PageRow, PageTable
from medbench.reported import Column, ReportedTable, Row, flags
from medbench.results import LANGUAGES

__all__ = ["language_of", "published_table"]

ENGLISH = ("usmle", "medmcqa", "pubmedqa", "flowertune")
"""Benchmarks of one language, which results and tables do not name."""


def published_table(table: ReportedTable, place: Callable[[PageFacts], int]) -> PageTable:
    """Return one published table; it has no ranks.

    Args:
        table: As read.
        place: Keeps facts, and returns where they stand.
    """
    reasons: dict[tuple[int, str], list[str]] = defaultdict(list)
    for flag in flags(table):
        for name in flag.columns:
            kind = "" if flag.kind == "remark" else f"{flag.kind}: "
            reasons[id(flag.row), name].append(f"{kind}{flag.reason}")
    cells: list[list[PageCell | None]] = [[None] * len(table.columns) for _ in table.rows]
    for row, drawn in zip(table.rows, cells, strict=True):
        source = place(_source_facts(table, row))
        for number, column in enumerate(table.columns):
            if (text := row.cells.get(column.name)) is None:
                continue
            cell: PageCell = {"text": text, "facts": [place(_number_facts(column)), source]}
            if why := reasons.get((id(row), column.name)):
                cell["reasons"], cell["is_marked"] = why, True
            drawn[number] = cell
    notes = [f"Printed in: {'; '.join(table.sources)}.", f"Protocol: {table.protocol}."]
    return {
        "title": table.title,
        "columns": [_column(column) for column in table.columns],
        "rows": [_row(row) for row in table.rows],
        "cells": cells,
        "notes": [*notes, *table.notes],
    }


def language_of(benchmark: str, language: str) -> str:
    """Return the ISO 639-1 code that is known, or else the benchmark's; empty for several."""
    return language or ("en" if benchmark in ENGLISH else "")


def _column(column: Column) -> PageColumn:
    name = BENCHMARKS.get(column.benchmark, column.benchmark)
    size = f"n {column.size:,}" if column.size else ""
    return {
        "group": name,
        "label": column.name,
        "benchmark": name,
        "language": language_of(column.benchmark, LANGUAGES.get(column.subset, "")),
        "detail": ", ".join(filter(None, (size, "" if column.is_share else column.unit))),
        "higher_is_better": column.unit in ("percent", "fraction"),
    }


def _row(row: Row) -> PageRow:
    return {"name": row.model, "detail": row.method, "method": row.method, "parameters": None}


def _number_facts(column: Column) -> PageFacts:
    subset = SUBSETS.get(column.subset, column.subset.replace("_", " "))
    name = BENCHMARKS.get(column.benchmark, column.benchmark)
    pairs = [
        ("benchmark", f"{name} {subset}".strip()),
        ("metric", f"{column.metric} in {column.unit}"),
        ("n", f"{column.size:,}" if column.size else ""),
        ("mean of", ", ".join(column.mean)),
    ]
    return {"title": "Number", "pairs": [pair for pair in pairs if pair[1]]}


def _source_facts(table: ReportedTable, row: Row) -> PageFacts:
    pairs = [
        ("printed in", row.source),
        ("method, as printed", row.method),
        ("protocol", table.protocol),
        ("kept in", f"leaderboard/reported/{table.name}.csv"),
    ]
    return {"title": "Source", "pairs": pairs}
