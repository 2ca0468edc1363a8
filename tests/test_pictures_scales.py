"""Radars and sizes: who is drawn, where sizes are from, the front, the places of names."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.drawing import Pen
from medbench.report.grid import grid
from medbench.report.pictures.labels import Box, Dot, place_labels
from medbench.report.pictures.pareto import front, parameters, pareto, pareto_parts
from medbench.report.pictures.radar import radars
from medbench.report.pictures.sizes import size_of
from medbench.results import Results

if TYPE_CHECKING:
    pass

from tests.pictured import TASKS, board_of, said, score

pytest.importorskip("matplotlib")


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
