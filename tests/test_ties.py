"""Ranks of a board: models that cannot be told apart share them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from medbench.cli import main
from medbench.errors import ResultError
from medbench.report.formats import markdown
from medbench.report.ties import Ties, blocks, notes, ties
from medbench.results import read_results
from tests.compared_runs import QUESTIONS, answered, question, write_run

STRENGTHS = {"one": 80, "two": 78, "three": 30}


def written(folder: Path, **changes: Any) -> Path:
    """Write three models of one task; `changes` are of the last one."""
    for model, k in STRENGTHS.items():
        tasks = {"usmle": answered(QUESTIONS, [True] * k + [False] * (100 - k))}
        own = changes if model == "three" else {}
        write_run(folder / model, tasks, model=model, **own)
    return folder


def found(folder: Path) -> Ties:
    return ties(read_results([folder]))


def test_ranks(tmp_path: Path) -> None:
    board = found(written(tmp_path))
    (task,) = board.tasks
    ranks = [(one.model, one.first, one.last, one.ties_best) for one in task.standings]
    assert ranks == [("one", 1, 2, True), ("two", 1, 2, True), ("three", 3, 3, False)]
    assert task.n == 100
    assert 0.1 < task.paired < task.unpaired < 0.25
    text = markdown(blocks(board), notes(board))
    assert re.search(
        r"\| two +\| +78\.0 \[68\.9, 85\.0\] +\| +1 to 2 +\| +ties with the first \|", text
    )
    assert "n = 100; least difference likely to be seen:" in text


@pytest.mark.parametrize(
    ("changes", "fault"),
    [({"shots": 5}, "shots differ (0, 5)"), ({"version": 2.0}, "versions differ (1, 2)")],
)
def test_models_that_were_asked_differently(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ResultError, match="no task of several models can be ranked") as caught:
        found(written(tmp_path, **changes))
    assert f"usmle is left out: {fault}." in str(caught.value)


def test_a_task_that_cannot_be_ranked_is_named(tmp_path: Path) -> None:
    """One task has other rows, one has no samples, one has a single model."""
    for model in ("one", "two"):
        other = [question(number, text=f"Whose? {model} {number}") for number in range(9)]
        own = {name: answered(QUESTIONS[:9], [1] * 9) for name in ("usmle", "careqa-letters_en")}
        own |= {"medmcqa-letters": answered(other, [1] * 9)}
        own |= {"pubmedqa-letters": answered(other, [1] * 9)} if model == "one" else {}
        write_run(tmp_path / model, own, model=model)
    next((tmp_path / "two").glob("samples_careqa*")).unlink()
    got = found(tmp_path)
    assert [task.task for task in got.tasks] == ["usmle"]
    assert len(got.notes) == 2
    assert got.notes[0].startswith("careqa-letters_en is left out: samples_careqa-letters_en_")
    assert got.notes[1] == "medmcqa-letters is left out: the rows or the prompts differ."


def test_the_command(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("matplotlib")
    main(["board", str(written(tmp_path)), "--ties", "--output", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert "ties with the first" in out
    for name in ("ties.md", "ties.tex", "board.json"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert ("1 to 2" in text) == (name != "board.json")
    (task,) = json.loads(text)["ties"]["tasks"]
    assert [one["worst_rank"] for one in task["models"]] == [2, 2, 3]
