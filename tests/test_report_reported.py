"""Published tables drawn: as printed, marked, and in files of their own."""

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from medbench.report.board import board
from medbench.report.reported import (
    on_benchmarks,
    reported_summary,
    reported_table,
    reported_terminal,
)
from tests.test_reported import ABOUT, table


def test_formats(tmp_path: Path) -> None:
    tables = [table(tmp_path, "50.00,42.86,46.50 1.5,,")]
    markdown = reported_table(tables, "markdown")
    assert "### Reported elsewhere: A table" in markdown
    assert "46.50‡ |" in markdown
    assert "Not measured here. Printed in: a paper." in markdown
    assert "mean: 46.50 is printed, the row's mean is 46.430" in markdown
    assert r"46.50\textdaggerdbl{}" in reported_table(tables, "latex")
    rows = list(csv.DictReader(io.StringIO(reported_table(tables, "csv"))))
    assert [row["value"] for row in rows] == ["50.00", "42.86", "46.50", "1.5"]
    assert [row["flags"] for row in rows] == ["", "", "mean", ""]
    objects = json.loads(reported_table(tables, "json"))
    assert [{key: str(value) for key, value in one.items()} for one in objects] == rows
    cells = [cell.strip() for cell in reported_summary(tables).splitlines()[2].split("|")]
    assert cells[1:-1] == ["[t](t.csv)", "A table", "paper", "4", "1"]


def test_a_narrow_terminal_cuts_columns(tmp_path: Path) -> None:
    tables = [table(tmp_path, "50.00,42.86,46.43")]
    console = Console(width=70, file=io.StringIO(), record=True)
    reported_terminal(tables, console)
    text = console.export_text()
    assert text.count("zero-shot") == 2
    assert "46.43" in text


def test_only_tables_on_what_was_measured(tmp_path: Path) -> None:
    read = table(tmp_path, "50.00,42.86,46.43", ABOUT)
    assert on_benchmarks([read], {"usmle"}) == (read,)
    assert on_benchmarks([read], {"careqa"}) == ()


def test_board_writes_them_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.test_board import run

    run(tmp_path, {"usmle": 0.5})
    plain = board([tmp_path], tmp_path / "a", ["md", "csv"])
    both = board([tmp_path], tmp_path / "b", ["md", "csv"], reported=True)
    assert [path.name for path in both] == ["board.md", "reported.md", "board.csv", "reported.csv"]
    assert both[0].read_text() == plain[0].read_text()
    assert "KorMedMCQA, 58 models" in both[1].read_text()  # it has a column of USMLE
    assert "Reported elsewhere" in capsys.readouterr().out
