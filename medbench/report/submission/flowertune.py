"""FlowerTune's medical leaderboard: the part of a project's README that states its results.

Its evaluation writes `acc_<dataset>_<run>.txt`, and the README of a submission gives the four
accuracies, their mean and the communication budget (adap/flower, benchmarks/flowertune-llm, and the
projects on the board). Accuracy is by that evaluation's own rule. The leaderboard accepts the
numbers of its own evaluation code only: these files show what it will say.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from medbench import checkpoint
from medbench.errors import ModelError, ResultError
from medbench.model_names import ADAPTERS, BASES, model_argument
from medbench.report.formats import Block, markdown
from medbench.report.submission.asked import Submission, short_of
from medbench.results import Results, Score

__all__ = ["flowertune"]

DATASETS = {"pubmedqa": "pubmedqa-flowertune", "medmcqa": "medmcqa-flowertune",
            "medqa": "usmle-flowertune", "careqa": "careqa-flowertune_en"}  # fmt: skip
"""The leaderboard's name of each dataset to the task that asks it."""
RULE = "original"
UNKNOWN = "Not known: the checkpoint does not say what was sent."


def flowertune(model: str, results: Results) -> Submission:
    """Return README.md, and the accuracies as the leaderboard's evaluation leaves them.

    Raises:
        ResultError: a dataset was not asked.
    """
    found = {score.task: score for score in results.scores
             if score.metric == "acc" and score.filter == RULE}  # fmt: skip
    missing = [task for task in DATASETS.values() if task not in found]
    if missing:
        raise ResultError(
            f"FlowerTune's leaderboard asks for four datasets, {', '.join(missing)} have no score "
            "by its rule; `medbench eval MODEL --tasks flowertune` asks for them"
        )
    scores = {name: found[task] for name, task in DATASETS.items()}
    sent = _communication(scores["pubmedqa"])
    run = "".join(c if c.isalnum() or c in "-_." else "_" for c in model)
    files = {f"acc_{name}_{run}.txt": f"Accuracy: {score.value}. "
             for name, score in scores.items()}  # fmt: skip
    notes = ["the leaderboard runs its own evaluation code, and takes no other numbers"]
    notes += ["the communication budget is not known: README.md says so"] * (sent is None)
    notes += short_of(scores.values())
    return Submission({"README.md": _readme(model, scores, sent), **files}, tuple(notes))


def _readme(model: str, scores: Mapping[str, Score], sent: float | None) -> str:
    mean = sum(score.value for score in scores.values()) / len(scores)
    numbers = [f"{100 * score.value:.2f}" for score in scores.values()]
    block = Block(
        f"Evaluation of {model}",
        ("", *scores, "average"),
        (("Acc (%)", *numbers, f"{100 * mean:.2f}"),),
        (
            *(f"{name}: {score.value:.4f}, n = {score.n:,}" for name, score in scores.items()),
            f"average: {mean:.4f}",
        ),
    )
    budget = UNKNOWN if sent is None else f"{sent:.2f} Megabytes"
    return f"{markdown([block])}\n### Communication Budget\n\n{budget}\n"


def _communication(score: Score) -> float | None:
    """Return what the checkpoint's training sent, in MiB, if it says so."""
    document = json.loads(score.source.read_text(encoding="utf-8"))
    for names in (ADAPTERS, BASES):
        name = model_argument(document["config"], names)
        folder = Path(name)
        if name and (folder / checkpoint.PROVENANCE).is_file():
            try:
                return checkpoint.read(folder).provenance.communication
            except ModelError as error:
                raise ResultError(str(error)) from error
    return None
