"""The board as a figure: bars with 95 % intervals, a panel for each benchmark asked one way.

All panels of a metric share one scale and each model keeps its colour, so that bars compare across
the figure. Lengths are in inches, from the top left; text sizes are in points.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle, product
from typing import TYPE_CHECKING, Any

from medbench.drawing import FAINT, GREY, INK, PALETTE, Pen, bound, plane, write
from medbench.report.grid import SHARES, Cell, Column, Panel, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_MODELS", "bars"]

HATCHES = ("", "/////", ".....", "xxxxx")
MOST_MODELS = len(PALETTE) * len(HATCHES)
"""That can be told apart."""
BAND = "#F4F4F4"
NATIVE = {"English": "English", "Chinese": "中文", "Japanese": "日本語", "French": "Français",
          "Russian": "Русский", "Spanish": "Español", "Doctor": "의사", "Nurse": "간호사",
          "Pharm": "약사", "Dentist": "치과의사"}  # fmt: skip
Styles = dict[str, tuple[str, str]]
LEFT, RIGHT, BETWEEN, WIDEST_ROW, LEAST_WIDTH = 0.6, 0.25, 0.55, 10.9, 5.0
HEIGHT, LINE, SLOT_GAP, MEAN_GAP = 1.8, 0.145, 0.12, 0.12
THINNEST, THICKEST, LEAST_SLOT = 0.11, 0.34, 0.6
UPRIGHT = 0.28  # bars at least this thick have room for a horizontal number


@dataclass(frozen=True, slots=True)
class Block:
    """One panel, or the part of a wide one that fits into a row."""

    title: str
    """Above the bars."""
    columns: tuple[Column, ...]
    """Each a group of bars."""
    models: tuple[str, ...]
    """One bar a group for each; those with nothing in the whole panel are left out."""
    slot: float
    """The width of a group."""
    pitch: float
    """The width of a bar and its margin."""
    ceiling: float
    """The value, in percent, at the top."""

    @property
    def width(self) -> float:
        """From the first group's left to the last one's right."""
        means = sum(MEAN_GAP for column in self.columns if column.mean)
        return len(self.columns) * (self.slot + SLOT_GAP) + means


def bars(panels: Sequence[Panel], pen: Pen) -> "Figure":
    """Draw from top to bottom: title, legend, rows of panels, caption.

    Args:
        panels: Of shares only, at least one.
        pen: The fonts.
    """
    cells = [c for panel in panels for column in panel.columns for c in column.cells.values()]
    models = _models([column for panel in panels for column in panel.columns])
    looks = cycle((colour, hatch) for hatch, colour in product(HATCHES, PALETTE))
    styles = dict(zip(models, looks, strict=False))
    rows = _rows(panels, pen)
    width = max(LEAST_WIDTH, LEFT + max(map(_row_width, rows)) + RIGHT)
    drawn, axes = plane()
    write(axes, LEFT, 0.32, "Medical question answering", 13, weight="bold")
    top = 0.06 + _legend(axes, cells, styles, width - LEFT - RIGHT, pen)
    for row in rows:
        left, bottoms = LEFT, []
        for block in row:
            bottoms.append(_block(axes, block, left, top + 0.5, styles, pen))
            left += block.width + BETWEEN
        top = max(bottoms)
    size = 7.5 * min(1, (width - LEFT - RIGHT) / pen.width(_caption(cells), 7.5))
    write(axes, LEFT, top + 0.25, _caption(cells), size, color=GREY)
    return bound(drawn, width, top + 0.45)


def _models(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the models with a score in any of these columns, in the order of the legend."""
    names = {name for column in columns for name in column.cells}
    return tuple(sorted(names, key=lambda name: (name.casefold(), name)))


def _pitch(panels: Sequence[Panel]) -> float:
    """Return a bar's width with its margin: as thick as the fullest panel allows."""
    room = WIDEST_ROW - MEAN_GAP
    return min(
        max(THINNEST, (room / min(8, len(p.columns)) - SLOT_GAP) / len(_models(p.columns)))
        for p in panels
    )


