"""What training changed: a dumbbell for each task, from the score before to the score after.

All tasks share one scale. Lengths are in inches, from the top left; text sizes are in points.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench.errors import MissingExtra, ResultError
from medbench.report.grid import Cell, Panel, grid, shown
from medbench.report.plot import FAINT, GREY, PALETTE, Pen, write
from medbench.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["before_after"]

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


@dataclass(frozen=True, slots=True)
class Plane:
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


def before_after(
    results: Results, before: str, output_stem: Path, formats: Sequence[str] = ("svg", "png")
) -> list[Path]:
    """Draw every other model's scores beside those of one.

    Args:
        results: What `read_results` returned.
        before: The model to compare with, as the tables name it.
        output_stem: `folder/before_after` gives `folder/before_after.svg`, ….
        formats: Any that matplotlib writes.

    Raises:
        MissingExtra: if matplotlib is not installed.
        ResultError: if there is no such model, or no other one with scores of the same questions.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise MissingExtra("plot", "Drawing a figure") from error
    parts = [(panel.title, list(rows(panel, before))) for panel in grid(results).panels]
    parts = [(title, found) for title, found in parts if found]
    if not parts:
        models = ", ".join(sorted({score.model for score in results.scores}))
        raise ResultError(f"nothing to compare with {before!r}: the results are of {models}")
    paths = [output_stem.with_name(f"{output_stem.name}.{suffix}") for suffix in formats]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        pen = Pen()
        matplotlib.rcParams.update({
            "font.family": pen.families, "text.parse_math": False,
            "svg.fonttype": "path", "svg.hashsalt": "medbench", "text.hinting": "none",
        })  # fmt: skip
        drawn = draw(parts, before, pen)
        for path, suffix in zip(paths, formats, strict=True):
            metadata = {"Date": None} if suffix == "svg" else {"Software": None}
            drawn.savefig(path, format=suffix, dpi=200, metadata=metadata)
    return paths


def rows(panel: Panel, before: str) -> Iterator[Row]:
    """Yield the tasks of a panel that the model and another one answered, if they are shares."""
    for column in panel.columns if panel.scale == 100 else ():
        cells = dict(column.cells)
        first = cells.pop(before, None)
        if first is not None and cells and column.is_comparable:
            after = {name: cells[name] for name in sorted(cells)}
            yield Row(column.label or panel.title, bool(column.mean), first, after)


def draw(parts: Sequence[tuple[str, list[Row]]], before: str, pen: Pen) -> "Figure":
    """Draw from top to bottom, on one plane of inches: title, legend, panels, scale, caption."""
    from matplotlib.figure import Figure

    every = [row for _, found in parts for row in found]
    models = sorted({name for row in every for name in row.after})
    colours = dict(zip(models, cycle(PALETTE), strict=False))
    cells = [cell for row in every for cell in (row.before, *row.after.values())]
    top = max(max(cell.score.value, *(cell.interval or (0.0,))) for cell in cells)
    ceiling = min(100, 10 * int(top * 10 + 0.999))
    labels = [pen.width(row.label, 8.5, "bold" if row.is_mean else "normal") for row in every]
    plane = Plane(EDGE + min(MOST_LABEL, max(labels)) + 0.25, ceiling, colours, pen)
    drawn = Figure(facecolor="white")
    axes = drawn.add_axes((0, 0, 1, 1), frame_on=False, xticks=[], yticks=[])
    write(axes, EDGE, 0.34, "Before and after", 13, weight="bold")
    down = start = legend(axes, before, plane)
    for title, found in parts:
        if len(found) > 1 or found[0].label != title:
            down += HEADING
            heading = pen.cut(title, 9.5, plane.left + SCALE - EDGE)
            write(axes, EDGE, down - 0.07, heading, 9.5, weight="bold")
        for row in found:
            height = max(ROW, BAR * len(row.after) + 0.12)
            task(axes, row, down + height / 2, plane)
            down += height
    scale(axes, start, down, plane)
    write(axes, EDGE, down + ROOM, caption(every), 7.5, color=GREY)
    width, height = plane.left + SCALE + RIGHT, down + ROOM + 0.22
    drawn.set_size_inches(width, height)
    axes.set(xlim=(0, width), ylim=(height, 0))
    return drawn


def legend(axes: "Axes", before: str, plane: Plane) -> float:
    """Name the dots, one line each; return the bottom."""
    down = TOP
    for name, colour in ((before, ""), *plane.colours.items()):
        dot(axes, EDGE + 0.06, down, colour)
        write(axes, EDGE + 0.22, down, plane.pen.cut(name, 8.5, plane.left + SCALE - 0.5), 8.5)
        down += 0.19
    return down


def task(axes: "Axes", row: Row, middle: float, plane: Plane) -> None:
    """Draw a dumbbell for each model that answered a task."""
    label, size = plane.pen.fit(row.label, 8.5, plane.left - EDGE - 0.2)
    write(axes, EDGE, middle, label, size, weight="bold" if row.is_mean else "normal")
    at = middle - BAR * (len(row.after) - 1) / 2
    for name, cell in row.after.items():
        colour = plane.colours[name]
        solid = 1.0 if is_apart(row.before, cell) else PALE
        for one, ink, shift in ((row.before, GREY, -0.04), (cell, colour, 0.04)):
            low, high = (plane.at(end) for end in one.interval or (one.score.value,) * 2)
            axes.hlines(at + shift, low, high, color=ink, linewidth=0.9, alpha=0.5, zorder=2)
        ends = plane.at(row.before.score.value), plane.at(cell.score.value)
        axes.hlines(at, *ends, color="white", linewidth=3.4, zorder=3)
        axes.hlines(at, *ends, color=colour, linewidth=3.4, alpha=solid, zorder=4)
        dot(axes, ends[0], at, "")
        dot(axes, ends[1], at, colour)
        gain(axes, plane.left + SCALE + 0.14, at, row.before, cell, solid)
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


def scale(axes: "Axes", top: float, bottom: float, plane: Plane) -> None:
    """Draw the grid that all tasks share, in percent."""
    step = 10 if plane.ceiling <= 60 else 20
    for tick in range(0, int(plane.ceiling) + 1, step):
        at = plane.at(tick / 100)
        axes.vlines(at, top + 0.14, bottom + 0.06, color=FAINT, linewidth=0.6, zorder=0)
        write(axes, at, bottom + 0.18, f"{tick} %", 7.5, color=GREY, ha="center")


def caption(every: Sequence[Row]) -> str:
    """Say what the lines are, and of how many questions."""
    cells = [cell for row in every for cell in (row.before, *row.after.values())]
    sizes = sorted({cell.score.n for cell in cells})
    n = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    return f"Thin lines: 95 % intervals; pale: they overlap. n = {n} questions a row."
