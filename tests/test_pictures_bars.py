"""The bars: to scale, nothing clipped, nothing on top of something else."""

import io
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from medbench.drawing import Pen
from medbench.report.grid import grid
from medbench.report.pictures import bars as module
from medbench.results import Results, Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

pytest.importorskip("matplotlib")

LANGUAGES = ("english", "chinese", "japanese", "french", "russian", "spanish")
EXAMS = ("doctor", "nurse", "pharm", "dentist")
BOXES: "dict[Text, Bbox]" = {}  # measured while the figure's fonts are set
HOSTILE = ["$a_{b}$ \\frac", "_hidden", "<script>&", "two\nlines\x00", "😀 emoji", "x" * 300]


def score(model: str, benchmark: str, subset: str, value: float, **changes: Any) -> Score:
    base = Score(model, f"{benchmark}_{subset}", "acc", "none", value, n=120, num_fewshot=0,
                 benchmark=benchmark, protocol="letters", subset=subset)  # fmt: skip
    return replace(base, **changes)


def board_of(models: list[str], tasks: int) -> Results:
    """Return scores of each model on the first tasks of a list."""
    names = [("mmedbench", language) for language in LANGUAGES]
    names += [("kormedmcqa", exam) for exam in EXAMS]
    names += [(benchmark, "") for benchmark in ("usmle", "medmcqa", "pubmedqa")]
    names += [(f"a_rather_long_task_name_{place}", "") for place in range(20)]
    return Results(tuple(
        score(model, benchmark, subset, (0.1 + 0.13 * place + 0.37 * rank) % 1)
        for rank, model in enumerate(models)
        for place, (benchmark, subset) in enumerate(names[:tasks])
    ))  # fmt: skip


def drawn(results: Results) -> "Figure":
    """Return the figure before it is saved, in the way it is saved."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False, "text.hinting": "none"}):
        pen = Pen()
        matplotlib.rcParams["font.family"] = pen.families
        figure = module.bars([p for p in grid(results).panels if p.scale == 100], pen)
        figure.savefig(io.BytesIO())
        for text in figure.axes[0].texts:
            BOXES[text] = text.get_window_extent()
    return figure


def bars(figure: "Figure") -> "list[Rectangle]":
    """Return the bars: heights point up, against the axis."""
    from matplotlib.patches import Rectangle

    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [patch for patch in patches if patch.get_height() < 0]


def written(figure: "Figure") -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(("models", "tasks"), [(1, 1), (1, 6), (3, 13), (12, 11), (2, 30), (40, 2)])
def test_nothing_is_clipped_or_overlaps(models: int, tasks: int) -> None:
    figure = drawn(board_of([f"model-{place:02}" for place in range(models)], tasks))
    width, height = figure.get_size_inches() * figure.dpi
    boxes = [(text, BOXES[text]) for text in figure.axes[0].texts]
    for text, box in boxes:
        is_inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert is_inside, text.get_text()
    level = [pair for pair in boxes if pair[0].get_rotation() == 0]
    upright = [pair for pair in boxes if pair[0].get_rotation() == 90]
    for group in (level, upright):
        for (one, box), (other, otherbox) in combinations(group, 2):
            x = min(box.x1, otherbox.x1) - max(box.x0, otherbox.x0)
            y = min(box.y1, otherbox.y1) - max(box.y0, otherbox.y0)
            # Boxes reach below the baseline and above digits, so that lines share a sliver.
            assert x <= 1.5 or y <= 5, (one.get_text(), other.get_text())


def test_a_missing_cell_is_marked_and_has_no_bar() -> None:
    both = board_of(["a", "b"], 2).scores
    figure = drawn(Results(both[:-1]))
    assert written(figure).count("n/a") == 1
    assert len(bars(figure)) == 3


def test_a_model_without_a_score_in_a_panel_has_no_place_there() -> None:
    everywhere, exams = board_of(["a"], 10).scores, board_of(["b"], 10).scores[6:]
    figure = drawn(Results((*everywhere, *exams)))
    assert len(bars(figure)) == 7 + 2 * 5  # six languages, four exams and the means
    assert "n/a" not in written(figure)


def test_a_mean_without_any_model_is_marked() -> None:
    group = score("a", "mmedbench", "", 0.5, members=("mmedbench_english", "mmedbench_chinese"))
    figure = drawn(Results((*board_of(["a"], 2).scores, group)))
    assert written(figure).count("n/a") == 1
    assert "Avg" in written(figure)


def test_bars_and_whiskers_are_to_scale() -> None:
    from matplotlib.collections import LineCollection

    figure = drawn(Results((score("a", "usmle", "", 0.5),)))
    axes = figure.axes[0]
    (bar,) = bars(figure)
    ticks = {int(t.get_text()): t.get_position()[1] for t in axes.texts if t.get_text().isdigit()}
    unit = (ticks[0] - ticks[20]) / 20
    assert -bar.get_height() == pytest.approx(50 * unit)
    lines = [line for line in axes.collections if isinstance(line, LineCollection)]
    low, high = lines[-1].get_segments()[0][:, 1]
    assert abs(low - high) == pytest.approx((58.8 - 41.2) * unit, rel=0.01)  # Wilson, 60 of 120


@pytest.mark.parametrize("has_glyphs", [True, False])
def test_native_names_need_a_font(monkeypatch: pytest.MonkeyPatch, has_glyphs: bool) -> None:
    def can_write(_: object, text: str) -> bool:
        return has_glyphs or text.isascii()

    monkeypatch.setattr(Pen, "can_write", can_write)
    monkeypatch.setattr(Pen, "width", lambda *_: 0.1)  # this machine may lack the glyphs
    columns = {panel.title: panel.columns for panel in grid(board_of(["a"], 10)).panels}
    pen = Pen()
    names = []
    for title in ("MMedBench · letters", "KorMedMCQA · letters"):
        block = module.Block(title, columns[title], ("a",), slot=1.0, pitch=0.3, ceiling=100.0)
        names += [line[1][0] for line in module._labels(block, pen)]
    native = "English 中文 日本語 Français Русский Español macro 의사 간호사 약사 치과의사 micro"
    n = ["n = 120"]
    assert names == (native.split() if has_glyphs else [*n * 6, "macro", *n * 4, "micro"])


def test_a_limited_run_is_marked() -> None:
    scores = (score("part", "usmle", "", 0.5, limit=20.0), score("full", "usmle", "", 0.5))
    assert {"part (first 20 items)", "full"} <= set(written(drawn(Results(scores))))


def test_hostile_names_are_plain_text() -> None:
    results = board_of(HOSTILE, 3)
    texts = written(drawn(results))
    assert "$a_{b}$ \\frac" in texts
    assert "_hidden" in texts
    assert any("…" in text for text in texts)
