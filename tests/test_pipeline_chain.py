"""Recipes that start from another's checkpoint: `medbench run` makes, merges and goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from medbench import checkpoint
from tests.test_pipeline import run, state, wide, write_recipes

__all__ = ["wide"]

COMMON = """
model: {{id: {base}}}
data:
  mixture: [{{benchmark: usmle, subsets: [4_options], limit: 4}}]
  sequence_length: 1024
training: {{max_steps: 2, global_batch: 1, precision: float32, learning_rate: 0.01}}
tracking: {{save_every: 1, log_every: 1}}
evaluation: {{tasks: [usmle], limit: 2, chat_template: off}}
"""
MIXTURE = """include: _common.yaml
method:
  {name: molora, rank: 2, alpha: 4, target_modules: [q_proj], expert_modules: [up_proj],
   experts: 4, experts_per_token: 2, shared_experts: 2}
"""
PAIRS = """include: _common.yaml
model: {start: {recipe: stage1, merge: attention}}
method:
  {name: orthogonal_lora, rank: 2, alpha: 4, expert_modules: [up_proj], shared_experts: 2,
   experts_from: stage1}
"""
RECIPES = {"stage1": MIXTURE, "stage2": PAIRS}


@pytest.fixture(scope="module")
def recipes(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MedCare's two stages."""
    folder = tmp_path_factory.mktemp("zoo") / "recipes"
    write_recipes(folder, tiny_model, RECIPES)
    (folder / "_common.yaml").write_text(COMMON.format(base=tiny_model))
    return folder


def start(recipe: Path, output: Path) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "medbench", "run", str(recipe), "--output", str(output)]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


