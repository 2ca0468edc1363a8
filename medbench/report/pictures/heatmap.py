"""Models × subsets as a heat map: the value in each cell, reported and measured rows apart.

All cells of a picture share one colour scale. Wide sheets are cut into bands, one below another.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from medbench.drawing import GREY, Pen, bound, plane, write, write_title
from medbench.report.grid import Cell, Panel, shown
from medbench.report.pictures.published import FLAGGED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Head", "Line", "Section", "Sheet", "contrast", "heatmap", "ink", "measured_sheet"]

EDGE, MOST_NAME, MOST_DETAIL, GAP = 0.3, 2.3, 2.6, 0.12
ROW, LEAST_CELL, MOST_CELL, WIDEST = 0.2, 0.46, 0.8, 11.0
TITLE, SECTION, BETWEEN, LINE = 0.28, 0.26, 0.3, 0.13
MOST_LINES = 3
"""Of a column's heading."""
MARKED = 0.05
"""Unread or cut-off outputs above this share are marked, as in the tables."""


@dataclass(frozen=True, slots=True)
class Head:
    """One column."""

    label: str
    """English, Doctor, …"""
    group: str = ""
    """Stands once above neighbours of one group."""
    is_mean: bool = False
    """Of the columns before it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row."""

    name: str
    """The model."""
    detail: str
    """How it was trained or asked, where that differs."""
    cells: tuple[Cell | None, ...]
    """One a column."""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one kind."""

    title: str
    """Empty where it is the only one."""
    lines: tuple[Line, ...]
    """In the order in which they are drawn."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a heat map shows."""

    title: str
    heads: tuple[Head, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()

    def band(self, start: int, end: int) -> "Sheet":
        """Return some of the columns, with the rows that have a cell there."""
        cut = (
            Section(s.title, tuple(replace(one, cells=one.cells[start:end]) for one in s.lines))
            for s in self.sections
        )
        kept = (Section(s.title, tuple(one for one in s.lines if any(one.cells))) for s in cut)
        sections = tuple(section for section in kept if section.lines)
        return replace(self, heads=self.heads[start:end], sections=sections)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand."""

    name: float
    """Width of the names."""
    detail: float
    """Width of the details; 0 without any."""
    cell: float
    """Width of a column."""
    low: float
    """The value, in percent, of the palest colour."""
    high: float
    """The value of the darkest colour."""

    @property
    def left(self) -> float:
        """Where the first column begins."""
        return EDGE + self.name + self.detail + GAP


def measured_sheet(panels: Sequence[Panel]) -> Sheet:
    """Return every share of a grid: a row a model, the best mean first, a column a task."""
    columns = [(panel, column) for panel in panels for column in panel.columns]
    heads = tuple(
        Head(c.label or p.title, p.title * (c.label not in ("", c.heading)), bool(c.mean))
        for p, c in columns
    )
    models = sorted({name for _, column in columns for name in column.cells})
    lines = [
        Line(base, f"+ {adapter}" * bool(adapter), tuple(c.cells.get(name) for _, c in columns))
        for name in models
        for base, _, adapter in [name.partition(" + ")]
    ]
    return Sheet("Medical question answering", heads, (Section("", ranked(lines)),))


def ranked(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Sort complete rows by their mean, the best first; then those with gaps."""

    def order(line: Line) -> tuple[int, float]:
        values = [cell.score.value for cell in line.cells if cell]
        return line.cells.count(None), -sum(values) / max(1, len(values))

    return tuple(sorted(lines, key=order))


def heatmap(sheet: Sheet, pen: Pen) -> "Figure":
    """Draw from top to bottom: title, colour scale, bands of columns, caption."""
    drawn, axes = plane()
    lay = _layout(sheet, pen)
    bands = _bands(sheet.heads, max(4, int((WIDEST - lay.left) / lay.cell)))
    width = max(5.0, lay.left + max(end - start for start, end in bands) * lay.cell + EDGE)
    top = write_title(axes, EDGE, sheet.title, width - 2 * EDGE, pen) + TITLE
    _scale(axes, top, lay)
    top -= 0.06
    for start, end in bands:
        top = _band(axes, sheet.band(start, end), top + BETWEEN, lay, pen)
    for note in (*_legend(sheet), *sheet.notes):
        for text in pen.wrap(note, 7.5, width - 2 * EDGE):
            top += 0.155
            write(axes, EDGE, top + 0.06, text, 7.5, color=GREY)
    return bound(drawn, width, top + 0.3)


def _layout(sheet: Sheet, pen: Pen) -> Layout:
    lines = [line for section in sheet.sections for line in section.lines]
    name = min(MOST_NAME, max(pen.width(line.name, 8.5) for line in lines) + 0.02)
    detail = min(MOST_DETAIL, max(pen.width(line.detail, 7.5) for line in lines) + 0.02)
    words = (word for head in sheet.heads for word in head.label.split())
    cell = min(MOST_CELL, max([LEAST_CELL, *(pen.width(word, 7.5) + 0.1 for word in words)]))
    values = [100 * cell.score.value for line in lines for cell in line.cells if cell]
    low, high = 10 * math.floor(min(values) / 10), 10 * math.ceil(max(values) / 10)
    return Layout(
        name,
        detail + GAP if any(line.detail for line in lines) else 0.0,
        cell,
        low,
        max(high, low + 10),
    )


def _scale(axes: "Axes", middle: float, lay: Layout) -> None:
    """Draw what the colours mean."""
    left, width, steps = EDGE + 0.32, 1.6, 32
    for step in range(steps):
        colour = fill((step + 0.5) / steps)
        axes.bar(left + step * width / steps, 0.1, width / steps + 0.004, middle - 0.05,
                 align="edge", color=colour, linewidth=0)  # fmt: skip
    write(axes, left - 0.06, middle, f"{lay.low:g}", 7.5, color=GREY, ha="right")
    write(axes, left + width + 0.06, middle, f"{lay.high:g} %", 7.5, color=GREY)


def _bands(heads: Sequence[Head], most: int) -> list[tuple[int, int]]:
    """Return where to cut: groups stay whole unless one alone is too wide, and is cut evenly."""
    bands: list[tuple[int, int]] = []
    for _, group in groupby(range(len(heads)), key=lambda at: heads[at].group or at):
        columns = list(group)
        parts = math.ceil(len(columns) / most)
        step = math.ceil(len(columns) / parts)
        for start in range(columns[0], columns[-1] + 1, step):
            end = min(start + step, columns[-1] + 1)
            if bands and end - bands[-1][0] <= most and parts == 1:
                bands[-1] = (bands[-1][0], end)
            else:
                bands.append((start, end))
    return bands


def _band(axes: "Axes", sheet: Sheet, top: float, lay: Layout, pen: Pen) -> float:
    """Draw some columns with their headings; return the bottom."""
    labels = [pen.wrap(one.label, 7.5, lay.cell - 0.04, MOST_LINES) for one in sheet.heads]
    place = 0
    if any(head.group for head in sheet.heads):
        for title, own in groupby(sheet.heads, key=lambda head: head.group):
            count = len(list(own))
            left, width = lay.left + place * lay.cell, count * lay.cell - 0.08
            place += count
            if title:
                text = pen.cut(title, 8.5, width, "bold")
                write(axes, left + 0.04, top, text, 8.5, weight="bold")
                axes.hlines(top + 0.12, left + 0.04, left + width + 0.04, color=GREY, linewidth=0.6)
        top += 0.26
    lines = max(map(len, labels))
    for place, texts in enumerate(labels):
        weight = "bold" if sheet.heads[place].is_mean else "normal"
        for number, text in enumerate(texts):
            down = top + LINE * (number + lines - len(texts))
            write(axes, lay.left + (place + 0.5) * lay.cell, down, text, 7.5, ha="center",
                  weight=weight)  # fmt: skip
    top += LINE * (lines - 1) + 0.14
    for number, section in enumerate(sheet.sections):
        if section.title:
            top += SECTION * bool(number)
            write(axes, EDGE, top - 0.02, section.title, 8.5, weight="bold")
            top += 0.12
        for line in section.lines:
            _line(axes, line, top, lay, pen)
            top += ROW
    return top


def _line(axes: "Axes", line: Line, top: float, lay: Layout, pen: Pen) -> None:
    """Draw one row."""
    middle = top + ROW / 2
    text, size = pen.fit(line.name, 8.5, lay.name)
    write(axes, EDGE, middle, text, size)
    if line.detail:
        text, size = pen.fit(line.detail, 7.5, lay.detail - GAP)
        write(axes, EDGE + lay.name + GAP, middle, text, size, color=GREY)
    for place, cell in enumerate(line.cells):
        left = lay.left + place * lay.cell
        if cell is None:
            write(axes, left + lay.cell / 2, middle, "—", 7.5, color=GREY, ha="center")
            continue
        share = (100 * cell.score.value - lay.low) / (lay.high - lay.low)
        colour = fill(share)
        axes.bar(left + 0.012, ROW - 0.024, lay.cell - 0.024, top + 0.012, align="edge",
                 color=colour, linewidth=0)  # fmt: skip
        write(axes, left + lay.cell / 2, middle, shown(cell.score.value, 100), 7.5,
              color=ink(colour), ha="center")  # fmt: skip
        if sign := _sign(cell):
            half = pen.width(shown(cell.score.value, 100), 7.5) / 2
            write(axes, left + lay.cell / 2 + half + 0.01, middle, sign, 6.5, color=ink(colour))


def fill(share: float) -> tuple[float, float, float]:
    """Return the colour of a place on the scale, 0 to 1: pale to dark blue, in any vision."""
    from matplotlib import colormaps

    red, green, blue, _ = colormaps["Blues"](0.06 + 0.88 * min(1.0, max(0.0, share)))
    return float(red), float(green), float(blue)


def ink(colour: Sequence[float]) -> str:
    """Return black or white, whichever is read more easily on a colour."""
    return max(("black", "white"), key=lambda name: contrast(colour, (float(name == "white"),) * 3))


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """Return WCAG 2.2's contrast ratio of two sRGB colours, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Sequence[float]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
              for part in colour]  # fmt: skip
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _sign(cell: Cell) -> str:
    """Return the mark that the tables give a cell."""
    if FLAGGED in cell.marks:
        return "‡"
    return "†" if any(share > MARKED for share in cell.marks.values()) else ""


def _legend(sheet: Sheet) -> list[str]:
    """Explain what stands in the cells."""
    lines = [line for section in sheet.sections for line in section.lines]
    cells = [cell for line in lines for cell in line.cells]
    signs = {_sign(cell) for cell in cells if cell}
    text = "In %." + " —: not there." * (None in cells)
    text += " †: outputs without an answer or cut off." * ("†" in signs)
    text += " ‡: does not add up; the tables say why." * ("‡" in signs)
    return [text]
