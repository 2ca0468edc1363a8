"""The pictures beside the bars: what they show, what they leave out, and that nothing overlaps."""

import io
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench import paths
from medbench.drawing import Pen
from medbench.report.grid import grid
from medbench.report.pictures import Picture, is_current, pictures, write_pictures
from medbench.report.pictures.heatmap import (
    contrast,
    fill,
    heatmap,
    ink,
    measured_sheet,
)
from medbench.report.pictures.labels import Box, Dot, place_labels
from medbench.report.pictures.pareto import front, parameters, pareto, pareto_parts
from medbench.report.pictures.published import FLAGGED, published_panels, row_names
from medbench.report.pictures.radar import radar, radars
from medbench.report.pictures.reported_sheet import reported_sheet
from medbench.report.pictures.sizes import size_of
from medbench.reported import Column, Remark, ReportedTable, Row, read_reported
from medbench.results import LANGUAGES, Results, Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

pytest.importorskip("matplotlib")

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
    figure.savefig(io.BytesIO(), dpi=100)
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


@pytest.fixture(autouse=True)
def look() -> Any:
    """Set text as it is set when a picture is saved."""
    import matplotlib

    pen = Pen()
    with matplotlib.rc_context({"text.parse_math": False, "font.family": pen.families}):
        yield


CASES = [(["a-7B", "b-13B"], 1, 0.0), (ODD, 13, 0.0), (MANY[:9], 40, 0.3), (MANY, 11, 0.1)]


@pytest.mark.parametrize(("models", "tasks", "missing"), CASES)
def test_nothing_is_clipped_or_overlaps(models: list[str], tasks: int, missing: float) -> None:
    panels = grid(board_of(models, tasks, missing)).panels
    drawn = [heatmap(measured_sheet(panels), Pen()), pareto("By size", pareto_parts(panels), Pen())]
    if spoken := radars(panels):
        drawn.append(radar("By language", spoken, Pen()))
    assert [overlaps(figure) for figure in drawn] == [[]] * len(drawn)


@pytest.mark.parametrize("table", read_reported(paths.folder("leaderboard") / "reported"),
                         ids=lambda table: table.name)  # fmt: skip
def test_published_tables_can_be_drawn(table: ReportedTable) -> None:
    for picture in pictures(board_of(["a"], 13), [table]).drawn:
        if picture.name.startswith("reported/"):
            assert overlaps(picture.draw(Pen())) == []


@given(st.floats(0, 1))
def test_cells_can_be_read(share: float) -> None:
    colour = fill(share)
    assert contrast(colour, (float(ink(colour) == "white"),) * 3) >= 4.5


def test_contrast_is_wcags() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast((1, 1, 1), (0.4667,) * 3) == pytest.approx(4.48, abs=0.01)  # #777777


def test_rows_are_ranked_and_gaps_come_last() -> None:
    scores = [score(m, *TASKS[0], v) for m, v in (("low", 0.2), ("high", 0.6), ("part", 0.9))]
    scores += [score(m, *TASKS[1], v) for m, v in (("low", 0.3), ("high", 0.5))]
    (section,) = measured_sheet(grid(Results(tuple(scores))).panels).sections
    assert [line.name for line in section.lines] == ["high", "low", "part"]
    assert said(heatmap(measured_sheet(grid(Results(tuple(scores))).panels), Pen())).count("—") == 1


def published(**changes: Any) -> ReportedTable:
    columns = tuple(
        Column(subset.capitalize(), "percent", "mmedbench", subset, size=200)
        for _, subset in TASKS[:3]
    ) + (Column("Avg", "percent", "mmedbench", mean=("English", "Chinese", "Japanese")),
         Column("hours", "hours", "mmedbench", metric="hours"))  # fmt: skip
    cells = {"English": "50.00", "Chinese": "60.00", "Japanese": "40.00", "Avg": "50.00"}
    rows = (Row("a 7B", "plain", "paper", {**cells, "hours": "3"}),
            Row("a 7B", "tuned", "paper", {**cells, "English": "50.33", "Avg": "50.11"}),
            Row("GPT-4", "plain", "paper", {"English": "70.00"}))  # fmt: skip
    return replace(ReportedTable("t", "Title", "paper", columns, rows), **changes)


