"""`medbench train`: plans without network and weights, examples shown, faults as one message."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medbench.checkpoint import read
from medbench.recipe import load, recipes
from medbench.training.command import plan
from tests.command_line import medbench
from tests.training_runs import LORA, write_recipe


@pytest.fixture
def recipe(tiny_model: Path, tmp_path: Path) -> Path:
    """A recipe on the tiny model."""
    return write_recipe(tiny_model, tmp_path)


@pytest.mark.parametrize("file", recipes(), ids=lambda file: "/".join(file.parts[-3:]))
def test_plan_of_every_recipe(file: Path) -> None:
    recipe = load(file)
    if recipe.kind != "baseline":
        lines = dict(line.rsplit("  ", 1) for line in plan(recipe).splitlines())
        found = {name.strip(): value.strip() for name, value in lines.items()}
        assert found["effective batch"] == f"{recipe.training.global_batch:,}"
        assert {"steps", "tokens in all, about", "GiB a device: together"} <= set(found)


def test_dry_run_needs_no_network_and_no_weights() -> None:
    code = """
import socket, sys
def refuse(*_): raise AssertionError("the network was used")
socket.socket.connect = refuse
from medbench.cli import main
main(["train", "mmedbench/mistral-7b/full", "--dry-run"])
assert not {"torch", "transformers"} & set(sys.modules), "heavy imports"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "fsdp, 1 × 4 devices" in done.stdout


def test_launch_is_a_setting(capsys: Any, recipe: Path) -> None:
    code, out, _ = medbench(
        capsys, "train", str(recipe), "launch.devices=2", "--launch", "ddp", "--dry-run"
    )
    assert (code, "ddp, 1 × 2 devices" in out) == (0, True)


def test_examples_are_shown(capsys: Any, recipe: Path) -> None:
    code, out, _ = medbench(capsys, "train", str(recipe), "--show", "2")
    assert code == 0
    assert out.count("learnt") >= 2 and "</s>" in out


def test_train(capsys: Any, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = medbench(capsys, "train", str(recipe), LORA)
    assert (code, out.splitlines()[-1]) == (0, f"checkpoint: {tmp_path / 'runs/small'}")
    assert "8/8 · loss " in err and "Warning" not in err
    found = read(tmp_path / "runs/small")
    assert found.is_adapter and found.provenance.recipe == "small"
    assert sorted(one.name for one in found.path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "loss_curve.png",
        "loss_curve.svg",
        "provenance.json",
        "recipe.yaml",
        "tokenizer.json",
        "tokenizer_config.json",
        "trainer_state.json",
    ]
    assert {oct(one.stat().st_mode & 0o777) for one in found.path.iterdir()} == {"0o644"}
    again = load(found.recipe)
    assert again.name == "small" and again.method.rank == 8
    code, _, err = medbench(capsys, "train", str(recipe), LORA)
    assert (code, err.count("\n")) == (1, 1)
    assert "runs/small is there already; name another, or remove it" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "there is no recipe nowhere"),
        (["{recipe}", "trainin.seed=1"], "trainin: no such key"),
        (["{recipe}", "training.per_device_batch=3"], "8 is no multiple of the 3 examples at once"),
        (["{recipe}", "--launch", "fsdp"], "fsdp over one device is single"),
        (
            ["kormedmcqa/gemma-3-1b/baseline"],
            "is a baseline: there is nothing",
        ),
        (["{recipe}", "model.layer_class=X"], "model.layer_class: the model has no X"),
        (["{recipe}", "--resume"], "--resume: there is no unfinished run in "),
        (["{recipe}", "--output", "/proc/x"], "/proc/x.unfinished cannot be written to"),
    ],
)
def test_fault(
    capsys: Any,
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = medbench(capsys, "train", *(one.format(recipe=recipe) for one in words))
    assert code == 1
    assert err.startswith("medbench: ") and expected in err and "Traceback" not in err
    assert not (tmp_path / "runs/small").exists()
