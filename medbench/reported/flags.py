"""What does not add up in a published table, computed from its numbers alone.

An accuracy over n questions is k/n for a whole k. A printed number that is none was scored on
other questions, averaged over runs, or mistyped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from medbench.reported.table import UNITS, Column, ReportedTable, Row

__all__ = ["KINDS", "Flag", "flags", "share_fault"]

KINDS = {
    "no share": "no k/n for the test's size n, at the precision printed",
    "cut off": "k/n, but cut off where it should have been rounded",
    "padded": "k/n with fewer decimals than are printed: a zero was added",
    "mean": "not the mean of its row",
    "repeated": "the same number under two tests of one row, one of which cannot give it",
    "exchanged": "k/n if two columns change places: a hint, no proof",
    "remark": "found by a person",
}
"""Kind of flag → what it says."""
WORDS = {
    "no share": "no k/{n}",
    "cut off": "k/{n} cut off, not rounded",
    "padded": "k/{n} only without its last zero",
}
MOST_CHANCE = 0.25
"""An exchange is told if numbers drawn at random would fit less often than this."""


@dataclass(frozen=True, slots=True)
class Flag:
    """Something to know about numbers of one row."""

    kind: str
    """One of `KINDS`."""
    row: Row
    """Of the table."""
    columns: tuple[str, ...]
    """The names of the columns concerned."""
    reason: str
    """In words, with the numbers."""


def flags(table: ReportedTable) -> tuple[Flag, ...]:
    """Return all that is to be known about single numbers of a table."""
    found: list[Flag] = []
    for row in table.rows:
        present = [column for column in table.columns if column.name in row.cells]
        shares = [column for column in present if column.is_share]
        found += _shares(row, shares)
        found += _means(row, present)
        found += _repeated(row, shares)
        found += _exchanged(row, shares)
        found += _remarks(row, present, table)
    return tuple(found)


def share_fault(text: str, size: int, unit: str) -> str:
    """Return why a printed number is no k/size: a kind of flag, empty if it is one.

    Args:
        text: As printed, with all its decimals.
        size: The number of questions.
        unit: percent or fraction.
    """
    if _is_rounded(text, size, unit):
        return ""
    if _is_cut(text, size, unit):
        return "cut off"
    shorter = text
    while "." in shorter and shorter[-1] in "0.":
        shorter = shorter[:-1]
        if shorter[-1] != "." and (
            _is_rounded(shorter, size, unit) or _is_cut(shorter, size, unit)
        ):
            return "padded"
    return "no share"


def _is_rounded(text: str, size: int, unit: str) -> bool:
    """Tell whether a number is k/size, rounded in either way where it stands in the middle."""
    value, whole = Fraction(text), UNITS[unit]
    nearest = Fraction(round(value * size / whole) * whole, size)
    return 0 <= value <= whole and abs(nearest - value) <= _step(text) / 2


def _is_cut(text: str, size: int, unit: str) -> bool:
    """Tell whether a number is the beginning of k/size."""
    value, whole = Fraction(text), UNITS[unit]
    above = -(-value * size // whole)  # the first k that is not below
    return 0 <= above <= size and Fraction(above * whole, size) - value < _step(text)


def _step(text: str) -> Fraction:
    """Return one of the last decimal: 0.01 for 29.64."""
    return Fraction(1, 10 ** len(text.partition(".")[2]))


def _shares(row: Row, shares: Sequence[Column]) -> Iterator[Flag]:
    for column in shares:
        text = row.cells[column.name]
        if kind := share_fault(text, column.size, column.unit):
            near = _nearest(text, column)
            told = f"{text} is {WORDS[kind].format(n=column.size)}: {near}"
            yield Flag(kind, row, (column.name,), told)


def _nearest(text: str, column: Column) -> str:
    """Return the shares on both sides: `58/199 = 29.146, 59/199 = 29.648`."""
    whole = UNITS[column.unit]
    below = Fraction(text) * column.size // whole
    digits = len(text.partition(".")[2]) + 1
    counts = [k for k in (below, below + 1) if 0 <= k <= column.size]
    return ", ".join(f"{k}/{column.size} = {k * whole / column.size:.{digits}f}" for k in counts)


def _means(row: Row, present: Sequence[Column]) -> Iterator[Flag]:
    for column in present:
        parts = [name for name in column.mean if name in row.cells]
        if not parts or len(parts) < len(column.mean):
            continue
        mean = sum(map(row.number, parts), Fraction()) / len(parts)
        text = row.cells[column.name]
        # half a step for the rounding of the mean, and as much for that of its parts
        slack = (_step(text) + max(_step(row.cells[name]) for name in parts)) / 2
        if abs(mean - row.number(column.name)) > slack:
            digits = len(text.partition(".")[2]) + 1
            told = f"{text} is printed, the row's mean is {float(mean):.{digits}f}"
            yield Flag("mean", row, (column.name,), told)


def _repeated(row: Row, shares: Sequence[Column]) -> Iterator[Flag]:
    for one, other in combinations(shares, 2):
        text = row.cells[one.name]
        if text == row.cells[other.name] and any(
            share_fault(text, column.size, column.unit) == "no share" for column in (one, other)
        ):
            told = f"{text} stands under {one.name} and under {other.name}"
            yield Flag("repeated", row, (one.name, other.name), told)


def _exchanged(row: Row, shares: Sequence[Column]) -> Iterator[Flag]:
    """Yield the one pair of columns whose exchange makes every cell a share, if it is one."""
    if not any(_cannot(row, column, column) for column in shares):
        return
    cures = []
    for one, other in combinations(shares, 2):
        moved = {one: other, other: one}
        if not any(_cannot(row, moved.get(column, column), column) for column in shares):
            cures.append((one, other))
    if len(cures) == 1 and (chance := _chance(row, *cures[0])) < MOST_CHANCE:
        names = tuple(column.name for column in cures[0])
        told = f"every number fits its test if {' and '.join(names)} change places"
        yield Flag("exchanged", row, names, f"{told} (by chance: 1 in {1 / chance:.0f})")


def _chance(row: Row, one: Column, other: Column) -> float:
    """Return how often two numbers drawn at random would fit each other's test."""
    chances = [
        # a share may lie half a step below the printed number, or up to one above
        1.5 * float(_step(row.cells[cell.name])) * test.size / UNITS[test.unit]
        for cell, test in ((one, other), (other, one))
    ]
    return min(1.0, chances[0]) * min(1.0, chances[1])


def _cannot(row: Row, cell: Column, test: Column) -> bool:
    """Tell whether one column's cell cannot come from another one's test."""
    return share_fault(row.cells[cell.name], test.size, test.unit) == "no share"


def _remarks(row: Row, present: Sequence[Column], table: ReportedTable) -> Iterator[Flag]:
    for remark in table.remarks:
        names = tuple(
            column.name for column in present if not remark.columns or column.name in remark.columns
        )
        is_of_row = remark.model in ("", row.model) and remark.method in ("", row.method)
        if names and is_of_row:
            yield Flag("remark", row, names, remark.reason)