def test_published_numbers_keep_their_flags_and_intervals() -> None:
    (panel,) = published_panels(published())  # hours are no share
    assert row_names(published()) == ("a 7B · plain", "a 7B · tuned", "GPT-4")
    cells = {column.label: column.cells for column in panel.columns}
    plain, tuned = (cells["English"][f"a 7B · {way}"] for way in ("plain", "tuned"))
    assert plain.interval == pytest.approx((0.431, 0.569), abs=1e-3)  # Wilson, 100 of 200
    assert (FLAGGED in tuned.marks, tuned.interval) == (True, None)  # 50.33 is no k/200
    low, high = cells["Avg"]["a 7B · plain"].interval or (0, 0)
    half = 1.96 * (0.25 + 2 * 0.24) ** 0.5 / 200**0.5 / 3
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-4)
    assert cells["Avg"]["a 7B · tuned"].interval is None


def test_two_rows_alike_but_for_their_source() -> None:
    table = published()
    rows = (table.rows[0], replace(table.rows[0], source="page"))
    assert row_names(replace(table, rows=rows)) == ("a 7B · plain · paper", "a 7B · plain · page")


def test_measured_rows_stand_apart() -> None:
    sheet = reported_sheet(published(), board_of(["mine"], 13))
    assert sheet is not None
    assert [section.title for section in sheet.sections] == [
        "As reported",
        "Measured with medbench",
    ]
    (line,) = sheet.sections[1].lines
    assert (line.name, line.detail) == ("mine", "letters")
    measured = {s.subset: s.value for s in board_of(["mine"], 6).scores}
    mean = sum(measured.values()) / 6
    values = [cell.score.value if cell else None for cell in line.cells]
    assert values == pytest.approx([*(measured[subset] for _, subset in TASKS[:3]), mean])
    words = said(heatmap(sheet, Pen()))
    assert {"Title, as reported", "plain", "tuned"} <= set(words)
    assert words.count("‡") == 1


def test_a_remark_is_a_flag() -> None:
    table = published(remarks=(Remark("wrong", model="GPT-4"),))
    assert FLAGGED in published_panels(table)[0].columns[0].cells["GPT-4"].marks


def test_a_radar_shows_the_best_six_and_says_so() -> None:
    results = board_of([f"m{place}" for place in range(8)], 6)
    partial = Results(results.scores[1:])
    (one,) = radars(grid(partial).panels)
    means = {name: sum(cell.score.value for cell in cells) for name, cells in one.models}
    assert one.languages == ("en", "zh", "ja", "fr", "ru", "es")
    assert len(means) == 6 and list(means.values()) == sorted(means.values(), reverse=True)
    assert "m0" not in means
    assert one.left_out == "the best 6 of 7 models by their mean, not the 1 without every language"


@pytest.mark.parametrize("tasks", [TASKS[:2], TASKS[6:10]])
def test_a_radar_needs_three_languages(tasks: list[tuple[str, str]]) -> None:
    results = Results(tuple(score("a", *task, 0.5) for task in tasks))
    assert radars(grid(results).panels) == ()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Qwen3-30B-A3B", 30e9), ("Mixtral-8x7B", None), ("PMC_LLaMA_13B", 13e9),
        ("GPT-4", None), ("gemma-3n-E4B", None), ("Llama 2 7B", 7e9), ("org/x-360M-chat", 360e6),
        ("a 7B on a 13B", None), ("MedCare-1.8B w/o DA", 1.8e9), ("Qwen2.5-7B + r13B", 7.6e9),
    ],
)  # fmt: skip
def test_sizes_by_name_are_never_guessed(name: str, told: float | None) -> None:
    found = size_of(score(name, "usmle", "", 0.5))
    assert (found and found.parameters) == (pytest.approx(told, rel=0.09) if told else None)


def test_sizes_that_were_counted_come_first(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"config": {"model_num_parameters": 123}}), encoding="utf-8")
    one = score("SmolLM2-135M-Instruct", "usmle", "", 0.5)
    counted, known = size_of(replace(one, source=file)), size_of(one)
    assert counted and (counted.parameters, counted.told_by) == (123, "results")
    assert known and (known.parameters, known.told_by) == (134_515_008, "recipes")
    file.write_text(json.dumps({"config": {"model_num_parameters": -1}}), encoding="utf-8")
    assert size_of(replace(one, source=file)) == known


