"""What of a checkpoint is published, what stays here, and that a gate stops it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from medbench import checkpoint as checkpoints
from medbench.checkpoint import write_provenance
from medbench.errors import ModelError, PublishError
from medbench.hub.refusals import plain
from medbench.publish import push as pushing
from medbench.publish.base import HubBase, hub_base
from medbench.publish.candidate import Candidate
from medbench.publish.content import check_secrets, checkpoint_content
from medbench.publish.gates import Finding
from medbench.publish.push import Order, push
from medbench.publish.remote import Place
from medbench.recipe import load, to_yaml
from tests.publications import BASE, make_checkpoint

COMMIT = "0123456789" * 4
HUB_BASE = HubBase(BASE, COMMIT, True)


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return make_checkpoint(tiny_model, tmp_path / "lora", COMMIT)


def names(folder: Path) -> set[str]:
    return set(checkpoint_content(checkpoints.read(folder), HUB_BASE, "me/x"))


def test_only_what_is_known_goes(folder: Path) -> None:
    before = names(folder)
    (folder / ".env").write_text("TOKEN=1")
    (folder / "notes.txt").write_text("of a patient")
    (folder / "optimizer").mkdir()
    (folder / "optimizer/merges.txt").write_text("elsewhere")
    assert names(folder) == before
    assert {"adapter_config.json", "adapter_model.safetensors", "recipe.yaml", "provenance.json",
            "trainer_state.json", "loss_curve.png", "tokenizer.json"} <= before  # fmt: skip


def test_all_that_is_wrong_at_once(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()
    (folder / "tokenizer_config.json").unlink()
    (folder / "training_args.bin").write_bytes(b"x")
    with pytest.raises(PublishError) as caught:
        names(folder)
    told = str(caught.value)
    assert "training_args.bin holds pickled weights" in told
    assert "no adapter_model.safetensors" in told and "no tokenizer_config.json" in told
    (folder / "provenance.json").unlink()
    with pytest.raises(ModelError, match="is no checkpoint of `medbench train`"):
        names(folder)


def test_folders_of_this_machine_stay_here(folder: Path, tiny_model: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    words = {"name_or_path": str(tiny_model), "mark": "/not a folder"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | words))
    content = checkpoint_content(checkpoints.read(folder), HUB_BASE, "me/x")
    for name, file in content.items():
        text = file if isinstance(file, bytes) else file.read_bytes()
        assert str(tiny_model).encode() not in text and str(folder).encode() not in text, name
    tokenizer = content["tokenizer_config.json"]
    assert isinstance(tokenizer, bytes) and json.loads(tokenizer)["mark"] == "/not a folder"


def test_a_recipe_names_recipes_and_no_folders(folder: Path, tmp_path: Path) -> None:
    settings = [f"method.experts_from={tmp_path}/stage1", f"model.start.folder={tmp_path}/merged"]
    recipe = load("medcare/smollm2-135m/stage2", settings)
    (folder / "recipe.yaml").write_text(to_yaml(recipe))
    published = checkpoint_content(checkpoints.read(folder), HUB_BASE, "me/x")["recipe.yaml"]
    assert isinstance(published, bytes)
    found, start = yaml.safe_load(published), recipe.model.start
    assert start is not None
    assert found["method"]["experts_from"] == "stage1"
    assert found["model"]["start"] == {"recipe": start.recipe, "merge": "attention"}


def test_a_command_names_no_folders(folder: Path) -> None:
    made = checkpoints.read(folder)
    command = ("medbench", "train", "x", "corpus.sources='[{path: /home/al/s2orc}]'")
    write_provenance(folder, replace(made.provenance, command=command))
    published = checkpoint_content(checkpoints.read(folder), HUB_BASE, "me/x")["provenance.json"]
    assert isinstance(published, bytes)
    assert json.loads(published)["command"][3] == "corpus.sources='[{path: s2orc}]'"


@pytest.mark.parametrize(
    ("named", "base"),
    [
        (None, HubBase(BASE, COMMIT, True)),
        (BASE, HubBase(BASE, COMMIT, True)),
        (f"{BASE}@{COMMIT}", HubBase(BASE, COMMIT, True)),
        (f"{BASE}@v2", HubBase(BASE, "v2", False)),
        ("other/model", HubBase("other/model", "main", False)),
        ("gpt2", HubBase("gpt2", "main", False)),
    ],
)
def test_base(folder: Path, named: str | None, base: HubBase) -> None:
    assert hub_base(checkpoints.read(folder), named) == base


def test_secrets() -> None:
    check_secrets({"a.json": b"hf_transfer and hf_hub_download", "b.png": b"hf_" + b"x" * 40}, "t0")
    with pytest.raises(PublishError, match=r"a\.json: a token"):
        check_secrets({"a.json": b"key: hf_" + b"x" * 34}, None)
    with pytest.raises(PublishError, match=r"README\.md: a token") as caught:
        check_secrets({"README.md": b"its another-kind-of-token"}, "another-kind-of-token")
    assert "another-kind-of-token" not in str(caught.value)


def test_no_token_in_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "odd token")
    told = plain("Bearer abc and hf_abcdefghijkl and odd token\nsecond line")
    assert told == "<token> and <token> and <token>"


@pytest.mark.parametrize("skip", [(), ("stop",), ("alive",)])
def test_a_gate_stops_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, skip: tuple[str, ...]
) -> None:
    def found(candidate: Candidate, skip: Any) -> tuple[Finding, ...]:
        told, is_skipped = "never learnt\ntrain again", "stop" in skip
        return Finding("alive", True, "it is"), Finding("stop", False, told, is_skipped=is_skipped)

    monkeypatch.setattr(pushing, "run_gates", found)
    candidate = Candidate(checkpoints.read(folder))
    with pytest.raises(PublishError) as caught:
        push(Order(candidate=candidate, place=Place(repo="me/x"), skip=skip))
    if "stop" in skip:  # the Hub is asked, which tests never reach
        assert "HF_HUB_OFFLINE is set" in str(caught.value)
    else:
        assert "stop: never learnt\n  stop: train again\n--skip stop" in str(caught.value)
