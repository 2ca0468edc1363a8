"""Accuracy against parameters: dots with intervals, and the front that no smaller model reaches."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.drawing import FAINT, GREY, INK, PALETTE, Pen, bound, plane, write, write_title
from medbench.report.grid import SHARES, Cell, Column, Panel
from medbench.report.pictures.labels import Box, Dot, Label, place_labels
from medbench.report.pictures.sizes import Size, size_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Part", "Point", "front", "parameters", "pareto", "pareto_parts"]

EDGE, AXIS, PLOT, HEIGHT, BETWEEN = 0.3, 0.42, 4.4, 2.9, 0.5
TITLE, HEADING, FOOT, MOST_NAME, PER_ROW = 0.2, 0.4, 0.5, 1.7, 2
NAME_SIZE, NAME_HEIGHT, THIN = 7.0, 0.115, 0.01
STEPS = (2, 5, 10, 20)
TOLD_BY = {"results": "as lm-eval counted at loading", "recipes": "of the recipes' facts",
           "name": "as the models' names say"}  # fmt: skip
APART = 1.25
"""The largest of a picture's sizes over the smallest is more than that."""


@dataclass(frozen=True, slots=True)
class Point:
    """One model."""

    name: str
    size: Size
    cell: Cell


@dataclass(frozen=True, slots=True)
class Part:
    """One column of a board."""

    title: str
    points: tuple[Point, ...]
    """Models of known size, at least two sizes among them."""
    unknown: tuple[str, ...]
    """Models whose size nothing tells."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Where numbers lie inside a part's frame."""

    frame: Box
    smallest: float
    largest: float
    """Of the parameters shown."""
    low: float
    high: float
    """Of the values shown, in percent."""
    step: int
    """Between two lines of the grid."""

    def x(self, parameters: float) -> float:
        """Return how far to the right a number of parameters lies."""
        share = math.log(parameters / self.smallest) / math.log(self.largest / self.smallest)
        return self.frame.left + share * (self.frame.right - self.frame.left)

    def y(self, value: float) -> float:
        """Return how far down a share lies, which is held inside the frame."""
        share = (100 * value - self.low) / (self.high - self.low)
        share = min(1.0, max(0.0, share))
        return self.frame.bottom - share * (self.frame.bottom - self.frame.top)


def pareto_parts(panels: Iterable[Panel]) -> tuple[Part, ...]:
    """Return the mean of each panel of accuracies, or each column where it has none.

    Only those with known sizes that differ: an adapter adds too little for a picture.
    """
    return tuple(_parts(panels))


def _parts(panels: Iterable[Panel]) -> Iterator[Part]:
    for panel in panels:
        if panel.scale != 100 or panel.metric not in SHARES:
            continue
        means = [column for column in panel.columns if column.mean and len(column.cells) > 1]
        for column in means or panel.columns:
            part = _part(column)
            sizes = [point.size.parameters for point in part.points]
            if sizes and max(sizes) > APART * min(sizes):
                yield part


def _part(column: Column) -> Part:
    sizes = {name: size_of(cell.score) for name, cell in column.cells.items()}
    points = tuple(
        Point(cell.score.model, size, cell)
        for name, cell in sorted(column.cells.items())
        if (size := sizes[name])
    )
    unknown = dict.fromkeys(
        cell.score.model for name, cell in sorted(column.cells.items()) if sizes[name] is None
    )
    return Part(column.heading, points, tuple(unknown))


def front(points: Sequence[Point]) -> list[Point]:
    """Return the models that no other one of at most their size reaches, the smallest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda one: (one.size.parameters, -one.cell.score.value)):
        if not best or point.cell.score.value > best[-1].cell.score.value:
            best.append(point)
    return best


def parameters(number: float) -> str:
    """Return a number of parameters as models' names write it: 135M, 7.2B."""
    unit, letter = (1e9, "B") if number >= 1e9 else (1e6, "M")
    return f"{number / unit:.3g}{letter}"


def pareto(title: str, parts: Sequence[Part], pen: Pen) -> "Figure":
    """Draw the parts in rows, and a caption.

    Args:
        title: Of the whole.
        parts: What `pareto_parts` returned, at least one.
        pen: The fonts.
    """
    drawn, axes = plane()
    per_row = min(PER_ROW, len(parts))
    width = 2 * EDGE + per_row * (AXIS + PLOT) + BETWEEN * (per_row - 1)
    top = write_title(axes, EDGE, title, width - 2 * EDGE, pen) + TITLE
    for place, part in enumerate(parts):
        left = EDGE + AXIS + place % per_row * (AXIS + PLOT + BETWEEN)
        if place and place % per_row == 0:
            top += HEADING + HEIGHT + FOOT
        above = top + HEADING
        _draw(axes, part, Box(left, above, left + PLOT, above + HEIGHT), pen)
    top += HEADING + HEIGHT + FOOT
    for note in _notes(parts):
        for text in pen.wrap(note, 7.5, width - 2 * EDGE):
            write(axes, EDGE, top, text, 7.5, color=GREY)
            top += 0.16
    return bound(drawn, width, top + 0.1)


