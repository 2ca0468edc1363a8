"""`medbench train --federated` up to where Flower starts, and the rules of the section."""

from pathlib import Path
from typing import Any

import pytest

from medbench.engine.run import Run
from medbench.errors import RecipeError
from medbench.federated import scores, simulate
from medbench.pipeline.job import find_jobs
from medbench.recipe import load, to_yaml
from medbench.results import Results
from tests.command_line import medbench
from tests.federated_recipe import write_recipe


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """On a model that is not there."""
    return write_recipe(tmp_path / "nowhere", tmp_path)


def test_dry_run(capsys: Any) -> None:
    name = "flowertune/bio-medical-llama-3-8b/dora"
    code, out, _ = medbench(capsys, "train", name, "--federated", "--dry-run")
    lines = dict(line.rsplit("  ", 1) for line in out.splitlines() if "  " in line)
    found = {key.strip(): value.strip() for key, value in lines.items()}
    assert code == 0 and found["clients in each"] == "3 of 20"
    assert found["MiB down and up, all rounds"] == "3,158.91"
    assert found["as FlowerTune publishes it"] == "3,000.96"
    assert found["weights that learn"] == "13,795,328"


def test_it_must_be_said(capsys: Any, recipe: Path) -> None:
    code, _, err = medbench(capsys, "train", str(recipe), "--dry-run")
    assert code == 1 and "is federated: add --federated;" in err
    assert "federated=null training.max_steps=8" in err
    in_one_place = ("federated=null", "training.max_steps=8")
    code, out, _ = medbench(capsys, "train", str(recipe), *in_one_place, "--dry-run")
    assert code == 0 and "rounds" not in out
    code, _, err = medbench(capsys, "train", str(recipe), *in_one_place, "--federated")
    assert code == 1 and "has no section federated: who are clients?" in err


def test_the_pipeline_says_it(recipe: Path, tmp_path: Path) -> None:
    jobs, _ = find_jobs([str(recipe)], [], tmp_path)
    assert "--federated" in jobs[0].train_command(resume=True)


def test_its_start_must_be_there(
    capsys: Any, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulate, "check_flower", lambda: None)
    code, _, err = medbench(capsys, "train", str(recipe), "--federated", "model.start.recipe=one")
    assert code == 1 and "federated starts from what one leaves: `medbench run` makes both" in err


def test_an_adapter_is_scored_on_what_it_was_trained_on(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Run] = []

    def note(run: Run) -> list[Any]:
        asked.append(run)
        return []

    monkeypatch.setattr(scores, "evaluate", note)
    monkeypatch.setattr(scores, "read_results", lambda _: Results(()))
    scores.score(load(recipe, ["model.start={recipe: one, folder: /runs/one}"]), tmp_path)
    scores.score(load(recipe), tmp_path)
    assert [one.model for one in asked] == ["/runs/one", str(tmp_path / "nowhere")]


def test_a_recipe_comes_back_as_it_was(recipe: Path, tmp_path: Path) -> None:
    privacy = "federated.privacy={clipping_norm: 1, noise_multiplier: 0.5}"
    found = load(recipe, [privacy, "federated.partition=dirichlet", "federated.alpha=2"])
    again = tmp_path / "again.yaml"
    again.write_text(to_yaml(found), encoding="utf-8")
    assert load(again, ["federated.rounds=2"]).federated == found.federated
    assert "federated:" not in to_yaml(load(recipe, ["federated=null"]))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["method={name: full}"], "federated: clients exchange low-rank adapters; method full"),
        (["training.max_steps=null", "training.epochs=1"], "how long is a client's turn? name its"),
        (["training.schedule=cosine"], "cosine would start anew in each turn"),
        (["federated.fraction=1.5"], "federated.fraction: 1.5 is more than all clients, 1"),
        (["federated.min_learning_rate=1"], "1.0 is above the highest, 0.03"),
        (["federated.alpha=3"], "federated.alpha: changes nothing: only partition dirichlet"),
        (["federated.evaluate_limit=3"], "there is no federated.evaluate_every"),
        (["tracking.save_every=3"], "changes nothing: rounds are logged and saved, by federated"),
        (["federated.secure=true"], "federated.secure: 2 clients in a round hide nothing; three"),
        (
            ["federated.secure=true", "federated.fraction=1", "federated.aggregation=svd"],
            "federated.secure: needs aggregation mean, not svd",
        ),
        (
            ["federated.privacy={clipping_norm: 1, noise_multiplier: 1}", "federated.message=int8"],
            "federated.privacy: needs message float32, not int8",
        ),
        (["federated.privacy={clipping_norm: 1}"], "privacy.noise_multiplier: is missing"),
        (["federated.proximal_mu=-1"], "-1.0 must be at least 0"),
        (["federated.rounds=0"], "0 must be at least 1"),
        (["launch={devices: 2, strategy: ddp}"], "each client trains on one device"),
        (["kind=baseline", "evaluation.tasks=[usmle]"], "kind baseline trains nothing"),
    ],
)
def test_faults(recipe: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(recipe, overrides)
    assert words in str(caught.value)
