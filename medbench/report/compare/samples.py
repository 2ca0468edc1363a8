"""A run's answers, question by question: lm-eval's samples beside a results file."""

import json
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medbench import beside
from medbench.errors import ResultError
from medbench.question import Question
from medbench.results import Score, read_results

__all__ = [
    "Answers",
    "Item",
    "Run",
    "find_run",
    "in_common",
    "item",
    "not_a_sample",
    "own_scores",
    "read_answers",
    "samples_path",
    "without_questions",
    "words_in_common",
]

READINGS = ("none", "extract")
"""Our own reading of an answer; `original` reads the same text once more by another rule."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question as one model answered it."""

    question: Question
    letters: frozenset[str]
    """What was answered; empty where no answer was found."""
    said: str
    """The chosen option or option set, or the whole generated text."""
    is_right: bool
    """As it was scored."""
    doc_hash: str
    """lm-eval's hash of the row and the prompt made of it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One task of one run."""

    score: Score
    """Its accuracy, with version, shots, protocol and chat template."""
    items: Mapping[int, Item]
    """By number in the task's rows."""
    settings: Mapping[str, object]
    """What else a reader should know: rows (SHA-256), backend, quantization, …"""

    @property
    def is_generated(self) -> bool:
        """The model wrote its answer, rather than choosing among continuations."""
        return self.score.filter == "extract"


@dataclass(frozen=True, slots=True)
class Run:
    """What a path holds: one model's tasks, each with the newest score."""

    model: str
    path: Path
    scores: Mapping[str, Score]
    """By task."""
    notes: tuple[str, ...]
    """What was noted while runs of one model were merged."""


def own_scores(scores: Iterable[Score]) -> list[Score]:
    """Return the accuracies of tasks, not of groups, as our own reading found them."""
    own = (score for score in scores if score.metric == "acc" and not score.members)
    return [score for score in own if score.filter in READINGS]


def find_run(path: Path) -> Run:
    """Find the tasks of a results file, or of a folder of one model's results.

    Raises:
        ResultError: there are no results, results of several models, or no accuracies.
    """
    results = read_results([path])
    models = sorted({score.model for score in results.scores})
    if len(models) > 1:
        raise ResultError(f"{path}: holds {len(models)} models ({', '.join(models)}); name one")
    scores = {score.task: score for score in own_scores(results.scores)}
    if not scores:
        raise ResultError(f"{path}: no accuracies inside")
    return Run(models[0], path, scores, results.notes)


def read_answers(score: Score) -> Answers:
    """Read the samples and the facts that were written with a score.

    Raises:
        ResultError: they are missing, or not as `medbench eval` or `lm_eval` writes them.
    """
    path = samples_path(score)
    items: dict[int, Item] = {}
    for number, line in beside.sample_lines(path):
        try:
            sample = json.loads(line)
            if sample["filter"] == score.filter:
                if "doc" not in sample:
                    raise without_questions(path)
                items[int(sample["doc_id"])] = item(sample)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise not_a_sample(path, number, error) from error
    if not items:
        raise ResultError(f"{path}: no samples of the filter {score.filter}")
    return Answers(score, items, _settings(score))


def samples_path(score: Score) -> Path:
    """Return the samples that were written with a score, be they compressed or not.

    Raises:
        ResultError: they are missing.
    """
    if found := beside.samples_path(score.source, score.task):
        return found
    name = f"samples_{score.task}_{beside.stamp(score.source)}.jsonl"
    told = f"{name} is not beside {score.source}: the samples of the run are needed"
    raise ResultError(f"{told} (lm_eval writes them with --log_samples)")


def not_a_sample(path: Path, number: int, error: Exception) -> ResultError:
    """Say what is wrong with a line of a samples file."""
    told = f"{path}, line {number}: not a sample of medbench's tasks"
    return ResultError(f"{told} ({type(error).__name__}: {error})")


def without_questions(path: Path) -> ResultError:
    """Say that only the grades are left of the samples."""
    told = f"{path}: the questions are left out, as `medbench add` does; take the samples that"
    return ResultError(f"{told} lm_eval wrote with --log_samples")


def in_common(question: Question, tag: str | None = None) -> Hashable:
    """Return what makes questions depend on each other: a tag, else one text or one wording."""
    if tag:
        return question.benchmark, question.subset, question.tags[tag]
    return words_in_common(question.context, question.text)


def words_in_common(context: str, text: str) -> str:
    """Return the words of the context, else of the text: equal ones are one question's."""
    return " ".join((context or text).split())


def item(sample: Mapping[str, Any]) -> Item:
    """Return a sample of lm-eval as an item."""
    question = Question.from_doc(sample["doc"])
    outputs = sample["filtered_resps"]
    if choices := sample["doc"]["choices"]:
        log_probs = [float(log_prob) for log_prob, _ in outputs]
        place = log_probs.index(max(log_probs))  # of equals the first, as lm-eval scores them
        said = str(choices[place])
        # one continuation an option (letters, or words as yes and no), else option sets: "A, C."
        is_single = len(choices) == len(question.options)
        chosen = list(question.options)[place : place + 1]
        letters = chosen if is_single else said.removesuffix(".").split(", ")
    else:
        letters = json.loads(outputs[0])["letters"]
        said = str(sample["resps"][0][0])
    is_right = float(sample["acc"]) == 1
    return Item(question, frozenset(letters), said, is_right, str(sample["doc_hash"]))


def _settings(score: Score) -> dict[str, object]:
    """Return what the files beside the samples say of the run."""
    config = beside.read_json(score.source).get("config", {})
    facts = beside.read_facts(score.source)
    tasks = facts.get("tasks", {})
    return {
        "rows": tasks.get(score.task, {}).get("sha256"),
        "extractor": facts.get("extractor_version"),
        "backend": facts.get("backend"),
        "quantization": facts.get("quantization"),
        "generation settings": config.get("gen_kwargs"),
    }
