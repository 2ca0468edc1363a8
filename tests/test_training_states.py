"""Saved states: which count, which go."""

from pathlib import Path

import pytest

from medbench.errors import TrainingError
from medbench.training.states import (
    Progress,
    clear,
    latest,
    mark_complete,
    progress,
    prune,
    workplace,
)


def state(folder: Path, step: int, *, whole: bool = True) -> Path:
    """Make a state with one file in it."""
    made = folder / f"checkpoint-{step}"
    made.mkdir()
    (made / "optimizer.pt").touch()
    if whole:
        mark_complete(made, Progress(tokens=step))
    return made


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_the_last_whole_one_counts(tmp_path: Path) -> None:
    assert latest(tmp_path) is None and latest(tmp_path / "none") is None
    state(tmp_path, 9)
    state(tmp_path, 10)
    state(tmp_path, 100, whole=False)
    (tmp_path / "checkpoint-x").mkdir()
    found = latest(tmp_path)
    assert found == tmp_path / "checkpoint-10"
    assert progress(found) == Progress(tokens=10, supervised_tokens=0, seconds=0.0)


def test_half_ones_are_cleared(tmp_path: Path) -> None:
    state(tmp_path, 1)
    state(tmp_path, 2, whole=False)
    clear(tmp_path)
    assert names(tmp_path) == ["checkpoint-1"]


@pytest.mark.parametrize(
    ("keep", "best", "expected"),
    [(1, None, "8"), (2, None, "68"), (1, 2, "28"), (2, 8, "68"), (9, None, "2468")],
)
def test_prune(tmp_path: Path, keep: int, best: int | None, expected: str) -> None:
    made = {step: state(tmp_path, step) for step in (2, 4, 6, 8)}
    state(tmp_path, 10, whole=False)
    prune(tmp_path, keep, made[best] if best else None)
    assert names(tmp_path) == sorted(f"checkpoint-{one}" for one in (*expected, "10"))


@pytest.mark.parametrize("text", ["", "[]", '{"mood": 1}'])
def test_a_mark_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    made = state(tmp_path, 1)
    (made / "complete.json").write_text(text)
    with pytest.raises(TrainingError, match=r"complete.json cannot be read: .*; remove .*point-1"):
        progress(made)


def test_workplace(tmp_path: Path) -> None:
    assert workplace(tmp_path / "a.b") == tmp_path / "a.b.unfinished"
