"""Start-up: `medbench eval` on a few packaged questions against loading the model alone.

Each runs in a fresh process, in turn. What `medbench eval` takes longer is its start-up and the
little work that it does: a task's rows, its checks, one question, the result files. Where a start's
imports go is shown by package.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

LOAD = """
import sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="auto")
AutoTokenizer.from_pretrained(sys.argv[1])
"""
OWN_TIME = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\w+)", re.MULTILINE)
MODEL = "from medbench.engine.smollm2 import smollm2; print(smollm2())"


def main() -> None:
    """Time both in turn; print the difference of medians and the ratio."""
    asked = arguments()
    model = asked.model or run([sys.executable, "-c", MODEL]).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--tasks", asked.tasks, "--limit", str(asked.limit), "--output", folder]
        evaluation = ["-m", "medbench", "eval", model, *flags]
        run([sys.executable, *evaluation])  # writes byte code, fills the file cache
        ours, alone = [], []
        for number in range(asked.rounds):
            ours.append(seconds([sys.executable, *evaluation]))
            alone.append(seconds([sys.executable, "-c", LOAD, model]))
            print(
                f"round {number + 1}: medbench eval {ours[-1]:.2f} s, loading {alone[-1]:.2f} s",
                flush=True,
            )
        print_imports(run([sys.executable, "-X", "importtime", *evaluation]).stderr)
    whole, loading = statistics.median(ours), statistics.median(alone)
    print(
        f"ratio {whole / loading:.2f} (medbench eval {whole:.2f} s / loading {loading:.2f} s, "
        f"{whole - loading:.2f} s more, {asked.limit} packaged questions of {asked.tasks})"
    )


def arguments() -> argparse.Namespace:
    """Read the command line; `compare` would import torch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="usmle")
    parser.add_argument("--limit", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="", help="default: `medbench path smollm2`")
    return parser.parse_args()


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run with the packaged questions and no network.

    Raises:
        SystemExit: the command failed.
    """
    environment = {**os.environ, "MEDBENCH_DATA": "sample", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done


def seconds(command: list[str]) -> float:
    """Return the seconds that a process takes from start to end."""
    start = time.perf_counter()
    run(command)
    return time.perf_counter() - start


def print_imports(log: str) -> None:
    """Sum all modules' own time by package, from `python -X importtime`; print the top ten."""
    spent: dict[str, float] = {}
    for microseconds, package in OWN_TIME.findall(log):
        spent[package] = spent.get(package, 0.0) + int(microseconds) * 1e-6
    top = sorted(spent.items(), key=lambda one: -one[1])[:10]
    print(f"imports (slower under -X importtime): {sum(spent.values()):.2f} s, most of it in")
    print(", ".join(f"{name} {own:.2f} s" for name, own in top))


if __name__ == "__main__":
    main()
