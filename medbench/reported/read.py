"""Reads `leaderboard/reported/`: for each table a CSV file of cells and a YAML file on them.

The CSV file has one line for each printed row: `model`, `method`, what the source's name needs,
then the columns that the YAML file describes. Cells keep the decimals that were printed.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from medbench.errors import ResultError
from medbench.reported.table import UNITS, Column, Remark, ReportedTable, Row

__all__ = ["read_reported"]

NUMBER = re.compile(r"~?\d+(\.\d+)?")
NEEDED = {"title", "source", "protocol", "unit", "columns"}
OPTIONAL = {"remarks", "notes"}
OF_A_COLUMN = {"benchmark", "subset", "metric", "unit", "size", "mean"}
OF_A_REMARK = {"reason", "model", "method", "columns"}
ROW_NAMES = ("model", "method")


def read_reported(folder: Path) -> tuple[ReportedTable, ...]:
    """Read every table of a folder, sorted by name.

    Raises:
        ResultError: what is wrong with the tables, all at once.
    """
    faults: list[str] = []
    tables = []
    stems = {path.stem for suffix in ("yaml", "csv") for path in folder.glob(f"*.{suffix}")}
    if not stems:
        faults.append(f"{folder}: no tables inside")
    for stem in sorted(stems):
        found: list[str] = []
        about = _about(folder / f"{stem}.yaml", found)
        lines = _lines(folder / f"{stem}.csv", found)
        if not found:
            tables.append(_table(stem, about, lines, found))
        faults += [f"{stem}: {fault}" for fault in found]
    if faults:
        told = "\n".join(f"  {fault}" for fault in faults)
        raise ResultError(f"these published tables cannot be read:\n{told}")
    return tuple(tables)


def _about(path: Path, faults: list[str]) -> dict[str, Any]:
    """Return the YAML file; keys are checked."""
    try:
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{path.name} cannot be opened ({error.strerror})")
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        faults.append(f"{path.name} is no YAML ({error})")
        return {}
    if not isinstance(about, dict):
        faults.append(f"{path.name} is no mapping")
        return {}
    _keys(about, NEEDED | OPTIONAL, path.name, faults)
    faults += [f"{path.name} has no {key!r}" for key in sorted(NEEDED - about.keys())]
    columns = about.get("columns")
    if columns is not None and not _is_table(columns):
        faults.append(f"{path.name}: columns must be a mapping of mappings")
    remarks = about.get("remarks", [])
    if not (isinstance(remarks, list) and all(isinstance(one, dict) for one in remarks)):
        faults.append(f"{path.name}: remarks must be a list of mappings")
    return about


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, dict) for one in value.values())


def _keys(given: Mapping[str, Any], known: set[str], where: str, faults: list[str]) -> None:
    unknown = sorted(str(key) for key in given if key not in known)
    faults += [f"{where}: unknown key {key!r}; there are {', '.join(sorted(known))}"
               for key in unknown]  # fmt: skip


def _lines(path: Path, faults: list[str]) -> list[list[str]]:
    """Return the CSV file's lines, the head first; all have one length."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
    except OSError as error:
        faults.append(f"{path.name} cannot be opened ({error.strerror})")
        return []
    if not lines or tuple(lines[0][:2]) != ROW_NAMES or len(lines) < 2:
        faults.append(f"{path.name} must start with model,method and hold a row")
        return []
    head = lines[0]
    faults += [f"{path.name}: column {name!r} stands twice"
               for name in dict.fromkeys(head) if head.count(name) > 1]  # fmt: skip
    faults += [f"{path.name}:{number}: {len(line)} cells under {len(head)} columns"
               for number, line in enumerate(lines, 1) if len(line) != len(head)]  # fmt: skip
    return lines


def _table(
    name: str, about: Mapping[str, Any], lines: Sequence[Sequence[str]], faults: list[str]
) -> ReportedTable:
    """Put both files together; what does not match is a fault."""
    columns = tuple(_column(key, about, faults) for key in about["columns"])
    wanted, places = {one.name for one in columns}, re.findall(r"\{(\w+)\}", about["source"])
    head = lines[0]
    expected = [*ROW_NAMES, *places, *(one.name for one in columns)]
    if head != expected:
        faults.append(f"the CSV file has the columns {head}, the YAML file asks for {expected}")
        return ReportedTable(name, about["title"], about["protocol"], columns, ())
    rows = [_row(dict(zip(head, line, strict=True)), about["source"], wanted) for line in lines[1:]]
    keys = [(row.model, row.method, row.source) for row in rows]
    faults += [f"two rows are {key}" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    faults += [
        f"{row.model}, {row.method}: {column} is {text!r}, no number"
        for row in rows
        for column, text in row.cells.items()
        if not NUMBER.fullmatch(text)
    ]
    for one in columns:
        if strange := [part for part in one.mean if part not in wanted]:
            faults.append(f"{one.name} is a mean of {', '.join(strange)}: no such column")
    remarks = tuple(_remark(one, rows, wanted, faults) for one in about.get("remarks", []))
    notes = tuple(map(str, about.get("notes", [])))
    return ReportedTable(
        name, about["title"], about["protocol"], columns, tuple(rows), remarks, notes
    )


def _column(name: str, about: Mapping[str, Any], faults: list[str]) -> Column:
    given = about["columns"][name]
    _keys(given, OF_A_COLUMN, f"column {name}", faults)
    if not given.get("benchmark"):
        faults.append(f"column {name}: no benchmark")
    size = given.get("size", 0)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        faults.append(f"column {name}: size {size!r} is no number of questions")
    unit = str(given.get("unit", about["unit"]))
    if unit not in UNITS:
        faults.append(f"column {name}: no unit {unit!r}; there are {', '.join(UNITS)}")
    rest = {key: given[key] for key in ("subset", "metric", "size") if key in given}
    benchmark, mean = str(given.get("benchmark", "")), tuple(given.get("mean", ()))
    return Column(name, unit, benchmark, mean=mean, **rest)


def _row(line: Mapping[str, str], source: str, columns: set[str]) -> Row:
    cells = {name: text for name, text in line.items() if name in columns and text}
    where = re.sub(r"\{(\w+)\}", lambda match: line[match[1]], source)
    return Row(line["model"], line["method"], where, cells)


def _remark(
    given: Mapping[str, Any], rows: Sequence[Row], columns: set[str], faults: list[str]
) -> Remark:
    _keys(given, OF_A_REMARK, "remark", faults)
    named = {**given, "columns": tuple(given.get("columns", ()))}
    remark = Remark(**{key: named[key] for key in OF_A_REMARK if key in named} | _no_reason(given))
    unknown = [name for name in remark.columns if name not in columns]
    unknown += [remark.model] * (remark.model not in {"", *(row.model for row in rows)})
    unknown += [remark.method] * (remark.method not in {"", *(row.method for row in rows)})
    faults += [f"a remark is on {name!r}, which the table does not have" for name in unknown]
    if not remark.reason:
        faults.append(f"a remark on {remark.model or remark.columns} has no reason")
    return remark


def _no_reason(given: Mapping[str, Any]) -> dict[str, str]:
    return {} if given.get("reason") else {"reason": ""}
