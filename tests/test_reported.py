"""Published numbers: all of them are there, and what does not add up in them is computed."""

import csv
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench import paths
from medbench.data import DATASETS
from medbench.errors import ResultError
from medbench.reported import ReportedTable, flags, read_reported
from medbench.reported.flags import KINDS, share_fault

FOLDER = paths.folder("leaderboard") / "reported"
SHARED = Path(__file__).parents[2] / "shared/reference/published_results.csv"
ABOUT = """title: A table
source: a paper
protocol: paper
unit: percent
columns:
  one: {benchmark: usmle, size: 200}
  two: {benchmark: pubmedqa, size: 7}
  Avg: {benchmark: mean, mean: [one, two]}
"""


def table(folder: Path, cells: str, about: str = ABOUT) -> ReportedTable:
    """Write and read a table whose rows are given as `one,two,Avg` lines."""
    rows = "".join(f"m{place},zero-shot,{row}\n" for place, row in enumerate(cells.split()))
    (folder / "t.csv").write_text(f"model,method,one,two,Avg\n{rows}", encoding="utf-8")
    (folder / "t.yaml").write_text(about, encoding="utf-8")
    (read,) = read_reported(folder)
    return read


def kinds(read: ReportedTable) -> list[tuple[str, tuple[str, ...]]]:
    return [(flag.kind, flag.columns) for flag in flags(read)]


@pytest.mark.parametrize(
    ("text", "size", "unit", "kind"),
    [
        ("29.65", 199, "percent", ""),
        ("29.64", 199, "percent", "cut off"),  # MedAlpaca, MMedBench, Japanese
        ("34.63", 199, "percent", "no share"),  # GPT-3.5
        ("0.2889", 435, "fraction", "no share"),  # gemma-7B, KorMedMCQA, doctor
        ("0.3402", 435, "fraction", ""),
        ("34.60", 480, "percent", "padded"),  # 166/480 = 34.583
        ("51.60", 480, "percent", "padded"),  # 248/480 = 51.667, cut off, then a zero
        ("65.15", 500, "percent", "no share"),
        ("50.0", 1273, "percent", ""),
        ("0", 9, "percent", ""),
        ("100.00", 9, "percent", ""),
        ("100.01", 9, "percent", "no share"),
        ("12.5", 8, "percent", ""),
    ],
)
def test_what_is_a_share(text: str, size: int, unit: str, kind: str) -> None:
    assert share_fault(text, size, unit) == kind


