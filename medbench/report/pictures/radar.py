"""Scores by language as a radar: one spoke a language, one line a model, its interval as a band."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from medbench.drawing import FAINT, GREY, PALETTE, Pen, bound, halo, plane, write, write_title
from medbench.report.grid import Cell, Panel, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Radar", "radar", "radars"]

MOST_MODELS, LEAST_LANGUAGES, PER_ROW = 6, 3, 2
EDGE, RADIUS, SIDE, WIDTH = 0.3, 1.45, 0.85, 4.6
TITLE, HEADING, ROOM, LINE = 0.16, 0.3, 0.38, 0.19
LANGUAGES = {"en": ("English", "English"), "zh": ("Chinese", "中文"), "ja": ("Japanese", "日本語"),
             "fr": ("French", "Français"), "ru": ("Russian", "Русский"),
             "es": ("Spanish", "Español"), "ko": ("Korean", "한국어")}  # fmt: skip
LOOKS = tuple(zip(PALETTE * 6, ("o", "s", "^", "D", "v", "P") * 7, strict=True))
"""Colour and marker: 42 pairs, no two alike."""
Looks = dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Radar:
    """One benchmark asked one way."""

    title: str
    languages: tuple[str, ...]
    """ISO 639-1, clockwise from the top."""
    models: tuple[tuple[str, tuple[Cell, ...]], ...]
    """Name, then a cell a language; the best mean first."""
    left_out: str
    """Which models are not drawn; empty where all are."""

    @property
    def ceiling(self) -> float:
        """The outermost ring, in percent."""
        every = [cell for _, cells in self.models for cell in cells]
        top = max(max(cell.score.value, *(cell.interval or (0.0,))) for cell in every)
        return min(100, 20 * math.ceil(5 * top - 1e-9))


def radars(panels: Sequence[Panel]) -> tuple[Radar, ...]:
    """Return one for each panel with a language a column, three of them or more.

    Drawn are the six models with the best means over the languages; a model without one of them
    has no mean.
    """
    found = []
    for panel in panels:
        columns = [column for column in panel.columns if not column.mean and column.cells]
        languages = [next(iter(c.cells.values())).score.language for c in columns]
        is_apart = all(languages) and len(set(languages)) == len(languages)
        if panel.scale != 100 or not is_apart or len(languages) < LEAST_LANGUAGES:
            continue
        names = dict.fromkeys(name for column in columns for name in column.cells)
        rows = {n: tuple(c.cells[n] for c in columns if n in c.cells) for n in names}
        whole = [(n, cells) for n, cells in rows.items() if len(cells) == len(columns)]
        whole.sort(key=lambda row: (-sum(cell.score.value for cell in row[1]), row[0]))
        if not whole:
            continue
        told = []
        if len(whole) > MOST_MODELS:
            told.append(f"the best {MOST_MODELS} of {len(whole)} models by their mean")
        if partial := len(rows) - len(whole):
            told.append(f"not the {partial} without every language")
        models = tuple(whole[:MOST_MODELS])
        found.append(Radar(panel.title, tuple(languages), models, ", ".join(told)))
    return tuple(found)


def radar(title: str, parts: Sequence[Radar], pen: Pen) -> "Figure":
    """Draw the parts side by side, each with its legend, and a caption.

    Args:
        title: Of the whole.
        parts: What `radars` returned, at least one.
        pen: The fonts.
    """
    drawn, axes = plane()
    per_row = min(PER_ROW, len(parts))
    width = 2 * EDGE + per_row * WIDTH
    top = write_title(axes, EDGE, title, width - 2 * EDGE, pen) + TITLE
    names = dict.fromkeys(name for part in parts for name, _ in part.models)
    looks = dict(zip(names, cycle(LOOKS), strict=False))
    for start in range(0, len(parts), per_row):
        row = parts[start : start + per_row]
        bottoms = [
            _part(axes, one, EDGE + place * WIDTH, top, looks, pen) for place, one in enumerate(row)
        ]
        top = max(bottoms)
    bands = any(cell.interval for part in parts for _, cells in part.models for cell in cells)
    told = "In %; in the legend, the mean over the languages." + (
        " Bands: 95 % intervals." if bands else ""
    )
    for text in pen.wrap(told, 7.5, width - 2 * EDGE):
        top += 0.16
        write(axes, EDGE, top, text, 7.5, color=GREY)
    return bound(drawn, width, top + 0.25)


def _part(axes: "Axes", part: Radar, left: float, top: float, looks: Looks, pen: Pen) -> float:
    """Draw one benchmark; return the bottom of its legend."""
    if part.title:
        top += HEADING
        text = pen.cut(part.title, 9.5, WIDTH - 0.2, "bold")
        write(axes, left, top - 0.08, text, 9.5, weight="bold")
    middle, down = left + SIDE + RADIUS, top + ROOM + RADIUS
    angles = [2 * math.pi * place / len(part.languages) for place in range(len(part.languages))]
    _rings(axes, part, middle, down, angles, pen)
    for name, cells in reversed(part.models):
        _model(axes, cells, part.ceiling / 100, looks[name], (middle, down), angles)
    top = down + RADIUS + ROOM - 0.04
    for name, cells in part.models:
        colour, marker = looks[name]
        top += LINE
        axes.plot([left, left + 0.24], [top] * 2, color=colour, linewidth=1.6)
        axes.scatter([left + 0.12], [top], s=16, color=colour, marker=marker)
        mean = sum(cell.score.value for cell in cells) / len(cells)
        write(axes, left + 0.34, top, shown(mean, 100), 8.5, weight="bold")
        write(axes, left + 0.74, top, pen.cut(name, 8.5, WIDTH - 1.0), 8.5)
    for text in pen.wrap(f"Drawn: {part.left_out}." * bool(part.left_out), 7.5, WIDTH - 0.3):
        top += 0.17
        write(axes, left, top, text, 7.5, color=GREY)
    return top + 0.12


def _rings(
    axes: "Axes", part: Radar, middle: float, down: float, angles: Sequence[float], pen: Pen
) -> None:
    """Draw the grid, and the languages around it in two tongues."""
    for ring in range(20, int(part.ceiling) + 1, 20):
        across, along = _outline([ring / part.ceiling] * len(angles), angles, middle, down)
        axes.plot(across, along, color=FAINT, linewidth=0.7, zorder=0)
        write(axes, middle - 0.04, down - RADIUS * ring / part.ceiling + 0.06, str(ring), 6.5,
              color=GREY, ha="right", zorder=6, path_effects=halo())  # fmt: skip
    for angle, language in zip(angles, part.languages, strict=True):
        x, y = math.sin(angle), -math.cos(angle)
        axes.plot([middle, middle + RADIUS * x], [down, down + RADIUS * y], color=FAINT,
                  linewidth=0.7, zorder=0)  # fmt: skip
        english, native = LANGUAGES.get(language, (language, ""))
        is_twofold = native != english and pen.can_write(native)
        side = "center" if abs(x) < 0.3 else "left" if x > 0 else "right"
        at, height = middle + (RADIUS + 0.1) * x, down + (RADIUS + 0.22) * y
        shift = 0.08 * is_twofold
        write(axes, at, height - shift, english, 8.5, ha=side)
        if is_twofold:
            write(axes, at, height + shift, native, 7.5, ha=side, color=GREY)


def _model(
    axes: "Axes", cells: Sequence[Cell], scale: float, look: tuple[str, str],
    centre: tuple[float, float], angles: Sequence[float],
) -> None:  # fmt: skip
    """Draw one model's line over its band; the scale is the outermost ring's share."""
    colour, marker = look
    ends = [cell.interval or (cell.score.value,) * 2 for cell in cells]
    if any(cell.interval for cell in cells):
        low, high = ([end[side] / scale for end in ends] for side in (0, 1))
        inner, outer = (_outline(one, angles, *centre) for one in (low, high))
        axes.fill([*outer[0], *reversed(inner[0])], [*outer[1], *reversed(inner[1])],
                  color=colour, alpha=0.13, linewidth=0, zorder=1)  # fmt: skip
    across, along = _outline([cell.score.value / scale for cell in cells], angles, *centre)
    axes.plot(across, along, color=colour, linewidth=1.6, zorder=3)
    axes.scatter(across, along, s=16, color=colour, marker=marker, zorder=4)


def _outline(
    shares: Sequence[float], angles: Sequence[float], middle: float, down: float
) -> tuple[list[float], list[float]]:
    """Return a closed line through a share of each spoke."""
    points = [
        (middle + RADIUS * share * math.sin(angle), down - RADIUS * share * math.cos(angle))
        for share, angle in zip(shares, angles, strict=True)
    ]
    points.append(points[0])
    return [x for x, _ in points], [y for _, y in points]
