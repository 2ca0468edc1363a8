"""Federated fine-tuning against training in one place, on as many examples: accuracies in pairs.

    MEDBENCH_DATA=BUNDLE python benchmarks/federated.py --output runs/federated

Trains `flowertune/smollm2-135m/lora` in one place, and among 20 clients as FedAvg, as FedProx, with
exact products (`svd`, `fixed_a`), with messages in int8, and on rows divided by their answers
(Dirichlet); what is done is not done again. Each is scored on the recipe's first task, and compared
with the one in one place, question by question: the difference with a 95 % interval, and the exact
McNemar test. Settings (`federated.rounds=2`) are for all runs.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fine_tuning import accuracy, answers, compared, percent

from medbench.engine.smollm2 import smollm2
from medbench.recipe import Recipe, load

RECIPE = "flowertune/smollm2-135m/lora"
CENTRAL = "one place"
VARIANTS = {
    "fedavg": (),
    "fedprox": ("federated.proximal_mu=1",),
    "svd": ("federated.aggregation=svd",),
    "fixed_a": ("federated.aggregation=fixed_a",),
    "int8": ("federated.message=int8",),
    "dirichlet": (
        "federated.partition=dirichlet",
        "federated.partition_by=answer",
        "federated.alpha=0.3",
    ),
}


def main() -> None:
    """Train, score and compare; the last line is FedAvg's accuracy over that in one place."""
    asked = arguments()
    settings = [f"model.id={asked.model or smollm2()}", *asked.settings]
    recipe = load(RECIPE, settings)
    runs = {CENTRAL: train(asked.output / "central", [*settings, *central(recipe)], recipe)}
    for name in asked.variants:
        folder = asked.output / name
        runs[name] = train(folder, [*settings, *VARIANTS[name]], recipe, "--federated")
    for name in asked.variants:
        print(f"\n{name}\n{curve(runs[name])}")
    print("\n| run | right | accuracy | gain | only now right / only before | p | MiB |")
    print("|---|---|---|---|---|---|---|")
    base = answers(runs[CENTRAL])
    for name, folder in runs.items():
        found = answers(folder)
        cells = compared(base, found)[1] if name != CENTRAL else "| |"
        right = f"{sum(found.values())}/{len(found)} | {percent(found)}"
        print(f"| {name} | {right} | {cells} | {travelled(folder)} |")
    first = answers(runs[asked.variants[0]])
    ratio = accuracy(first) / accuracy(base)
    print(f"ratio {ratio:.2f} ({asked.variants[0]} / {CENTRAL}, accuracy, {len(base)} questions)")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings of all runs")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--output", type=Path, default=Path("runs/federated"))
    parser.add_argument("--model", default="", help="default: `medbench path smollm2`")
    return parser.parse_args()


def central(recipe: Recipe) -> Iterator[str]:
    """Yield the settings of a training on as many examples in one place, by one long cosine."""
    federated, training = recipe.federated, recipe.training
    assert federated is not None and training.max_steps is not None
    steps = training.max_steps * federated.clients_per_round * federated.rounds
    yield "federated=null"
    yield f"training.max_steps={steps}"
    yield "training.schedule=cosine_with_min"
    yield f"training.min_learning_rate={federated.min_learning_rate}"


def train(folder: Path, settings: Sequence[str], recipe: Recipe, *words: str) -> Path:
    """Train and score where that is not done; return the folder."""
    checkpoint = folder / "checkpoint"
    if not checkpoint.exists():
        medbench("train", RECIPE, *settings, *words, "--output", str(checkpoint))
    if not list(folder.glob("results/*/*/results_*.json")):
        task, limit = recipe.evaluation.tasks[0], recipe.evaluation.limit
        words = ("--limit", str(limit)) if limit else ()
        medbench("eval", str(checkpoint), "--tasks", task, "--chat-template", "off", *words,
                 "--output", str(folder / "results" / "none"))  # fmt: skip
    return folder


def medbench(*words: str) -> None:
    """Run a command of ours."""
    subprocess.run([sys.executable, "-m", "medbench", *words], check=True)


def report(folder: Path) -> dict[str, Any] | None:
    """Read what a federated run tells of itself."""
    file = folder / "checkpoint" / "federated.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def travelled(folder: Path) -> str:
    """Return the MiB of all messages, tensors and whole."""
    told = report(folder)
    return "{tensors_mib:.1f}, {whole_mib:.1f}".format(**told["travelled"]) if told else ""


def curve(folder: Path) -> str:
    """Return a line for each round: clients, loss, error of the products, MiB."""
    told = report(folder)
    assert told is not None
    return "\n".join(
        f"  round {one['number']}: clients {one['clients']}, loss {one['loss']:.4f}, "
        f"error {one['aggregation_error']:.3f}, "
        f"{(one['traffic']['down'] + one['traffic']['up']) / 2**20:.2f} MiB, "
        f"{one['seconds']:.0f} s"
        for one in told["rounds"]
    )


if __name__ == "__main__":
    main()
