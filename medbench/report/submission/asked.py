"""What a model was asked and what it wrote, for files that leave medbench."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from medbench.beside import sample_lines
from medbench.data.datasets import DATASETS
from medbench.errors import ResultError
from medbench.report.compare.samples import (
    Item,
    item,
    not_a_sample,
    samples_path,
    without_questions,
)
from medbench.results import Results, Score, read_results

__all__ = ["Asked", "Submission", "as_csv", "only_model", "read_asked", "short_of"]


class Asked(NamedTuple):
    """One question of a run."""

    prompt: str
    """All that the model read."""
    item: Item
    """The question, and what the model said."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Files for a leaderboard."""

    files: Mapping[str, str]
    """Name to content."""
    notes: tuple[str, ...]
    """What whoever sends them should know."""


def only_model(paths: Sequence[Path]) -> tuple[str, Results]:
    """Read results that must be of one model; return its name too.

    Raises:
        ResultError: they cannot be read, or are of several models.
    """
    results = read_results(paths)
    models = sorted({score.model for score in results.scores})
    if len(models) > 1:
        raise ResultError(f"a submission is of one model; these are of {', '.join(models)}")
    return models[0], results


def read_asked(score: Score) -> list[Asked]:
    """Return the questions of a task in the order of its rows, as one filter read the answers.

    Raises:
        ResultError: samples are missing, were stripped of their text, or are no samples.
    """
    path = samples_path(score)
    found: dict[int, Asked] = {}
    for number, line in sample_lines(path):
        try:
            sample = json.loads(line)
            if sample["filter"] == score.filter:
                if "doc" not in sample:
                    raise without_questions(path)
                prompt = sample["arguments"]["gen_args_0"]["arg_0"]
                found[int(sample["doc_id"])] = Asked(str(prompt), item(sample))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise not_a_sample(path, number, error) from error
    if not found:
        raise ResultError(f"{path}: no samples of the filter {score.filter}")
    return [found[number] for number in sorted(found)]


def short_of(scores: Iterable[Score]) -> Iterator[str]:
    """Yield what must be said of tasks of which not every question was asked."""
    for score in scores:
        known = DATASETS.get((score.benchmark, score.subset))
        if known and score.n != known.sizes["test"]:
            told = f"{score.n:,} of {known.sizes['test']:,} questions"
            yield f"{score.task}: {told}; a leaderboard asks for all"


def as_csv(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV; texts with commas, quotes and line breaks are quoted."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