@given(st.integers(1, 9000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
       st.integers(0, 4))  # fmt: skip
def test_every_share_is_one_however_printed(count: tuple[int, int], decimals: int) -> None:
    right, size = count
    exact = Fraction(100 * right, size)
    assert share_fault(f"{float(exact):.{decimals}f}", size, "percent") == ""
    cut = int(exact * 10**decimals)
    text = f"{cut // 10**decimals}.{cut % 10**decimals:0{decimals}d}" if decimals else str(cut)
    assert share_fault(text, size, "percent") in ("", "cut off")


def test_flags_of_a_row(tmp_path: Path) -> None:
    assert kinds(table(tmp_path, "50.00,42.86,46.43")) == []
    assert kinds(table(tmp_path, "50.00,42.86,46.50")) == [("mean", ("Avg",))]
    assert kinds(table(tmp_path, "50.00,,")) == []
    assert kinds(table(tmp_path, "42.86,50.00,46.43")) == [
        ("no share", ("one",)), ("no share", ("two",)), ("exchanged", ("one", "two")),
    ]  # fmt: skip
    assert ("repeated", ("one", "two")) in kinds(table(tmp_path, "50.00,50.00,50.00"))


def test_a_remark_is_on_what_it_names(tmp_path: Path) -> None:
    remark = "remarks:\n  - {model: m1, columns: [two], reason: said so}\n"
    (flag,) = flags(table(tmp_path, "50.00,42.86,46.43 50.00,42.86,46.43", ABOUT + remark))
    assert (flag.kind, flag.row.model, flag.columns) == ("remark", "m1", ("two",))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    strange = ABOUT.replace("size: 7", "size: seven").replace("[one, two]", "[one, three]")
    strange += "remarks:\n  - {model: who, colums: [one]}\n"
    with pytest.raises(ResultError) as caught:
        table(tmp_path, "50.00,n/a,46.43", strange)
    for fault in (
        "t: column two: size 'seven' is no number of questions",
        "t: m0, zero-shot: two is 'n/a', no number",
        "t: Avg is a mean of three: no such column",
        "t: remark: unknown key 'colums'",
        "t: a remark is on 'who', which the table does not have",
    ):
        assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("t.yaml", "title: x\ncolour: red\n", "unknown key 'colour'"),
        ("t.yaml", "title: x\n", "t.yaml has no 'columns'"),
        ("t.yaml", "[1", "t.yaml is no YAML"),
        ("t.yaml", "- 1", "t.yaml is no mapping"),
        ("t.csv", "", "t.csv must start with model,method"),
        ("t.csv", "model,method,one,two,Avg\na,b,1\n", "t.csv:2: 3 cells under 5 columns"),
        ("t.csv", "model,method,two,one,Avg\na,b,1,1,1\n", "the YAML file asks for"),
        ("u.csv", "model,method\na,b\n", "u.yaml cannot be opened"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, name: str, content: str, fault: str) -> None:
    table(tmp_path, "50.00,42.86,46.43")
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ResultError) as caught:
        read_reported(tmp_path)
    assert fault in str(caught.value)


def test_an_empty_folder_is_no_leaderboard(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no tables inside"):
        read_reported(tmp_path)


def test_the_published_tables() -> None:
    tables = read_reported(FOLDER)
    assert sum(1 for one in tables for _ in one.numbers()) == 1498
    found = Counter(flag.kind for one in tables for flag in flags(one))
    assert set(found) == set(KINDS)
    for one in tables:
        for column in one.columns:
            if known := DATASETS.get((column.benchmark, column.subset)):
                assert column.size in (0, known.sizes["test"]), (one.name, column)


def test_what_the_seed_reports_found_is_found() -> None:
    found = {
        (flag.kind, flag.row.model, name)
        for one in read_reported(FOLDER)
        for flag in flags(one)
        for name in flag.columns
    }
    assert ("mean", "GPT-4", "Avg") in found
    assert ("mean", "GPT-3.5", "Avg") in found
    assert ("exchanged", "Bio-Medical-Llama-3-8B", "MedQA") in found
    assert ("repeated", "Qwen2.5-7B-Instruct", "PubMedQA") in found
    typos = {("claude-3-sonnet-2024-02-29", "dentist"), ("Llama-3-70B", "dentist"),
             ("gemma-7B", "doctor"), ("meditron-7B", "dentist"), ("llama3-meerkat-70B", "dentist"),
             ("ClinicalCamel-70B", "doctor")}  # fmt: skip
    assert {("no share", *one) for one in typos} <= found
    assert ("remark", "Meditron3-8B", "nurse") in found


def test_every_number_is_the_published_one() -> None:
    """Against the list that the tables were made from, where it lies beside the project."""
    if not SHARED.is_file():
        pytest.skip("published_results.csv is not here: it is no part of the project")
    with SHARED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    published = Counter(
        (
            row["source"].removeprefix("seed 003 / ").removesuffix(" (seed 004)")
            .replace("total_result.csv (own", "total_result.csv @59db8e4 (own"),
            row["model"],
            row["method"].partition(" [not a multiple")[0],
            row["value"].removesuffix(" GB"),
        )
        for row in rows
    )  # fmt: skip
    here = Counter(
        (row.source, row.model, row.method, row.cells[column.name])
        for one in read_reported(FOLDER)
        for row, column in one.numbers()
    )
    assert here == published
