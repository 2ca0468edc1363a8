"""The picture of a training: loss and held-out loss over the steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["draw"]

BLUE, ORANGE, GREY = "#2f6db2", "#c8641b", "#6b6b6b"  # told apart in print and by colour-blind eyes


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
    steps, losses = points(log, "loss")
    if not steps:
        return []
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "medbench", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(5.6, 3.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.plot(steps, losses, color=BLUE, linewidth=1.4, marker="o", markersize=2.5)
        axes.annotate(f"{losses[-1]:.3f}", (steps[-1], losses[-1]), (4, 3), **LABEL, color=BLUE)
        held_steps, held = points(log, "eval_loss")
        if held_steps:
            axes.plot(held_steps, held, color=ORANGE, linewidth=1.4, marker="s", markersize=3)
            axes.annotate("held out", (held_steps[-1], held[-1]), (4, -9), **LABEL, color=ORANGE)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("optimiser step", color=GREY)
        axes.set_ylabel("loss, nats a supervised token", color=GREY)
        axes.margins(x=0.1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=GREY)
        files = [stem.with_name(f"{stem.name}.{ending}") for ending in ("svg", "png")]
        for file in files:
            metadata = {"Date": None} if file.suffix == ".svg" else None
            figure.savefig(file, dpi=160, metadata=metadata)
    return files


LABEL: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8}
