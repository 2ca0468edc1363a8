"""`medbench run` with real processes: done once, done again where something changed, resumed."""

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

from medbench.cli import main

COMMON = """
model: {{id: {base}}}
evaluation: {{tasks: [usmle, kormedmcqa-letters_doctor], limit: 2, chat_template: off}}
"""
BASELINE = "include: _common.yaml\nkind: baseline\n"
LORA = """include: _common.yaml
data:
  mixture: [{benchmark: usmle, subsets: [4_options], limit: 4}]
  sequence_length: 1024
method: {name: lora, rank: 2, alpha: 4, target_modules: [q_proj]}
training: {max_steps: 3, global_batch: 1, precision: float32, learning_rate: 0.01}
tracking: {save_every: 1, log_every: 1}
"""
TOO_LONG = LORA.replace("1024", "4")
UNKNOWN = BASELINE + "colour: blue\n"
STEPS = ("train", "eval none")


def write_recipes(folder: Path, model: Path, recipes: dict[str, str]) -> Path:
    folder.mkdir()
    (folder / "_common.yaml").write_text(COMMON.format(base=model))
    for name, text in recipes.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def run(*words: object) -> int:
    """Run the command line in this process; its steps are processes of their own."""
    try:
        main(["run", *map(str, words)])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def recipes(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes that work, one that cannot be read, one that fails."""
    folder = tmp_path_factory.mktemp("zoo") / "recipes"
    texts = {"a_broken": UNKNOWN, "b_too_long": TOO_LONG, "base": BASELINE, "lora": LORA}
    return write_recipes(folder, tiny_model, texts)


@pytest.fixture(scope="module")
def first(recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """All of them run; the output folder and what was said."""
    output = tmp_path_factory.mktemp("runs") / "out"
    words = [sys.executable, "-m", "medbench", "run", recipes, "--output", output]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=900)
    assert done.returncode == 1, done.stderr
    return output, done.stdout + done.stderr


@pytest.fixture
def finished(first: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of what they left."""
    return shutil.copytree(first[0], tmp_path / "out")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a row of a table stay on its line."""
    monkeypatch.setenv("COLUMNS", "220")


def test_one_failure_does_not_stop_the_others(first: tuple[Path, str]) -> None:
    output, said = first
    assert "medbench: 2 failed:" in said
    assert "a_broken: " in said
    assert "colour: no such key" in said
    assert "b_too_long, train: " in said
    assert "Traceback" not in said
    assert (output / "lora" / "adapter_model.safetensors").is_file()
    for name in ("base", "lora"):
        assert len(list((output / name / "results" / "none").rglob("results_*.json"))) == 1
    drawn = {"board.html", "board.md", "board.svg", "board.png"}
    assert drawn | {"lora.run.json"} <= set(os.listdir(output))
    board = (output / "board.md").read_text(encoding="utf-8")
    assert "| tiny " in board
    assert re.search(r"\| tiny \+ \S+/lora ", board)
    assert not (output / "b_too_long").exists()


def state(output: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / f"{name}.run.json").read_text())["steps"]
    return content


def test_the_record_says_what_each_step_depends_on(first: tuple[Path, str]) -> None:
    steps = state(first[0], "lora")
    assert set(steps) == {"train", "eval none usmle", "eval none kormedmcqa-letters_doctor"}
    train, usmle = steps["train"]["inputs"], steps["eval none usmle"]["inputs"]
    assert train["training.learning_rate"] == "0.01"
    assert {"base", "rows usmle/4_options train"} <= set(train)
    assert not any(name.startswith(("launch", "tracking", "evaluation")) for name in train)
    assert {"checkpoint", "base", "task usmle", "extractor", "limit"} <= set(usmle)
    assert "rows usmle/4_options test" in usmle
    assert "rows kormedmcqa/doctor test" not in usmle
    assert not any("few_shot" in name for name in usmle)


def test_nothing_is_done_twice(recipes: Path, finished: Path, capfd: Any) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "lora").rglob("*.json")}
    assert run(recipes / "lora.yaml", recipes / "base.yaml", "--output", finished) == 0
    out = capfd.readouterr().out
    assert out.count("unchanged") == 3
    assert "── lora" not in out
    after = {path: path.stat().st_mtime_ns for path in (finished / "lora").rglob("*.json")}
    assert after == before


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["training.learning_rate=0.5"], ("training.learning_rate 0.01 → 0.5", "after the")),
        (["data.sequence_length=900", "evaluation.limit=1"], ("data.sequence_length", "after")),
        (["evaluation.limit=1"], ("done", "limit 2 → 1")),
        (["evaluation.num_fewshot=1"], ("done", "num_fewshot None → 1")),
        (["tracking.log_every=2", "source=me"], ("done", "done")),
    ],
)
def test_a_dry_run_tells_what_changed(
    recipes: Path, finished: Path, capsys: Any, settings: list[str], expected: tuple[str, str]
) -> None:
    before = sorted(finished.rglob("*"))
    assert run(recipes / "lora.yaml", "--output", finished, "--dry-run", *settings) == 0
    out = " ".join(capsys.readouterr().out.split())
    for step, words in zip(STEPS, expected, strict=True):
        assert words in out.partition(f"{step} ")[2], step
    assert sorted(finished.rglob("*")) == before


def test_only_the_task_whose_rows_changed_is_evaluated_again(
    recipes: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    from medbench.paths import sample

    bundle = shutil.copytree(sample(), tmp_path / "bundle")
    (rows,) = (bundle / "sean0042/KorMedMCQA/doctor").glob("test.jsonl")
    lines = rows.read_text(encoding="utf-8").splitlines()
    changed = json.loads(lines[0])
    changed["question"] += " ?"
    rows.write_text("\n".join([json.dumps(changed), *lines[1:]]), encoding="utf-8")
    monkeypatch.setenv("MEDBENCH_DATA", str(bundle))
    assert run(recipes / "base.yaml", "--output", finished) == 0
    out = capfd.readouterr().out
    assert "── base · eval none · kormedmcqa-letters_doctor\n" in out
    assert "rows kormedmcqa/doctor test changed" in " ".join(out.split())
    assert len(list((finished / "base").rglob("results_*.json"))) == 2


def test_a_changed_recipe_is_trained_anew_and_the_old_one_kept(
    recipes: Path, finished: Path, capfd: Any
) -> None:
    assert run(recipes / "lora.yaml", "training.seed=7", "--output", finished) == 0
    out = capfd.readouterr().out
    assert "training.seed 42 → 7" in " ".join(out.split())
    (old,) = finished.glob(".lora.before-*")
    assert (old / "adapter_model.safetensors").is_file()
    assert len(list(old.rglob("results_*.json"))) == 1
    assert len(list((finished / "lora").rglob("results_*.json"))) == 1
    assert "seed: 7" in (finished / "lora" / "recipe.yaml").read_text()


def test_a_checkpoint_of_medbench_train_is_taken_over(
    recipes: Path, finished: Path, capsys: Any
) -> None:
    (finished / "lora.run.json").unlink()
    assert run(recipes / "lora.yaml", "--output", finished, "--dry-run") == 0
    assert " ".join(capsys.readouterr().out.split()).count("train done") == 1
    assert run(recipes / "lora.yaml", "--output", finished, "--dry-run", "training.seed=1") == 0
    assert "training.seed 42 → 1" in " ".join(capsys.readouterr().out.split())


def start(recipes: Path, output: Path) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "medbench", "run", recipes / "lora.yaml", "--output", output]
    return subprocess.Popen(
        [*map(str, words), "training.max_steps=400"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(folder: Path, pattern: str) -> None:
    for _ in range(1200):
        if list(folder.glob(pattern)):
            return
        time.sleep(0.1)
    raise AssertionError(f"no {pattern} in {folder}")


def test_a_killed_run_goes_on(recipes: Path, tmp_path: Path, capfd: Any) -> None:
    output = tmp_path / "out"
    process = start(recipes, output)
    wait_for(output, "lora.unfinished/checkpoint-*/complete.json")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    states = output.glob("lora.unfinished/checkpoint-*")
    reached = max(int(one.name.rpartition("-")[2]) for one in states)
    for words in (["--dry-run"], []):
        settings = ["training.max_steps=400", "tracking.save_every=200"]
        assert run(recipes / "lora.yaml", "--output", output, *words, *settings) == 0
        assert "goes on where it was stopped" in " ".join(capfd.readouterr().out.split())
    log = json.loads((output / "lora" / "trainer_state.json").read_text())
    assert log["global_step"] == 400
    assert log["log_history"][0]["step"] == 1  # of the run that was killed
    assert reached < 400
    assert not (output / "lora.unfinished").exists()
    assert len(state(output, "lora")) == 3


def test_stopping_ends_the_step_too(recipes: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    process = start(recipes, output)
    wait_for(output, "lora.unfinished")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopped; the same command goes on from here" in said
    assert "Traceback" not in said.rpartition("──")[2].partition("stopped;")[2]


def test_two_runs_do_not_meet(recipes: Path, tmp_path: Path, capfd: Any) -> None:
    from medbench.pipeline.state import locked

    with locked(tmp_path / "out" / ".base.lock"):
        assert run(recipes / "base.yaml", "--output", tmp_path / "out") == 1
    message = capfd.readouterr().err
    assert "base, plan: another run, or a step that it started, is at work here" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "there is no recipe nowhere"),
        (["limit=3"], "name a recipe or a folder of recipes"),
        (["FOLDER", "evaluation.tasks=[usml]"], "unknown task: 'usml' (did you mean usmle"),
        (
            ["FOLDER", "evaluation.tasks=[usmle, usmle-cot]", "evaluation.num_fewshot=2"],
            "usmle-cot takes no examples",
        ),
        (["FOLDER", "quantisation=3"], "quantisation: no such key"),
        (["FOLDER/base.yaml", "training.seed=3"], "training.seed: changes nothing"),
    ],
)
def test_refusals(
    recipes: Path, tmp_path: Path, capfd: Any, words: list[str], message: str
) -> None:
    given = [word.replace("FOLDER", str(recipes)) for word in words]
    assert run(*given, "--output", tmp_path / "out", "--dry-run") == 1
    assert message in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
