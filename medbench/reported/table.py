"""A published table: its cells as they were printed, and what its columns mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["UNITS", "Column", "Remark", "ReportedTable", "Row"]

UNITS = {"percent": 100, "fraction": 1, "GB": 1, "MB": 1, "hours": 1}
"""Unit → what one whole is in it; only percent and fraction are of shares."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a published table."""

    name: str
    """As in the head of the CSV file."""
    unit: str
    """One of `UNITS`."""
    benchmark: str
    """usmle, mmedbench, …: medbench's name where it has one."""
    subset: str = ""
    """A language or an exam; empty for a mean or where there is one set."""
    metric: str = "acc"
    """acc, f1, bleu1, rouge1, communication, hours_per_epoch."""
    size: int = 0
    """Questions of the test set; 0 where that is not known."""
    mean: tuple[str, ...] = ()
    """The columns that this one is the plain mean of."""

    @property
    def is_share(self) -> bool:
        """Whether cells are counts of right answers over a known number of questions."""
        return self.metric == "acc" and self.size > 0


@dataclass(frozen=True, slots=True)
class Row:
    """One model, trained and asked one way."""

    model: str
    """As printed."""
    method: str
    """As printed: zero-shot, fine-tuned on …"""
    source: str
    """Where it was printed."""
    cells: Mapping[str, str]
    """Column → number as printed, with all its decimals; empty cells are left out."""

    def number(self, column: str) -> Fraction:
        """Return a cell's exact value, in the column's unit; `~90`, about ninety, is 90."""
        return Fraction(self.cells[column].removeprefix("~"))


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person found wrong with some numbers, and why."""

    reason: str
    """In words."""
    model: str = ""
    """Only rows of this model."""
    method: str = ""
    """Only rows of this method."""
    columns: tuple[str, ...] = ()
    """Only these columns; empty for all."""


@dataclass(frozen=True, slots=True)
class ReportedTable:
    """One published table."""

    name: str
    """The name of its files."""
    title: str
    """What it shows."""
    protocol: str
    """How the questions were asked: medbench's name for it, or words."""
    columns: tuple[Column, ...]
    """In the order in which they are shown."""
    rows: tuple[Row, ...]
    """In the order of the source."""
    remarks: tuple[Remark, ...] = ()
    """On some numbers."""
    notes: tuple[str, ...] = ()
    """On all numbers."""

    def numbers(self) -> Iterator[tuple[Row, Column]]:
        """Yield every cell that holds a number."""
        for row in self.rows:
            yield from ((row, column) for column in self.columns if column.name in row.cells)

    @property
    def sources(self) -> tuple[str, ...]:
        """Every place that a row is from, once."""
        return tuple(dict.fromkeys(row.source for row in self.rows))
