"""Code that comes with a model runs where it is asked for, and nowhere else."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from peft import LoraConfig
from transformers import AutoModelForCausalLM

from medbench.checkpoint import RECIPE
from medbench.publish.card.again import score_commands
from medbench.publish.card.snippets import load_in_python, load_in_vllm
from medbench.publish.gates import run_gates
from medbench.recipe import load
from medbench.training.merge import merge
from tests import gate_cases
from tests.adapted_models import LORA, save_adapter
from tests.command_line import medbench
from tests.custom_code import with_own_code
from tests.publications import make_checkpoint
from tests.test_publish_card import subject

OTHERS = ["--skip", "licence", "results", "overlap"]
FLAG = "--trust-remote-code"


def trusting(folder: Path) -> None:
    """Let a checkpoint's own recipe ask for its code to be run."""
    recipe = folder / RECIPE
    content = yaml.safe_load(recipe.read_text("utf-8"))
    content["model"]["trust_remote_code"] = True
    recipe.write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What the code leaves."""
    return tmp_path / "it_ran"


@pytest.fixture
def whole(tiny_model: Path, tmp_path: Path, mark: Path) -> Path:
    """A checkpoint with code of its own, whose recipe says that it may run."""
    folder = with_own_code(tiny_model, tmp_path / "whole", mark)
    gate_cases.describe(folder, tiny_model, method="full")
    trusting(folder)
    return folder


@pytest.mark.parametrize("command", ["certify", "push"])
def test_a_recipe_gives_no_consent(whole: Path, mark: Path, capsys: Any, command: str) -> None:
    target = ["me/x", "--dry-run", "--base-model", "org/base"] if command == "push" else []
    code, out, err = medbench(capsys, command, str(whole), *target, *OTHERS)
    assert code == 1 and not mark.exists()
    told = " ".join((out + err).split())
    assert "FAILED tensors" in told and "FAILED equivalent" in told
    assert "the model needs code that comes with it" in told and f"{FLAG} runs it" in told


def test_asked_for_it_runs(whole: Path, mark: Path, capsys: Any) -> None:
    heavy = ["stop", "alive", "equivalent"]
    code, _, err = medbench(capsys, "certify", str(whole), FLAG, *OTHERS, *heavy)
    assert code == 0, err
    assert mark.exists()


def test_a_merge_into_a_base_with_code(tiny_model: Path, tmp_path: Path, mark: Path) -> None:
    adapter = save_adapter(tmp_path / "lora", tiny_model, LoraConfig(**LORA))
    base = with_own_code(tiny_model, tmp_path / "base", mark)
    config = adapter / "adapter_config.json"
    config.write_text(config.read_text("utf-8").replace(str(tiny_model), str(base)))
    merged = merge(adapter, trust_remote_code=True).path
    model: Any = AutoModelForCausalLM.from_pretrained(merged, trust_remote_code=True)
    assert type(model).__name__ == "OwnForCausalLM"
    shutil.rmtree(merged)


def test_the_card_says_so(tiny_model: Path, tmp_path: Path) -> None:
    folder = make_checkpoint(tiny_model, tmp_path / "lora", "0123456789" * 4)
    for name, has_code in (
        ("kormedmcqa/exaone-3.5-2.4b/lora", True),
        ("smollm2-135m/pubmedqa/lora", False),
    ):
        made = subject(folder, recipe=load(name))
        for program in (load_in_python(made), load_in_vllm(made)):
            compile(program, "card", "exec")
            assert max(map(len, program.splitlines())) <= 100
            assert ("trust_remote_code=True" in program) == has_code
            assert ('"role": "system", "content": system' in program) == bool(
                made.recipe.data.system
            )
        for line in score_commands(made).replace("\\\n", "").splitlines():
            assert (("trust_remote_code=True" in line) or (FLAG in line)) == has_code


def test_what_breaks_in_one_gate_is_told_beside_the_others(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("medbench.publish.gates.alive.check", breaks)
    made = gate_cases.adapter(tmp_path / "lora", tiny_model)
    found = {one.gate: one for one in run_gates(made, ("stop", "equivalent"))}
    assert found["alive"].report == "could not be looked at: out of memory"
    assert found["alive"].stops and found["tensors"].passed
