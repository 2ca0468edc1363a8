"""`medbench board` over 1,000 result files with a million answers: seconds and memory.

The tree is made in a temporary folder, in lm-eval's own form: each result file is the one under
`leaderboard/measured` with another model and other scores (45 KB, configurations and all), each
samples file holds questions with options, rendered prompts, log-probabilities and hashes as
`medbench eval` logs them (about 6 KB a question; their words say nothing). Every command is a
process of its own, in turn with `json.load` of all result files, which is the floor; processor
seconds and peak memory are the process's own, as the system counted them. The ratio is that of the
tables: seconds allowed / processor seconds taken, medians.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from medbench import paths

ALLOWED = {"tables": 5.0, "ties": 20.0, "output": 20.0}
"""Seconds that a command may take, of a million answers."""
FLOOR = """
import json, sys
from pathlib import Path
for path in Path(sys.argv[1]).rglob("results_*.json"):
    with path.open(encoding="utf-8") as file:
        json.load(file)
"""
LETTERS = "ABCD"
WORDS = (
    *("a", "patient", "of", "some", "age", "comes", "with", "pain", "that", "began", "days", "ago"),
    *("and", "has", "not", "gone", "away", "since", "then", "while", "the", "pulse", "is", "slow"),
)
TASKS = [f"mmedbench_{one}" for one in ("english", "chinese", "french", "russian", "spanish")]
TASKS += [f"kormedmcqa-letters_{one}" for one in ("doctor", "nurse", "pharm", "dentist")]
TASKS += ["usmle"]


class Cost(NamedTuple):
    """What one process took."""

    processor: float
    """Seconds, of all its threads, in user and system mode."""
    wall: float
    """Seconds; they count what else the machine does."""
    memory: float
    """Peak, in MiB."""


def main() -> None:
    """Make the tree, time every command in turn, print medians and the ratio."""
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="board-speed-") as folder:
        tree = Path(folder, "runs")
        with ProcessPoolExecutor(1) as other:  # its memory would count as that of the commands
            size = other.submit(write_tree, tree, asked).result()
        print(
            f"{asked.files} result files of {asked.models} models, {asked.tasks} tasks in each, "
            f"{asked.files * asked.items:,} answers: {size / 1e9:.2f} GB",
            flush=True,
        )
        board = [sys.executable, "-m", "medbench", "board", str(tree)]
        output = ["--html", "--output", str(Path(folder, "out"))]
        commands = {
            "json.load": [sys.executable, "-c", FLOOR, str(tree)],
            "tables": board,
            "ties": [*board, "--ties"],
            "output": [*board, *output],
        }
        commands = {name: commands[name] for name in ("json.load", *asked.only.split(","))}
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for number in range(asked.rounds):
            for name, command in commands.items():
                costs[name].append(cost(command))
                print(f"round {number + 1}: {name}: {told(costs[name][-1])}", flush=True)
    middle = {name: Cost(*map(statistics.median, zip(*own, strict=True)))
              for name, own in costs.items()}  # fmt: skip
    for name, own in middle.items():
        allowed = f", {ALLOWED[name]:g} s allowed" if name in ALLOWED else " (the floor)"
        print(f"{name}: {told(own)}{allowed}")
    name = "tables" if "tables" in middle else next(one for one in middle if one in ALLOWED)
    own = middle[name]
    print(
        f"ratio {ALLOWED[name] / own.processor:.2f} ({name}: {ALLOWED[name]:g} s allowed / "
        f"{own.processor:.2f} s of processor time, {own.wall:.2f} s of wall time; reading the "
        f"result files alone {middle['json.load'].processor:.2f} s)"
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000, help="result files")
    parser.add_argument("--models", type=int, default=100, help="that share them")
    parser.add_argument("--tasks", type=int, default=1, help="in each file")
    parser.add_argument("--items", type=int, default=1000, help="answers beside each file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="tables,ties,output", help="default: %(default)s")
    asked = parser.parse_args()
    if asked.files % asked.models or asked.files // asked.models * asked.tasks > len(TASKS):
        parser.error(f"every model has as many files, and {len(TASKS)} tasks at most")
    return asked


def cost(command: list[str]) -> Cost:
    """Run a command to its end, output thrown away."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command} failed"
    wall = time.perf_counter() - start
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def told(own: Cost) -> str:
    """Return a cost in words."""
    return f"{own.processor:.2f} s processor, {own.wall:.2f} s wall, {own.memory:.0f} MiB"