@pytest.fixture(scope="module")
def first(recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The last stage, asked for by itself and killed while it trains, then asked for again."""
    output = tmp_path_factory.mktemp("runs") / "out"
    process = start(recipes / "stage2.yaml", output)
    while process.poll() is None and not (output / "stage2.unfinished" / "recipe.yaml").exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    said = ["".join(process.communicate())]
    process = start(recipes / "stage2.yaml", output)
    said.append("".join(process.communicate(timeout=900)))
    assert process.returncode == 0, said
    return output, said


@pytest.fixture
def finished(first: tuple[Path, list[str]], tmp_path: Path) -> Path:
    """A copy of what they left."""
    return shutil.copytree(first[0], tmp_path / "out")


def test_a_killed_chain_goes_on(first: tuple[Path, list[str]]) -> None:
    output, said = first
    assert "stage1 is made too: stage2 starts from it" in said[0]
    begun = [re.findall(r"^── (\w+) · (.*?) · (.*)", one, re.MULTILINE) for one in said]
    new = [("stage1", "train"), ("stage1", "merge attention"), ("stage2", "train")]
    assert begun[0] == [(*one, "new") for one in new]
    assert begun[1] == [
        ("stage2", "train", "goes on where it was stopped"),
        ("stage2", "eval none", "usmle"),
    ]
    assert (output / "stage1-attention" / "model.safetensors").is_file()
    assert not (output / "stage1" / "results").exists()
    assert not [path for path in output.iterdir() if "unfinished" in path.name]
    assert set(state(output, "stage1")) == {"train", "merge attention"}
    assert set(state(output, "stage1")["merge attention"]["inputs"]) == {
        "part",
        "checkpoint",
        "base",
    }
    assert {"start", "experts"} <= set(state(output, "stage2")["train"]["inputs"])


def test_the_second_stage_is_trained_on_the_merged_weights(
    first: tuple[Path, list[str]], tiny_model: Path
) -> None:
    merged, last = first[0] / "stage1-attention", first[0] / "stage2"
    config = json.loads((last / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(merged)
    base, then = (load_file(folder / "model.safetensors") for folder in (tiny_model, merged))
    changed = {name.split(".")[-2] for name in base if not torch.equal(base[name], then[name])}
    assert changed == {"q_proj"}
    made = checkpoint.read(last).provenance
    assert made.base.id == str(merged)
    assert made.chain == (
        str(tiny_model),
        "stage1 (molora), attention merged",
        "stage2 (orthogonal_lora)",
    )
    assert [one.benchmark for one in made.learnt_from] == ["usmle", "usmle"]


def plan(capsys: Any, recipe: Path, output: Path, *words: str) -> dict[str, str]:
    """Return the state of each step of a dry run."""
    assert run(recipe, "--output", output, "--dry-run", *words) == 0
    found, name = {}, ""
    for line in capsys.readouterr().out.splitlines():
        if step := re.match(r"(stage\d)? +(train|merge \w+|eval \w+)  +(\S.*?)(  |$)", line):
            name = step[1] or name
            found[f"{name} {step[2]}"] = step[3].strip()
    return found


FASTER = "training.learning_rate 0.01 → 0.02"
STEPS = ("stage1 train", "stage1 merge attention", "stage2 train", "stage2 eval none")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("nothing", ("done", "done", "done", "done")),
        ("stage 1", (FASTER, "after the training", "after stage1", "after the training")),
        ("merged", ("done", "done", "start changed", "after the training")),
        ("adapter", ("done", "checkpoint changed", "experts changed", "after the training")),
        ("no merge", ("done", "new", "after stage1", "after the training")),
        ("seed", ("done", "done", "training.seed 42 → 7", "after the training")),
    ],
)
def test_a_dry_run_shows_the_whole_chain(
    recipes: Path,
    finished: Path,
    tmp_path: Path,
    capsys: Any,
    change: str,
    expected: tuple[str, ...],
) -> None:
    folder = shutil.copytree(recipes, tmp_path / "recipes")
    if change == "stage 1":
        text = MIXTURE + "training: {learning_rate: 0.02}\n"
        (folder / "stage1.yaml").write_text(text)
    if change == "merged":
        (finished / "stage1-attention" / "generation_config.json").write_text("{}")
    if change == "adapter":
        (finished / "stage1" / "adapter_config.json").write_text("{}")
    if change == "no merge":
        shutil.rmtree(finished / "stage1-attention")
    words = ["training.seed=7"] if change == "seed" else []
    before = sorted(finished.rglob("*"))
    found = plan(capsys, folder / "stage2.yaml", finished, *words)
    assert tuple(found[step] for step in STEPS) == expected
    assert sorted(finished.rglob("*")) == before


def test_a_killed_merge_is_done_again_and_nothing_else(
    recipes: Path, finished: Path, capfd: Any
) -> None:
    file = finished / "stage1.run.json"
    content = json.loads(file.read_text())
    content["steps"]["merge attention"]["finished"] = ""
    file.write_text(json.dumps(content))
    half = finished / ".stage1-attention.unfinished" / ".merged-x"
    half.mkdir(parents=True)
    assert run(recipes / "stage2.yaml", "--output", finished) == 0
    out = capfd.readouterr().out
    assert re.findall(r"^── (.*)", out, re.MULTILINE) == ["stage1 · merge attention · new"]
    assert out.count("unchanged") == 3
    assert not half.parent.exists()
    assert (finished / "stage1-attention" / "model.safetensors").is_file()


def test_train_alone_names_the_command(recipes: Path, tmp_path: Path, capfd: Any) -> None:
    from medbench.cli import main

    recipe, output = recipes / "stage2.yaml", tmp_path / "out"
    for words, message in [
        ([], "stage2 starts from what stage1 leaves: `medbench run` makes both"),
        ([f"model.start.folder={tmp_path}"], f"{tmp_path} holds no whole model"),
    ]:
        with pytest.raises(SystemExit):
            main(["train", str(recipe), *words, "--output", str(output)])
        assert message in capfd.readouterr().err
    main(["train", str(recipe), "--dry-run"])
    assert "tokens in all" in capfd.readouterr().out