def _rows(panels: Sequence[Panel], pen: Pen) -> list[list[Block]]:
    """Pack panels into rows: all bars of one thickness, rows equally wide."""
    room = WIDEST_ROW - MEAN_GAP
    pitch = min(THICKEST, _pitch(panels))
    rows: list[list[Block]] = [[]]
    for panel in panels:
        models = _models(panel.columns)
        slot = max(LEAST_SLOT, pitch * len(models))
        fits = max(1, int(room / (slot + SLOT_GAP) + 1e-6))
        parts = math.ceil(len(panel.columns) / fits)
        step = math.ceil(len(panel.columns) / parts)
        same = [other for other in panels if other.metric == panel.metric]
        for start in range(0, len(panel.columns), step):
            title = panel.title + f" ({start // step + 1} of {parts})" * (parts > 1)
            columns = panel.columns[start : start + step]
            titled = min(pen.width(title, 9.5, "bold"), 3.0) / len(columns) - SLOT_GAP
            top = _ceiling(same, pitch)
            block = Block(title, columns, models, max(slot, titled), pitch, top)
            if rows[-1] and _row_width([*rows[-1], block]) > WIDEST_ROW + 1e-6:
                rows.append([])
            rows[-1].append(block)
    return [_stretched(row, max(map(_row_width, rows))) for row in rows]


def _row_width(row: Sequence[Block]) -> float:
    return sum(block.width for block in row) + BETWEEN * (len(row) - 1)


def _stretched(row: Sequence[Block], width: float) -> list[Block]:
    """Spread the groups of a row over the figure's width, unless that would tear them apart."""
    extra = (width - _row_width(row)) / sum(len(block.columns) for block in row)
    return [replace(b, slot=b.slot + extra * (extra < 0.8 * row[0].slot)) for b in row]


def _ceiling(panels: Sequence[Panel], pitch: float) -> float:
    """Return the top of a metric's scale: room for the highest whisker and its number."""
    cells = [c for panel in panels for column in panel.columns for c in column.cells.values()]
    highest = max(max(cell.score.value, *(cell.interval or (0.0,))) for cell in cells)
    return max(1.0, 100 * highest / (1 - (0.2 if pitch >= UPRIGHT else 0.38) / HEIGHT))


def _legend(axes: "Axes", cells: Sequence[Cell], styles: Styles, width: float, pen: Pen) -> float:
    """Name the models in aligned columns, in as few lines as fit; return the bottom."""
    names = []
    for model in styles:
        limits = {cell.score.limit for cell in cells if cell.score.model == model}
        limit = (limits.pop() or 0) if len(limits) == 1 else 0  # of several, n tells
        part = f" (first {limit:g} items)" if limit >= 1 else " (part of the items)" * (limit > 0)
        names.append(pen.cut(model, 8.5, width - 1.7) + part)
    wide = 0.5 + max(pen.width(name, 8.5) for name in names)
    lines = math.ceil(len(names) / max(1, int((width + 0.3) / wide)))
    per_line = math.ceil(len(names) / lines)
    for place, (name, (colour, hatch)) in enumerate(zip(names, styles.values(), strict=True)):
        left, top = LEFT + place % per_line * wide, 0.65 + place // per_line * 0.2
        axes.bar(left, 0.12, 0.12, top - 0.06, align="edge", color=colour, hatch=hatch,
                 edgecolor="white", linewidth=0)  # fmt: skip
        write(axes, left + 0.2, top, name, 8.5)
    return 0.65 + 0.2 * (lines - 1)


def _caption(cells: Sequence[Cell]) -> str:
    """Say what is drawn."""
    are_shares = all(cell.score.metric in SHARES for cell in cells)
    text = f"{'Accuracy' if are_shares else 'Scores'} in % with 95 % intervals (Wilson; normal for "
    text += f"macro averages{'' if are_shares else ' and rationales'}). n: questions."
    (shots, is_chat), *others = {(c.score.num_fewshot, c.score.chat_template) for c in cells}
    way = f"{shots}-shot, " * (shots is not None) + f"chat template {'on' if is_chat else 'off'}"
    return f"{text} {'Shots or chat templates differ: see the tables' if others else way}."