def _draw(axes: "Axes", part: Part, frame: Box, pen: Pen) -> None:
    """Draw one part: grid, front, dots, names."""
    best = front(part.points)
    axis = _axis(part.points, frame)
    text = pen.cut(part.title, 9.5, PLOT + AXIS, "bold")
    write(axes, frame.left - AXIS, frame.top - 0.2, text, 9.5, weight="bold")
    _grid(axes, axis)
    steps = [(axis.x(one.size.parameters), axis.y(one.cell.score.value)) for one in best]
    across = [*[x for x, _ in steps for _ in range(2)][1:], frame.right]
    axes.plot(across, [y for _, y in steps for _ in range(2)], color=PALETTE[0], linewidth=1.2,
              alpha=0.6, zorder=2)  # fmt: skip
    taken = list(_segments(steps, frame.right))
    dots = []
    for point in part.points:
        x, y = axis.x(point.size.parameters), axis.y(point.cell.score.value)
        is_best = point in best
        colour = PALETTE[0] if is_best else GREY
        if point.cell.interval:
            low, high = map(axis.y, point.cell.interval)
            taken.append(Box(x - THIN, high, x + THIN, low))
            axes.vlines(x, low, high, color=colour, linewidth=0.8, alpha=0.45, zorder=2)
        axes.scatter([x], [y], s=26 if is_best else 16, color=colour, zorder=4, linewidths=0.7,
                     edgecolors="white")  # fmt: skip
        width = pen.width(pen.cut(point.name, NAME_SIZE, MOST_NAME), NAME_SIZE)
        dots.append(Dot(x, y, width + 0.02, is_best))
    inside = Box(frame.left - 0.06, frame.top - 0.08, frame.right + 0.06, frame.bottom - 0.03)
    placed = place_labels(dots, NAME_HEIGHT, inside, taken)
    for point, dot, label in zip(part.points, dots, placed, strict=True):
        if label:
            _name(axes, pen.cut(point.name, NAME_SIZE, MOST_NAME), dot, label)


def _name(axes: "Axes", name: str, dot: Dot, label: Label) -> None:
    """Write a model's name, and draw a line to its dot if that is far."""
    left, top, right, bottom = label.box
    if label.has_line:
        near = (min(max(dot.at, left), right), min(max(dot.down, top), bottom))
        axes.plot([dot.at, near[0]], [dot.down, near[1]], color=GREY, linewidth=0.5, zorder=1)
    colour = INK if dot.is_needed else GREY
    write(axes, left + 0.01, (top + bottom) / 2, name, NAME_SIZE, zorder=5, color=colour)


def _segments(steps: Sequence[tuple[float, float]], right: float) -> Iterator[Box]:
    """Yield the parts of the front, as thin boxes."""
    for place, (x, y) in enumerate(steps):
        end, above = steps[place + 1] if place + 1 < len(steps) else (right, y)
        yield Box(x, y - THIN, end, y + THIN)
        yield Box(end - THIN, above, end + THIN, y)


def _axis(points: Sequence[Point], frame: Box) -> Axis:
    sizes = [point.size.parameters for point in points]
    values = [100 * end for point in points
              for end in (point.cell.interval or (point.cell.score.value,) * 2)]  # fmt: skip
    step = next(step for step in STEPS if (max(values) - min(values)) / step <= 5)
    low, high = math.floor(min(values) / step), max(1, math.ceil(max(values) / step))
    return Axis(frame, min(sizes) / 1.5, max(sizes) * 1.5, step * low, step * high, step)


def _grid(axes: "Axes", axis: Axis) -> None:
    """Draw the lines of round values and sizes."""
    frame = axis.frame
    for percent in range(int(axis.low), int(axis.high) + 1, axis.step):
        y = axis.y(percent / 100)
        axes.hlines(y, frame.left, frame.right, color=FAINT, linewidth=0.6, zorder=0)
        write(axes, frame.left - 0.08, y, str(percent), 7.5, color=GREY, ha="right")
    axes.hlines(frame.bottom, frame.left, frame.right, color=GREY, linewidth=0.6, zorder=1)
    decades = range(6, 14)
    is_narrow = axis.x(10 * axis.smallest) - frame.left > 1.4  # inches for a factor of ten
    for tick in (digit * 10.0**decade for decade in decades for digit in (1, 2, 5)):
        is_labelled = is_narrow or f"{tick:.0e}"[0] == "1"
        if is_labelled and axis.smallest <= tick <= axis.largest:
            x = axis.x(tick)
            axes.vlines(x, frame.bottom, frame.bottom + 0.05, color=GREY, linewidth=0.6)
            write(axes, x, frame.bottom + 0.16, parameters(tick), 7.5, color=GREY, ha="center")


def _notes(parts: Sequence[Part]) -> Iterator[str]:
    """Say what is drawn, how sizes are known, and of which models they are not."""
    points = [point for part in parts for point in part.points]
    told = "Accuracy in % against parameters; line: no model of at most that size reaches more."
    told += " Thin lines: 95 % intervals." * any(point.cell.interval for point in points)
    yield told + " Dots without room for a name have none."
    ways = [words for way, words in TOLD_BY.items() if any(p.size.told_by == way for p in points)]
    yield f"Parameters {', or '.join(ways)}."
    if unknown := list(dict.fromkeys(name for part in parts for name in part.unknown)):
        yield f"Size not known, not drawn: {', '.join(unknown)}."
