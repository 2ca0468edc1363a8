"""Runs with samples and records beside them, and the page made of them, for tests of the page."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medbench.report.board import board
from tests.compared_runs import STAMP, question, sample

HOSTILE = """<script>alert('name')<img src=x onerror=alert(1)> "quoted" & 'quoted' `${1}`"""
TASKS: dict[str, tuple[str, str]] = {
    "mmedbench_chinese": ("zh", "缺乏哪种维生素？"),
    "kormedmcqa-cot_doctor": ("ko", "부족한 비타민은 무엇인가?"),
    "usmle": ("en", "Which vitamin is missing? </script><script>alert('prompt')</script><!--"),
}


def samples(task: str, n: int, right: int) -> list[dict[str, Any]]:
    """Return what lm-eval logs of n questions, the first of them answered right."""
    language, text = TASKS[task]
    is_written = "cot" in task
    found = []
    for number in range(n):
        asked = question(number, language=language, text=f"{text} ({number})")
        gold = asked.gold_letters[0]
        said = gold if number < right else "B" if gold == "A" else "A"
        logged = sample(number, asked, said, is_written)
        logged["doc"]["answer"] = gold
        prompt = f"{asked.text}\n" + "\n".join(f"{a}. {b}" for a, b in asked.options.items())
        found.append(logged | {"arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": gold}}})
    return found


def write_model(
    folder: Path,
    name: str,
    right: Mapping[str, int],
    rates: Mapping[str, float] | None = None,
    parameters: int | None = None,
    arguments: Mapping[str, Any] | None = None,
    n: int = 50,
) -> Path:
    """Write results, samples and record of one model, and return the results file.

    Args:
        folder: Where to.
        name: The model's.
        right: By task, how many of its n questions were answered right.
        rates: Shares of unparsed and truncated outputs of written answers.
        parameters: Its size.
        arguments: More of lm-eval's model arguments.
        n: Questions of each task.
    """
    folder.mkdir(parents=True)
    results: dict[str, Any] = {}
    for task, k in right.items():
        filter = "extract" if "cot" in task else "none"
        text = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in samples(task, n, k))
        (folder / f"samples_{task}_{STAMP}.jsonl").write_text(text, encoding="utf-8")
        marks = rates if filter == "extract" and rates else {}
        shares = {f"{mark},{filter}": share for mark, share in marks.items()}
        results[task] = {"sample_len": n, f"acc,{filter}": k / n, **shares}
    config = {"model": "hf", "model_args": {"pretrained": name, **(arguments or {})}}
    content = {
        "results": results,
        "versions": dict.fromkeys(right, 1),
        "n-shot": dict.fromkeys(right, 0),
        "config": {**config, "model_num_parameters": parameters, "model_sha": "abc123"},
        "task_hashes": {task: f"hash of {task}" for task in right},
        "date": 1.7e9,
    }
    facts = {
        "command": ["medbench", "eval", name, "--tasks", ",".join(right)],
        "backend": "hf",
        "packages": {"medbench": "0.1.0"},
        "tasks": {task: {"rows": n, "known_rows": n, "source": "hub", "sha256": "e" * 64}
                  for task in right},
    }  # fmt: skip
    (folder / f"medbench_{STAMP}.json").write_text(json.dumps(facts), encoding="utf-8")
    path = folder / f"results_{STAMP}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_board(folder: Path) -> Path:
    """Write a board of three models, one of them with a name that would like to be markup."""
    strong = {"mmedbench_chinese": 45, "kormedmcqa-cot_doctor": 44, "usmle": 46}
    write_model(folder / "a", "org/strong", strong, parameters=7_000_000_000)
    alike = {"mmedbench_chinese": 44, "kormedmcqa-cot_doctor": 10, "usmle": 45}
    rates = {"unparsed": 0.02, "truncated": 0.3}
    adapter = {"peft": "org/an-adapter"}
    write_model(folder / "b", "org/alike", alike, rates, 500_000_000, adapter)
    write_model(folder / "c", HOSTILE, {"mmedbench_chinese": 12, "usmle": 10})
    return folder


def write_page(runs: Path, output: Path) -> Path:
    """Write the page of some runs, and return it."""
    return next(path for path in board([runs], output, ["md"], html=True) if path.suffix == ".html")


def data_of(page: str) -> Any:
    """Return the data that a page holds, as a browser finds it: up to the next end of a script."""
    held = re.search(r'<script type="application/json"[^>]*>(.*?)</script', page, re.DOTALL)
    assert held
    return json.loads(held[1])


def write_large_board(folder: Path, models: int, columns: Sequence[str]) -> Path:
    """Write results alone, of many models on tasks of lm-eval's own."""
    folder.mkdir(parents=True)
    for model in range(models):
        scores = {task: {"sample_len": 500, "acc,none": ((model * 37 + place * 11) % 500) / 500}
                  for place, task in enumerate(columns)}  # fmt: skip
        content = {
            "results": scores,
            "config": {"model_args": {"pretrained": f"org/model-{model}"}},
            "date": 1.7e9,
        }
        (folder / f"results_{model}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