def _block(axes: "Axes", block: Block, left: float, top: float, styles: Styles, pen: Pen) -> float:
    """Draw one panel; return the bottom of its labels."""
    base, unit = top + HEIGHT, HEIGHT / block.ceiling
    write(axes, left, top - 0.15, pen.cut(block.title, 9.5, block.width), 9.5, weight="bold")
    step = next((s for s in (1, 2, 5, 10) if block.ceiling / s <= 5), 20)
    for tick in range(0, min(100, int(block.ceiling)) + 1, step):
        axes.hlines(base - tick * unit, left, left + block.width, zorder=1 if tick else 3,
                    color=FAINT if tick else GREY, linewidth=0.6)  # fmt: skip
        write(axes, left - 0.08, base - tick * unit, str(tick), 7.5, color=GREY, ha="right")
    lines = _labels(block, pen)
    for column, texts in zip(block.columns, lines, strict=True):
        if column.mean:
            left += MEAN_GAP
            axes.bar(left, HEIGHT, block.slot + SLOT_GAP, top, align="edge", color=BAND, zorder=0)
        centre = left + (block.slot + SLOT_GAP) / 2
        at = centre - block.pitch * (len(block.models) - 1) / 2
        for model in block.models:
            _bar(axes, at, base, block, column.cells.get(model), *styles[model])
            at += block.pitch
        for place, (text, size, colour) in enumerate(texts):
            write(axes, centre, base + 0.14 + LINE * place, text, size, color=colour, ha="center")
        left += block.slot + SLOT_GAP
    return base + LINE * max(map(len, lines)) + 0.1


def _bar(axes: "Axes", at: float, base: float, block: Block, cell: Cell | None, *look: str) -> None:
    """Draw a bar with its whisker and its number, or say that there is none."""
    is_upright, unit = block.pitch >= UPRIGHT, HEIGHT / block.ceiling
    text: dict[str, Any] = {"ha": "center", "va": "bottom", "rotation": 0 if is_upright else 90}
    text |= {"fontsize": 7.5 if is_upright else 6.5, "color": INK if cell else "#A6A6A6"}
    if cell is None:
        axes.text(at, base - 0.04, "n/a", **text)
        return
    value = 100 * cell.score.value
    low, high = (100 * end for end in cell.interval or (cell.score.value, cell.score.value))
    axes.bar(at, -value * unit, 0.86 * block.pitch, base, color=look[0], hatch=look[1],
             edgecolor="white", linewidth=0, zorder=2)  # fmt: skip
    axes.vlines(at, base - high * unit, base - low * unit, color=INK, linewidth=0.9, zorder=4)
    axes.text(at, base - max(value, high) * unit - 0.035, shown(cell.score.value, 100), **text)


def _labels(block: Block, pen: Pen) -> list[list[tuple[str, float, str]]]:
    """Return the lines under each group with their size and colour."""
    natives = [NATIVE.get(column.label, "") for column in block.columns]
    has_native = all(map(pen.can_write, natives))
    labels = []
    for column, native in zip(block.columns, natives, strict=True):
        first, *others = column.label.split(" · ")
        others += [{"": native * has_native, "set": "macro", "item": "micro"}[column.mean]]
        sizes = {0 if column.mean else cell.score.n for cell in column.cells.values()} or {0}
        ends = "–".join(f"{end:,}" for end in dict.fromkeys((min(sizes), max(sizes))))
        others += [f"n = {ends}"] if any(sizes) else []
        lines = [(first, 8.5, INK), *((other, 7.5, GREY) for other in others)]
        room = block.slot + 0.04
        labels.append([(*pen.fit(text, size, room), ink) for text, size, ink in lines if text])
    return labels
