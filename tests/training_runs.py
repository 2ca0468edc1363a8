"""A small training, as the tests of training run it: the packaged rows, a tiny random model."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from medbench.checkpoint import ADAPTER, PROVENANCE, STATE
from medbench.recipe import Recipe, load
from medbench.training.examples import IGNORED, build_examples
from medbench.training.model import load_model
from medbench.training.ready import prepare
from medbench.training.run import train

RECIPE = """
model: {{id: {model}, layer_class: LlamaDecoderLayer, architecture: LlamaForCausalLM}}
data:
  mixture:
    - {{benchmark: mmedbench, subsets: [english], protocol: letters}}
    - {{benchmark: pubmedqa, protocol: letters}}
  validation:
    - {{benchmark: kormedmcqa, subsets: [doctor], split: dev, protocol: direct}}
  sequence_length: 1024
training:
  global_batch: 8
  per_device_batch: 4
  max_steps: 8
  learning_rate: 3e-3
  schedule: linear
  precision: float32
tracking: {{log_every: 1, save_every: 4, validate_every: 4}}
"""
ROOT = Path(__file__).parents[1]
ROUNDING = 1e-4
"""Of a loss: sums in another order move the eighth by up to 5e-5, the first by 1e-8."""
TWO = ["launch.devices=2", "training.per_device_batch=2"]
LORA = "method={name: lora, rank: 8, alpha: 16, dropout: 0.1, target_modules: all-linear}"


def write_recipe(model: Path, folder: Path) -> Path:
    """Write the recipe of a training that takes two seconds."""
    file = folder / "small.yaml"
    file.write_text(RECIPE.format(model=model), encoding="utf-8")
    return file


def run(
    recipe: Path, checkpoint: Path, overrides: Sequence[str] = (), *, resume: bool = False
) -> list[dict[str, float]]:
    """Train in this process; return the log."""
    train(prepare(load(recipe, overrides)), checkpoint, resume=resume)
    return log(checkpoint)


def log(checkpoint: Path) -> list[dict[str, float]]:
    """Return the training log in a checkpoint."""
    found: list[dict[str, float]] = json.loads((checkpoint / STATE).read_text())["log_history"]
    return found


def losses(log: list[dict[str, float]], name: str = "loss") -> list[float]:
    """Return one quantity of a log."""
    return [line[name] for line in log if name in line]


def provenance(checkpoint: Path) -> dict[str, Any]:
    """Return what a checkpoint says of itself."""
    found: dict[str, Any] = json.loads((checkpoint / PROVENANCE).read_text())
    return found


def reload(checkpoint: Path, recipe: Recipe) -> Any:
    """Load a checkpoint as any program would: transformers for a model, PEFT for an adapter."""
    from transformers import AutoModelForCausalLM

    if not (checkpoint / ADAPTER).is_file():
        return AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    from peft import PeftModel

    return PeftModel.from_pretrained(load_model(recipe, "sdpa"), checkpoint).eval()


def held_out_loss(checkpoint: Path, recipe: Recipe) -> float:
    """Measure a checkpoint's held-out loss with the model's own loss, one text at a time."""
    from transformers import AutoTokenizer

    model = reload(checkpoint, recipe)
    total, count = 0.0, 0
    for one in build_examples(recipe, AutoTokenizer.from_pretrained(checkpoint), "validation"):
        labels = torch.tensor([one.labels])
        learnt = int((labels != IGNORED).sum())
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([one.input_ids]), labels=labels).loss
        total, count = total + float(loss) * learnt, count + learnt
    return total / count


def environment(*, shim: bool = True) -> dict[str, str]:
    """Return what processes need to shard without a GPU, or what they are given elsewhere."""
    path = {"PYTHONPATH": str(ROOT / "tests/cpu_processes")} if shim else {}
    return {**os.environ, **path, "DS_ACCELERATOR": "cpu"}


def medbench(*arguments: str, shim: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run `medbench` with processes that are able to shard, or as accelerate is."""
    return subprocess.run(
        [sys.executable, "-m", "medbench", *arguments],
        capture_output=True,
        text=True,
        env=environment(shim=shim),
        cwd=ROOT,
    )


def compare(recipe: Path, folder: Path, settings: list[str], share: float) -> None:
    """Train with two processes and with one; look at losses, shares and the checkpoint."""
    done = medbench("train", str(recipe), *settings, *TWO, "--output", str(folder / "two"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    alone = [one for one in settings if not one.startswith("launch.")]
    single = run(recipe, folder / "one", alone)
    both = log(folder / "two")
    assert losses(both) == pytest.approx(losses(single), rel=ROUNDING)
    assert losses(both, "eval_loss") == pytest.approx(losses(single, "eval_loss"), rel=ROUNDING)
    found = provenance(folder / "two")
    assert found["launch"]["processes"] == 2
    assert found["launch"]["local_parameters"] == pytest.approx(
        found["launch"]["parameters"] * share, rel=0.05
    )
    assert found["tokens"] == provenance(folder / "one")["tokens"]
    assert losses(both, "eval_loss")[-1] == pytest.approx(
        held_out_loss(folder / "two", load(recipe, alone)), rel=ROUNDING
    )


def stop_and_resume(recipe: Path, folder: Path, settings: list[str]) -> None:
    """End two processes within an epoch, as a time limit does; go on; compare with one."""
    words = ["train", str(recipe), *settings, *TWO, "tracking.save_every=4"]
    words += ["--output", str(folder / "cut")]
    with subprocess.Popen(
        [sys.executable, "-m", "medbench", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment(),
        cwd=ROOT,
    ) as process:
        assert process.stderr
        for line in process.stderr:
            if line.startswith("5/8 "):
                process.terminate()
    assert not (folder / "cut").exists() and (folder / "cut.unfinished").exists()
    done = medbench(*words, "--resume")
    assert done.returncode == 0, done.stderr
    alone = [one for one in settings if not one.startswith("launch.")]
    whole = run(recipe, folder / "one", [*alone, "tracking.save_every=4"])
    assert losses(log(folder / "cut")) == pytest.approx(losses(whole), rel=ROUNDING)
