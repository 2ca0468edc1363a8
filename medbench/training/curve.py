"""The picture of a training: loss and held-out loss over the steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench.drawing import GREY, INK, PALETTE, Pen, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curve", "draw"]

LINES = (
    ("loss", "training", PALETTE[0], "o"),
    ("eval_loss", "held out", PALETTE[5], "s"),
    ("penalty", "of it the method's term", GREY, ""),
)
"""Quantity of the log, its name in the picture, colour and marker."""


def points(log: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """Return the steps and values of one quantity in the Trainer's log."""
    lines = [line for line in log if name in line]
    return [line["step"] for line in lines], [line[name] for line in lines]


def draw(log: Sequence[Mapping[str, Any]], title: str, stem: Path) -> list[Path]:
    """Draw the loss as `<stem>.svg` and `<stem>.png`; return the files, none without a loss.

    Args:
        log: the Trainer's `log_history`.
        title: the recipe's name.
        stem: path without its ending.
    """
    if not points(log, "loss")[0]:
        return []
    return save(lambda pen: curve(log, title, pen), stem, ("svg", "png"))


def curve(log: Sequence[Mapping[str, Any]], title: str, pen: Pen) -> "Figure":
    """Draw the loss of every logged step, the held-out one, the method's term, if there are any."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for name, words, colour, marker in LINES:
        steps, losses = points(log, name)
        if steps:
            label = f"{words} {losses[-1]:.3f}"
            axes.plot(steps, losses, color=colour, linewidth=1.4, marker=marker, markersize=2.5,
                      label=label)  # fmt: skip
    axes.legend(frameon=False, fontsize=8.5, labelcolor="linecolor", handlelength=1.2)
    axes.set_title(pen.cut(title, 9.5, 4.8, "bold"), loc="left", size=9.5, weight="bold", color=INK)
    axes.set_xlabel("optimiser step", color=GREY, fontsize=8.5)
    axes.set_ylabel("loss, nats a supervised token", color=GREY, fontsize=8.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(GREY)
    axes.tick_params(colors=GREY, labelsize=7.5)
    return figure
