"""Fine-tuning against the model as it is: `medbench run` on real rows, answers compared in pairs.

Trains and scores every recipe of `adapters/smollm2-135m/BENCHMARK` (what is done is not done
again), then compares each checkpoint's answers with the base's, question by question: the
difference of accuracies with a 95 % interval, and the exact McNemar test
(`medbench.scoring.statistics.paired`).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from medbench import paths
from medbench.engine.smollm2 import smollm2
from medbench.scoring.statistics import wilson
from medbench.scoring.statistics.paired import compare

Answers = Mapping[tuple[str, int], bool]
"""(task, question) → right."""


def main() -> None:
    """Run the recipes, print a table; the last line is the largest gain over the base."""
    asked = arguments()
    place = paths.folder("adapters") / "smollm2-135m" / asked.benchmark
    model = f"model.id={asked.model or smollm2()}"
    command = [sys.executable, "-m", "medbench", "run", str(place), model, *asked.settings]
    subprocess.run([*command, "--output", str(asked.output)], check=True)
    runs = asked.output / "smollm2-135m" / asked.benchmark
    base = answers(runs / "base")
    print("\n| recipe | right | accuracy | gain over base | only now right / only before | p |")
    print("|---|---|---|---|---|---|")
    print(f"| base | {sum(base.values())}/{len(base)} | {percent(base)} | | | |")
    gains = {}
    for name in ("lora", "full"):
        found = answers(runs / name)
        gains[name], row = compared(base, found)
        print(f"| {name} | {sum(found.values())}/{len(found)} | {percent(found)} | {row} |")
    best = max(gains, key=lambda one: gains[one])
    print(f"ratio {gains[best] / accuracy(base) + 1:.2f} ({best} / base, accuracy)")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings of all recipes")
    parser.add_argument("--benchmark", choices=("pubmedqa", "kormedmcqa"), default="pubmedqa")
    parser.add_argument("--output", type=Path, default=Path("runs"))
    parser.add_argument("--model", default="", help="default: `medbench path smollm2`")
    return parser.parse_args()


def answers(folder: Path) -> Answers:
    """Read which questions were answered right, from the newest samples of each task."""
    newest = {
        file.name.removeprefix("samples_").rpartition("_")[0]: file
        for file in sorted(folder.glob("results/*/*/samples_*.jsonl"))
    }
    found: dict[tuple[str, int], bool] = {}
    for task, file in newest.items():
        for line in file.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            found[task, sample["doc_id"]] = sample["acc"] == 1.0
    return found


def accuracy(found: Answers) -> float:
    """Return the share that is right."""
    return sum(found.values()) / len(found)


def percent(found: Answers) -> str:
    """Return an accuracy with its Wilson interval."""
    low, high = wilson(sum(found.values()), len(found))
    return f"{100 * accuracy(found):.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def compared(base: Answers, found: Answers) -> tuple[float, str]:
    """Return the gain, and the row's other cells."""
    assert base.keys() == found.keys(), "not the same questions"
    order = list(base)
    paired = compare([base[one] for one in order], [found[one] for one in order])
    gain, _, low, high = paired.difference
    ends = f"[{100 * low:+.1f}, {100 * high:+.1f}]"
    return gain, f"{100 * gain:+.1f} {ends} | {paired.fixed} / {paired.broken} | {paired.p:.2g}"


if __name__ == "__main__":
    main()