def write_tree(tree: Path, asked: argparse.Namespace) -> int:
    """Write all runs; return the bytes."""
    random.seed(0)
    (measured,) = (paths.folder("leaderboard") / "measured").glob("*/results_*.json")
    document = json.loads(measured.read_text(encoding="utf-8"))
    each = asked.items // asked.tasks
    questions = {task: list(rows(task, each)) for task in TASKS}
    of_a_model = asked.files // asked.models
    size = 0
    for number in range(asked.files):
        model, part = divmod(number, of_a_model)
        tasks = TASKS[part * asked.tasks : (part + 1) * asked.tasks]
        folder = tree / f"model-{model:04}"
        folder.mkdir(parents=True, exist_ok=True)
        stamp = f"2026-01-02T03-04-{part:02}.{model:06}"
        shares = {}
        for task in tasks:
            text, shares[task] = answered(questions[task], 0.25 + 0.5 * model / asked.models)
            (folder / f"samples_{task}_{stamp}.jsonl").write_text(text, encoding="utf-8")
            size += len(text)
        text = json.dumps(result(document, f"org/model-{model:04}", shares, each), indent=2)
        (folder / f"results_{stamp}.json").write_text(text, encoding="utf-8")
        size += len(text)
    return size


def result(
    document: dict[str, Any], model: str, shares: dict[str, float], n: int
) -> dict[str, Any]:
    """Return the real file with another model and other scores."""
    scores = {task: {"name": task, "alias": task, "sample_len": n, "acc,none": share,
                     "acc_stderr,none": (share * (1 - share) / (n - 1)) ** 0.5}
              for task, share in shares.items()}  # fmt: skip
    config = document["config"]
    arguments = {**config["model_args"], "pretrained": model}
    return {
        **document,
        "results": scores,
        "groups": {},
        "group_subtasks": {},
        "n-samples": {task: {"original": n, "effective": n} for task in shares},
        "config": {**config, "model_args": arguments},
        "model_name": model,
    }


def rows(task: str, n: int) -> Iterator[tuple[str, str, str]]:
    """Yield the parts of each question's line that all models share, and its right letter."""
    benchmark, _, subset = task.partition("_")
    for number in range(n):
        text = f"Question {number} of {task}: {' '.join(random.choices(WORDS, k=120))}?"
        options = [f"{' '.join(random.choices(WORDS, k=4))} {letter}" for letter in LETTERS]
        gold = random.choice(LETTERS)
        prompt = "\n".join([text, *map(". ".join, zip(LETTERS, options, strict=True)), "Answer:"])
        doc = {
            "id": f"test-{number:05}",
            "benchmark": benchmark.partition("-")[0],
            "subset": subset or "4_options",
            "language": "en",
            "question": text,
            "context": "",
            "letters": list(LETTERS),
            "options": options,
            "gold": [gold],
            "several": False,
            "rationale": " ".join(random.choices(WORDS, k=60)),
            "rationale_checked": False,
            "few_shot_cot": "",
            "tags": {"meta_info": f"step{number % 3 + 1}"},
            "protocol": "letters",
            "prompt": prompt,
            "choices": list(LETTERS),
            "target": gold,
            "answer": f" {gold}",
            "prompt_tokens": None,
        }
        asked = {f"gen_args_{place}": {"arg_0": prompt, "arg_1": f" {letter}"}
                 for place, letter in enumerate(LETTERS)}  # fmt: skip
        digest = hashlib.sha256(text.encode()).hexdigest()
        head = json.dumps({"doc_id": number, "doc": doc, "target": LETTERS.index(gold),
                           "arguments": asked}, ensure_ascii=False)  # fmt: skip
        tail = json.dumps({"filter": "none", "metrics": ["acc"], "doc_hash": digest,
                           "prompt_hash": digest, "target_hash": digest})  # fmt: skip
        yield head[:-1], tail[1:-1], gold


def answered(questions: list[tuple[str, str, str]], strength: float) -> tuple[str, float]:
    """Return the samples of one model, and the share that it got right."""
    lines, right = [], 0
    for head, tail, gold in questions:
        is_right = random.random() < strength
        others = [letter for letter in LETTERS if letter != gold]
        said = gold if is_right else random.choice(others)
        values = [-random.random() - 3 * (letter != said) for letter in LETTERS]
        outputs = json.dumps([[str(value), "False"] for value in values])
        resps = json.dumps([[[str(value), "False"]] for value in values])
        lines.append(f'{head}, "resps": {resps}, "filtered_resps": {outputs}, {tail}, '
                     f'"acc": {float(is_right)}}}\n')  # fmt: skip
        right += is_right
    return "".join(lines), right / len(lines)


if __name__ == "__main__":
    main()
