"""Which models of a board can be told apart: ranks as far as the questions allow.

A board's order is partly chance. All pairs of models are compared on the questions that all of them
answered, corrected for the number of pairs and tasks, so that a board makes any false claim with a
chance of at most 5 %. It takes the samples beside the results.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.errors import ResultError
from medbench.report.compare.samples import own_scores
from medbench.report.formats import Block
from medbench.report.grades import read_clusters, read_grades
from medbench.results import Results, Score, one_line
from medbench.scoring.statistics.clusters import effective_size
from medbench.scoring.statistics.detectable import paired_detectable, unpaired_detectable
from medbench.scoring.statistics.standings import Standing, standings

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["LEVEL", "TaskTies", "Ties", "blocks", "notes", "show", "ties"]

LEVEL = 0.05
"""The chance of any false claim over all tables."""
HEADERS = ("model", "accuracy", "rank", "")


@dataclass(frozen=True, slots=True)
class TaskTies:
    """One task, the models in the order of their accuracy."""

    task: str
    n: int
    """Questions that all models answered."""
    standings: tuple[Standing, ...]
    paired: float
    """The least difference of two such models that four of five such samples would show."""
    unpaired: float
    """The same against a model that answered other questions of the kind: a published number."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What m models answered to the same n questions of a task."""

    task: str
    right: Mapping[str, NDArray[np.bool_]]
    """By model, shape (n,)."""
    clusters: NDArray[np.intp]
    """Equal where questions are on the same text or words, shape (n,)."""


@dataclass(frozen=True, slots=True)
class Ties:
    """What can be said of the order of a board."""

    tasks: tuple[TaskTies, ...]
    notes: tuple[str, ...]
    """Tasks that were left out, and why."""


def ties(results: Results) -> Ties:
    """Rank the models of each task that several of them answered.

    Raises:
        ResultError: there is no such task, or none whose samples can be compared.
    """
    by_task: dict[str, list[Score]] = defaultdict(list)
    for score in own_scores(results.scores):
        by_task[score.task].append(score)
    found: list[Sheet] = []
    notes: list[str] = []
    for task, scores in by_task.items():
        try:
            if len(scores) > 1:
                found.append(_sheet(task, scores))
        except ResultError as error:
            notes.append(f"{task} is left out: {error}.")
    if not found:
        raise ResultError("\n".join(["no task of several models can be ranked", *notes]))
    level = LEVEL / len(found)
    return Ties(tuple(_task(sheet, level) for sheet in found), tuple(notes))


def _sheet(task: str, scores: Sequence[Score]) -> Sheet:
    """Return the answers to the questions of a task that all models were asked alike.

    Raises:
        ResultError: what differs, or cannot be read.
    """
    for what, values in (
        ("versions", {one.version for one in scores}),
        ("shots", {one.num_fewshot for one in scores}),
        ("readings", {one.filter for one in scores}),
    ):
        if len(values) > 1:
            raise ResultError(f"{what} differ ({', '.join(sorted(map(str, values)))})")
    every = [read_grades(score) for score in scores]
    shared = reduce(np.intersect1d, (one.numbers for one in every))
    if not shared.size:
        raise ResultError("no question was answered by all models")
    places = [one.at(shared) for one in every]
    asked = every[0].hashes[places[0]]
    if any((one.hashes[at] != asked).any() for one, at in zip(every, places, strict=True)):
        raise ResultError("the rows or the prompts differ")
    right = {one.score.model: one.right[at] for one, at in zip(every, places, strict=True)}
    return Sheet(task, right, read_clusters(scores[0], shared.tolist()))


def _task(sheet: Sheet, level: float) -> TaskTies:
    """Rank the models of one task."""
    right = np.stack(list(sheet.right.values()))
    models, questions = right.shape
    count = right.sum(axis=0, dtype=np.int64)  # of models, for each question
    shares = count / models
    pairs = models * (models - 1) / 2
    changed = int((count * (models - count)).sum())
    n = effective_size(shares, sheet.clusters)
    return TaskTies(
        sheet.task,
        questions,
        tuple(standings(sheet.right, sheet.clusters, level)),
        paired_detectable(n, changed / pairs / questions),
        unpaired_detectable(n, float(shares.mean())),
    )


def blocks(found: Ties) -> list[Block]:
    """Return a table of each task."""
    return [
        Block(one_line(task.task), HEADERS, tuple(_rows(task)), (_sizes(task),))
        for task in found.tasks
    ]


def show(found: Ties, console: "Console | None" = None) -> None:
    """Print the same in the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    for task in found.tasks:
        drawn = Table(title=Text(task.task, style="bold"), title_justify="left", box=None)
        for header in HEADERS:
            drawn.add_column(header, overflow="fold")
        for row in _rows(task):
            drawn.add_row(*map(Text, row))
        console.print(drawn)
        console.print(Text(f" {_sizes(task)}", style="dim"))
        console.print()
    for note in notes(found):
        console.print(Text(note, style="dim"))


def _rows(task: TaskTies) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for place, one in enumerate(task.standings):
        value, _, low, high = (100 * number for number in one.share)
        rank = f"{one.first}" if one.first == one.last else f"{one.first} to {one.last}"
        words = "" if not one.ties_best else "ties with the first" if place else "first"
        rows.append((one_line(one.model), f"{value:.1f} [{low:.1f}, {high:.1f}]", rank, words))
    return rows


def _sizes(task: TaskTies) -> str:
    return (
        f"n = {task.n}; least difference likely to be seen: {100 * task.paired:.1f} points between "
        f"two of these, {100 * task.unpaired:.1f} against a model on other questions."
    )


def notes(found: Ties) -> Sequence[str]:
    """Return what to know about all tables."""
    legend = (
        "Rank: all places that remain once differences are shown (McNemar's exact test of all "
        f"pairs, Holm; at most {100 * LEVEL:g} % chance of any false claim over all tables). "
        "Likely: with 80 % power at 5 %, before that correction."
    )
    return [legend, *found.notes]
