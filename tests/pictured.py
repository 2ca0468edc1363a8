"""Boards to be drawn, with awkward names and gaps, and what their pictures say."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from medbench.reported import Column, ReportedTable, Row
from medbench.results import LANGUAGES, Results, Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TASKS = [("mmedbench", name) for name in ("english", "chinese", "japanese", "french", "russian",
                                          "spanish")]  # fmt: skip
TASKS += [("kormedmcqa", name) for name in ("doctor", "nurse", "pharm", "dentist")]
TASKS += [("usmle", "4_options"), ("medmcqa", "validation"), ("pubmedqa", "labeled")]
TASKS += [(f"a_rather_long_task_name_{place}", "") for place in range(27)]
LONG = "organisation/a_model$^_\\with_{every}_odd-sign-and-a-name-of-eighty-characters-7B-"
ODD = [f"{LONG}{place}" for place in range(2)] + ["模型-7B-日本語-한국어", "Модель-13B", "GPT-4"]
MANY = [f"model-{place:02}-{size}B" for place, size in enumerate((1.5, 3, 7, 8, 70) * 11)] + ODD


def score(model: str, benchmark: str, subset: str, value: float, **changes: Any) -> Score:
    base = Score(model, f"{benchmark}_{subset}", "acc", "none", value, n=120, num_fewshot=0,
                 benchmark=benchmark, protocol="letters", subset=subset,
                 language=LANGUAGES.get(subset, ""))  # fmt: skip
    return replace(base, **changes)


def board_of(models: Sequence[str], tasks: int, missing: float = 0.0) -> Results:
    draw = random.Random(1)
    return Results(tuple(
        score(model, *task, 0.1 + 0.8 * draw.random())
        for model in models for task in TASKS[:tasks] if draw.random() >= missing
    ))  # fmt: skip


def overlaps(figure: "Figure") -> list[tuple[str, str]]:
    """Return the texts that are clipped, or lie on another one."""
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    texts = figure.axes[0].texts
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    found = [
        (text, "the edge")
        for text, box in boxes
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]
    for (one, box), (other, otherbox) in combinations(boxes, 2):
        x = min(box.x1, otherbox.x1) - max(box.x0, otherbox.x0)
        y = min(box.y1, otherbox.y1) - max(box.y0, otherbox.y0)
        if x > 1.5 and y > 5:  # boxes reach below the baseline and above digits
            found.append((one, other))
    return found


def said(figure: "Figure") -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def published(**changes: Any) -> ReportedTable:
    columns = [
        Column(name.capitalize(), "percent", "mmedbench", name, size=200) for _, name in TASKS[:3]
    ]
    columns.append(Column("Avg", "percent", "mmedbench", mean=("English", "Chinese", "Japanese")))
    columns.append(Column("hours", "hours", "mmedbench", metric="hours"))
    cells = {"English": "50.00", "Chinese": "60.00", "Japanese": "40.00", "Avg": "50.00"}
    rows = (Row("a 7B", "plain", "paper", {**cells, "hours": "3"}),
            Row("a 7B", "tuned", "paper", {**cells, "English": "50.33", "Avg": "50.11"}),
            Row("GPT-4", "plain", "paper", {"English": "70.00"}))  # fmt: skip
    return replace(ReportedTable("t", "Title", "paper", tuple(columns), rows), **changes)
