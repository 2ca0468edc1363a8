"""`medbench run` and the texts of a corpus: what changed in them is learnt anew."""

from pathlib import Path
from typing import Any

import pytest

from medbench.cli import main
from tests.pretraining_runs import GENERAL, MEDICAL, sentences, write_lines, write_pretraining
from tests.training_runs import run


@pytest.fixture
def twins(tmp_path: Path) -> list[Path]:
    """Two files of the same name."""
    found = []
    for number, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        found.append(write_lines(tmp_path / folder / "texts.jsonl", sentences(MEDICAL, 20, number)))
    return found


@pytest.mark.parametrize("which", [0, 1])
def test_changed_texts_are_learnt_anew(
    which: int,
    twins: list[Path],
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    monkeypatch.setenv("MEDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "220")
    recipe, output = write_pretraining(tiny_model, tmp_path), tmp_path / "out"
    places = ", ".join(f"{{path: {one}}}" for one in twins)
    settings = [f"corpus.sources=[{places}]", "training.epochs=0.5"]
    settings += ["corpus.facts={texts: 60, tokens: 4000}"]  # a dry run without the files needs them
    run(recipe, output / "pretrain", settings)

    def said() -> str:
        main(["run", str(recipe), *settings, "--output", str(output), "--dry-run"])
        return " ".join(capsys.readouterr().out.split())

    assert "train done" in said()
    write_lines(twins[which], sentences(GENERAL, 25, 7))
    assert f"corpus {which + 1} texts.jsonl changed" in said()
    twins[which].unlink()
    assert "train done" in said(), "what is out of reach counts as unchanged"
