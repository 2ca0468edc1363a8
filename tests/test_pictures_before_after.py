"""The figure of what training changed: who is compared, what is pale, and the files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medbench.cli import main
from medbench.errors import MissingExtra, ResultError
from medbench.report import before_after as module
from medbench.report.before_after import before_after, is_apart, rows
from medbench.report.grid import grid
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
    parts = [(panel.title, list(rows(panel, before))) for panel in grid(found).panels]
    figure = module.draw([part for part in parts if part[1]], before, module.Pen())
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
    parts = [("", list(rows(panel, "a"))) for panel in grid(found).panels]
    figure = module.draw(parts, "a", module.Pen())
    colours = {text.get_color() for text in figure.axes[0].texts if text.get_text() == "+30.0"}
    assert colours == {module.WORSE}


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
        before_after(Results(other), "a", Path("x"))


def test_files_are_the_same_every_time(tmp_path: Path) -> None:
    found = results(("a", 0.2), ("b", 0.3))
    first = before_after(found, "a", tmp_path / "one")
    again = before_after(found, "a", tmp_path / "two")
    assert [path.name for path in first] == ["one.svg", "one.png"]
    for one, two in zip(first, again, strict=True):
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", ["$a_{b}$", "<script>&", "x" * 300, "two\nlines", "😀"])
def test_hostile_names(tmp_path: Path, name: str) -> None:
    (svg,) = before_after(results(("a", 0.2), (name, 0.3)), "a", tmp_path / "x", ["svg"])
    assert "<script>" not in svg.read_text(encoding="utf-8")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"medbench\[plot\]"):
        before_after(results(("a", 0.2), ("b", 0.3)), "a", Path("x"))


def test_the_command_wants_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["board", "x", "--before", "a"])
    assert "--output says where it goes" in capsys.readouterr().err
