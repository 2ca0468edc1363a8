"""What training changed: a dumbbell for each task, from the score before to the score after.

All tasks share one scale. Lengths are in inches, from the top left; text sizes are in points.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

from medbench.drawing import FAINT, GREY, PALETTE, Pen, bound, halo, plane, write
from medbench.errors import ResultError
from medbench.report.grid import Cell, Panel, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Parts", "before_after", "parts_of"]

BETTER, WORSE = "#009E73", "#D55E00"
EDGE, MOST_LABEL, SCALE, RIGHT = 0.3, 2.6, 4.8, 0.9
TOP, ROW, HEADING, BAR = 0.66, 0.27, 0.36, 0.17
PALE = 0.35
"""Opacity of what may be chance."""
ROOM = 0.5
"""Between the last row and the foot: the ticks."""


@dataclass(frozen=True, slots=True)
class Row:
    """One task, or a mean of several."""

    label: str
    """English, Doctor, …; the panel's title where it is the only task."""
    is_mean: bool
    """Of the tasks before it."""
    before: Cell
    """The model that was started from."""
    after: dict[str, Cell]
    """Model to what it reached."""


Parts = tuple[tuple[str, tuple[Row, ...]], ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """What all rows share."""

    left: float
    """Where the scale begins."""
    ceiling: float
    """Where it ends, in percent."""
    colours: dict[str, str]
    """Of each model's dots."""
    pen: Pen
    """The fonts."""

    def at(self, share: float) -> float:
        """Return where a share lies."""
        return self.left + 100 * share * SCALE / self.ceiling


def parts_of(panels: Sequence[Panel], before: str) -> Parts:
    """Return each panel that has something to compare: its title and its rows.

    Args:
        panels: Of a grid.
        before: The model to compare with, as the tables name it.

    Raises:
        ResultError: if there is no such model, or no other one with scores of the same questions.
    """
    parts = [(panel.title, tuple(rows(panel, before))) for panel in panels]
    if found := tuple(part for part in parts if part[1]):
        return found
    models = {name for panel in panels for column in panel.columns for name in column.cells}
    told = ", ".join(sorted(models))
    raise ResultError(f"nothing to compare with {before!r}: the results are of {told}")


def rows(panel: Panel, before: str) -> Iterator[Row]:
    """Yield the tasks of a panel that the model and another one answered, if they are shares."""
    for column in panel.columns if panel.scale == 100 else ():
        cells = dict(column.cells)
        first = cells.pop(before, None)
        if first is not None and cells and column.is_comparable:
            after = {name: cells[name] for name in sorted(cells)}
            yield Row(column.label or panel.title, bool(column.mean), first, after)


def before_after(parts: Parts, before: str, pen: Pen) -> "Figure":
    """Draw from top to bottom: title, legend, panels, scale, caption."""
    every = [row for _, found in parts for row in found]
    models = sorted({name for row in every for name in row.after})
    colours = dict(zip(models, cycle(PALETTE), strict=False))
    cells = [cell for row in every for cell in (row.before, *row.after.values())]
    top = max(max(cell.score.value, *(cell.interval or (0.0,))) for cell in cells)
    ceiling = min(100, 10 * int(top * 10 + 0.999))
    labels = [pen.width(row.label, 8.5, "bold" if row.is_mean else "normal") for row in every]
    labels += [pen.width(title, 9.5, "bold") for title, found in parts if len(found) > 1]
    shared = Shared(EDGE + min(MOST_LABEL, max(labels)) + 0.25, ceiling, colours, pen)
    drawn, axes = plane()
    write(axes, EDGE, 0.34, "Before and after", 13, weight="bold")
    down = start = legend(axes, before, shared)
    for title, found in parts:
        if len(found) > 1 or found[0].label != title:
            down += HEADING
            heading = pen.cut(title, 9.5, shared.left + SCALE - EDGE)
            write(axes, EDGE, down - 0.07, heading, 9.5, weight="bold", path_effects=halo())
        for row in found:
            height = max(ROW, BAR * len(row.after) + 0.12)
            task(axes, row, down + height / 2, shared)
            down += height
    scale(axes, start, down, shared)
    write(axes, EDGE, down + ROOM, caption(every), 7.5, color=GREY)
    return bound(drawn, shared.left + SCALE + RIGHT, down + ROOM + 0.22)


def legend(axes: "Axes", before: str, shared: Shared) -> float:
    """Name the dots, one line each; return the bottom."""
    down = TOP
    for name, colour in ((before, ""), *shared.colours.items()):
        dot(axes, EDGE + 0.06, down, colour)
        write(axes, EDGE + 0.22, down, shared.pen.cut(name, 8.5, shared.left + SCALE - 0.5), 8.5)
        down += 0.19
    return down


def task(axes: "Axes", row: Row, middle: float, shared: Shared) -> None:
    """Draw a dumbbell for each model that answered a task."""
    label, size = shared.pen.fit(row.label, 8.5, shared.left - EDGE - 0.2)
    write(axes, EDGE, middle, label, size, weight="bold" if row.is_mean else "normal")
    at = middle - BAR * (len(row.after) - 1) / 2
    for name, cell in row.after.items():
        colour = shared.colours[name]
        solid = 1.0 if is_apart(row.before, cell) else PALE
        for one, ink, shift in ((row.before, GREY, -0.04), (cell, colour, 0.04)):
            low, high = (shared.at(end) for end in one.interval or (one.score.value,) * 2)
            axes.hlines(at + shift, low, high, color=ink, linewidth=0.9, alpha=0.5, zorder=2)
        ends = shared.at(row.before.score.value), shared.at(cell.score.value)
        axes.hlines(at, *ends, color="white", linewidth=3.4, zorder=3)
        axes.hlines(at, *ends, color=colour, linewidth=3.4, alpha=solid, zorder=4)
        dot(axes, ends[0], at, "")
        dot(axes, ends[1], at, colour)
        gain(axes, shared.left + SCALE + 0.14, at, row.before, cell, solid)
        at += BAR


def gain(axes: "Axes", left: float, at: float, before: Cell, after: Cell, solid: float) -> None:
    """Write the points gained or lost."""
    change = after.score.value - before.score.value
    is_better = (change > 0) == after.score.higher_is_better
    colour = (BETTER if is_better else WORSE) if change else GREY
    sign = "+" if change > 0 else "−" if change else "±"
    look = {"color": colour, "weight": "bold", "alpha": max(solid, 0.55)}
    write(axes, left, at, f"{sign}{shown(abs(change), 100)}", 8.5, **look)


def is_apart(one: Cell, other: Cell) -> bool:
    """Tell whether two intervals have nothing in common."""
    if one.interval is None or other.interval is None:
        return False
    return one.interval[1] < other.interval[0] or other.interval[1] < one.interval[0]


def dot(axes: "Axes", across: float, down: float, colour: str) -> None:
    """Draw the end of a dumbbell: open before, full after."""
    look: dict[str, Any] = {"marker": "o", "s": 34, "zorder": 5, "linewidths": 1.4}
    edge, face = (GREY, "white") if not colour else ("white", colour)
    axes.scatter([across], [down], facecolors=face, edgecolors=edge, **look)


def scale(axes: "Axes", top: float, bottom: float, shared: Shared) -> None:
    """Draw the grid that all tasks share, in percent."""
    step = 10 if shared.ceiling <= 60 else 20
    for tick in range(0, int(shared.ceiling) + 1, step):
        at = shared.at(tick / 100)
        axes.vlines(at, top + 0.14, bottom + 0.06, color=FAINT, linewidth=0.6, zorder=0)
        write(axes, at, bottom + 0.18, f"{tick} %", 7.5, color=GREY, ha="center")


def caption(every: Sequence[Row]) -> str:
    """Say what the lines are, and of how many questions."""
    cells = [cell for row in every for cell in (row.before, *row.after.values())]
    sizes = sorted({cell.score.n for cell in cells})
    n = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    return f"Thin lines: 95 % intervals; pale: they overlap. n = {n} questions a row."
