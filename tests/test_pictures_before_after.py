"""The figure of what training changed: who is compared, what is pale, and the files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medbench.cli import main
from medbench.drawing import Pen
from medbench.errors import ResultError
from medbench.report.grid import grid
from medbench.report.pictures import pictures, write_pictures
from medbench.report.pictures.before_after import WORSE, before_after, is_apart, parts_of, rows
from medbench.results import Results, Score

pytest.importorskip("matplotlib")

PAIRS = (("mmedbench", "english"), ("mmedbench", "french"), ("usmle", ""), ("pubmedqa", ""))


def score(model: str, benchmark: str, subset: str, value: float, **changes: Any) -> Score:
    base = Score(model, f"{benchmark}_{subset}", "acc", "none", value, n=200, num_fewshot=0,
                 benchmark=benchmark, protocol="letters", subset=subset)  # fmt: skip
    return replace(base, **changes)


def results(*models: tuple[str, float], **changes: Any) -> Results:
    return Results(
        tuple(score(model, *pair, value, **changes) for model, value in models for pair in PAIRS)
    )


def texts(found: Results, before: str) -> list[str]:
    """Return what the figure says."""
    figure = before_after(parts_of(grid(found).panels, before), before, Pen())
    return [text.get_text() for text in figure.axes[0].texts]


def test_gains_and_losses() -> None:
    said = texts(results(("base", 0.25), ("base + lora", 0.375), ("full", 0.20)), "base")
    assert said.count("+12.5") == said.count("−5.0") == len(PAIRS)
    assert {"base", "base + lora", "full", "English", "French", "MMedBench · letters"} <= set(said)
    assert "Thin lines: 95 % intervals; pale: they overlap. n = 200 questions a row." in said


def test_an_error_that_grows_is_a_loss() -> None:
    found = results(("a", 0.2), ("b", 0.5), metric="unparsed", higher_is_better=False)
    assert grid(found).panels == ()
    found = results(("a", 0.2), ("b", 0.5), higher_is_better=False)
    figure = before_after(parts_of(grid(found).panels, "a"), "a", Pen())
    colours = {text.get_color() for text in figure.axes[0].texts if text.get_text() == "+30.0"}
    assert colours == {WORSE}


def test_what_overlaps_is_pale() -> None:
    (panel, *_) = grid(results(("a", 0.2), ("b", 0.3), ("c", 0.4))).panels
    row = next(rows(panel, "a"))
    assert [is_apart(row.before, cell) for cell in row.after.values()] == [False, True]
    assert not is_apart(row.before, replace(row.before, interval=None))


def test_only_the_same_questions_are_compared() -> None:
    found = results(("a", 0.2), ("b", 0.3)).scores
    other = tuple(replace(one, n=100) if one.model == "b" else one for one in found)
    assert [list(rows(panel, "a")) for panel in grid(Results(other)).panels] == [[], []]
    with pytest.raises(ResultError, match=r"nothing to compare with 'a': the results are of a, b"):
        parts_of(grid(Results(other)).panels, "a")


def test_the_files(tmp_path: Path) -> None:
    drawn = pictures(results(("a", 0.2), ("$a_{b}$ <script>&", 0.3)), before="a")
    names = [name for name, _ in write_pictures(drawn, tmp_path, ["svg", "png"])]
    assert names[-2:] == ["before_after.svg", "before_after.png"]
    assert "<script>" not in (tmp_path / "before_after.svg").read_text(encoding="utf-8")


def test_the_command_wants_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["board", "x", "--before", "a"])
    assert "--output says where it goes" in capsys.readouterr().err