def test_the_front() -> None:
    values = {"a-1B": 0.3, "b-3B": 0.2, "c-3B": 0.5, "d-7B": 0.5, "e-13B": 0.6, "GPT-4": 0.9}
    results = Results(tuple(score(name, "usmle", "", value) for name, value in values.items()))
    (part,) = pareto_parts(grid(results).panels)
    assert [point.name for point in front(part.points)] == ["a-1B", "c-3B", "e-13B"]
    words = said(pareto("By size", [part], Pen()))
    assert {"a-1B", "c-3B", "e-13B"} <= set(words)
    assert "Size not known, not drawn: GPT-4." in words
    assert "Parameters as the models' names say." in words


@pytest.mark.parametrize(("number", "told"), [(134515008, "135M"), (1e9, "1B"), (7.24e9, "7.24B")])
def test_parameters(number: float, told: str) -> None:
    assert parameters(number) == told


DOTS = st.lists(st.tuples(st.floats(0, 4), st.floats(0, 3), st.floats(0.2, 1.5), st.booleans()),
                max_size=40)  # fmt: skip


@given(DOTS)
def test_names_never_meet(dots: list[tuple[float, float, float, bool]]) -> None:
    frame, bar = Box(0, 0, 4, 3), Box(2, 0, 2.1, 3)
    made = [Dot(*dot) for dot in dots]
    places = place_labels(made, 0.12, frame, [bar])
    boxes = [place.box for place in places if place]
    assert not any(one.meets(other) for one, other in combinations(boxes, 2))
    assert all(box.is_within(frame) and not box.meets(bar) for box in boxes)
    for box in boxes:
        assert not any(box.left < d.at < box.right and box.top < d.down < box.bottom for d in made)
    assert all(d.is_needed for d, p in zip(made, places, strict=True) if p and p.has_line)


def test_a_lone_dot_has_its_name_on_the_right() -> None:
    (place,) = place_labels([Dot(1, 1, 0.5, False)], 0.12, Box(0, 0, 4, 3))
    assert place is not None and place.box.left > 1 and not place.has_line


def names(results: Results, *tables: ReportedTable) -> list[str]:
    return [picture.name for picture in pictures(results, tables).drawn]


def test_what_says_nothing_is_left_out_with_the_reason() -> None:
    found = pictures(board_of(["a"], 1), [published(name=name) for name in "wxyz"])
    assert [one.name for one in found.drawn] == [
        "board", *(f"reported/{name}_{kind}" for name in "wxyz" for kind in ("heatmap", "radar"))
    ]  # fmt: skip
    assert (
        found.left_out
        == (
            "heatmap (one model only); radar (fewer than three languages); "
            "pareto of 4 published tables (fewer than two known sizes)"
        )
        or "pareto of" in found.left_out
    )
    assert "board (more than 28 models" in pictures(board_of(MANY, 1)).left_out


def test_pictures_of_the_same_data_are_the_same(tmp_path: Path) -> None:
    found = pictures(board_of(["a-1B", "b-7B"], 6))
    assert [picture.name for picture in found.drawn] == ["board", "heatmap", "radar", "pareto"]
    first, second = (dict(write_pictures(found, tmp_path / name, ["svg"])) for name in "ab")
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes()


def digests(results: Results) -> dict[str, str]:
    return {picture.name: picture.digest for picture in pictures(results).drawn}


def test_a_digest_follows_what_is_shown_and_nothing_else() -> None:
    results = board_of(["a-1B", "b-7B"], 6)
    moved = tuple(replace(one, source=Path("elsewhere"), date=1.0) for one in results.scores)
    other = (replace(results.scores[0], value=0.5), *results.scores[1:])
    assert digests(Results(moved)) == digests(results)
    changed = digests(Results(other))
    assert all(changed[name] != digest for name, digest in digests(results).items())


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_file_tells_whether_it_is_current(tmp_path: Path, ending: str) -> None:
    (old,), (new,) = (pictures(board_of([name], 1)).drawn for name in "ab")
    ((_, file),) = write_pictures(pictures(board_of(["a"], 1)), tmp_path, [ending])
    assert isinstance(old, Picture)
    assert is_current(old, file)
    assert not is_current(new, file)
    assert not is_current(old, tmp_path / "missing.svg")
