"""Which models of a board can be told apart: ranks as far as the questions allow.

A board's order is partly chance. All pairs of models are compared on the questions that all of them
answered, corrected for the number of pairs and tasks, so that a board makes any false claim with a
chance of at most 5 %. It takes the samples beside the results.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from medbench.errors import ResultError
from medbench.report.compare.samples import Answers, in_common, own_scores, read_answers
from medbench.report.formats import markdown_escape
from medbench.results import Results, Score, one_line
from medbench.scoring.statistics.clusters import effective_size, numbered
from medbench.scoring.statistics.detectable import paired_detectable, unpaired_detectable
from medbench.scoring.statistics.standings import Standing, standings

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["TaskTies", "Ties", "markdown", "show", "ties"]

LEVEL = 0.05
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
    found: dict[str, Mapping[str, Answers]] = {}
    notes: list[str] = []
    for task, scores in by_task.items():
        try:
            if len(scores) > 1:
                found[task] = _asked_alike({one.model: read_answers(one) for one in scores})
        except ResultError as error:
            notes.append(f"{task} is left out: {error}.")
    if not found:
        raise ResultError("\n".join(["no task of several models can be ranked", *notes]))
    level = LEVEL / len(found)
    return Ties(tuple(_task(task, own, level) for task, own in found.items()), tuple(notes))


def _asked_alike(answers: Mapping[str, Answers]) -> Mapping[str, Answers]:
    """Return the answers if all models were asked the same.

    Raises:
        ResultError: what differs.
    """
    every = list(answers.values())
    for what, values in (
        ("versions", {one.score.version for one in every}),
        ("shots", {one.score.num_fewshot for one in every}),
        ("readings", {one.score.filter for one in every}),
    ):
        if len(values) > 1:
            raise ResultError(f"{what} differ ({', '.join(sorted(map(str, values)))})")
    shared = set.intersection(*(set(one.items) for one in every))
    if not shared:
        raise ResultError("no question was answered by all models")
    if any(len({one.items[key].doc_hash for one in every}) > 1 for key in shared):
        raise ResultError("the rows or the prompts differ")
    return answers


def _task(task: str, answers: Mapping[str, Answers], level: float) -> TaskTies:
    """Rank the models of one task."""
    every = list(answers.values())
    shared = sorted(set.intersection(*(set(one.items) for one in every)))
    right = {model: [own.items[key].is_right for key in shared] for model, own in answers.items()}
    clusters = numbered(in_common(every[0].items[key].question) for key in shared)
    shares = [sum(each) / len(each) for each in zip(*right.values(), strict=True)]
    n, mean = effective_size(shares, clusters), sum(shares) / len(shares)
    pairs = list(combinations(right.values(), 2))
    changed = sum(a != b for one, other in pairs for a, b in zip(one, other, strict=True))
    return TaskTies(
        task,
        len(shared),
        tuple(standings(right, clusters, level)),
        paired_detectable(n, changed / len(pairs) / len(shared)),
        unpaired_detectable(n, mean),
    )


def markdown(found: Ties) -> str:
    """Return a table of each task."""
    from tabulate import tabulate

    blocks = []
    for task in found.tasks:
        rows = [(markdown_escape(model), *cells) for model, *cells in _rows(task)]
        blocks.append(f"### {markdown_escape(task.task)}")
        blocks.append(tabulate(rows, HEADERS, "pipe", disable_numparse=True))
        blocks.append(f"- {_sizes(task)}")
    blocks.append("\n".join(f"- {markdown_escape(note)}" for note in _notes(found)))
    return "\n\n".join(blocks) + "\n"


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
    for note in _notes(found):
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


def _notes(found: Ties) -> Sequence[str]:
    legend = (
        "Rank: all places that remain once differences are shown (McNemar's exact test of all "
        f"pairs, Holm; at most {100 * LEVEL:g} % chance of any false claim over all tables). "
        "Likely: with 80 % power at 5 %, before that correction."
    )
    return [legend, *found.notes]
