"""Answers by letter: whether a model likes a position, whatever stands there.

A model that does not know prefers a letter (Zheng et al., "Large language models are not robust
multiple choice selectors", 2024, arXiv 2309.03882): its recall is high there and low elsewhere.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from medbench.report.compare.pairing import Pair, PairedTask
from medbench.report.compare.samples import Item
from medbench.scoring.statistics import Estimate
from medbench.scoring.statistics.clusters import share

__all__ = ["Agreement", "Letter", "Positions", "Preference", "agreements", "positions"]


class Letter(NamedTuple):
    """One position; every number is a share within [0, 1]."""

    letter: str
    gold: float
    """Of all correct letters."""
    a: float
    """Of all letters that A answered."""
    b: float
    """Of all letters that B answered."""
    recall_a: float | None
    """How often A found it where it was right; None where it never was."""
    recall_b: float | None
    """How often B found it where it was right."""


class Preference(NamedTuple):
    """How far one model's letters are from the right ones."""

    bias: float
    """Total variation distance, the share of letters that would have to be others; 0 is none, and
    so is 0 where nothing was answered."""
    favourite: str
    """The letter that is answered too often by most; empty if none is."""
    unread: int
    """Outputs in which no answer was found."""


@dataclass(frozen=True, slots=True)
class Positions:
    """What letters were answered, against the correct ones."""

    letters: tuple[Letter, ...]
    a: Preference
    b: Preference


class Agreement(NamedTuple):
    """One model on the same questions: the letter it finds likeliest, and the one it writes."""

    side: str
    """A or B."""
    letters_task: str
    generated_task: str
    n: int
    """Questions."""
    same: Estimate
    """Share of questions with the same answer; where none was found in the text, there is none."""
    letters_right: float
    """Accuracy of the likeliest letters."""
    generated_right: float
    """Accuracy of the written answers."""
    unread: int
    """Outputs in which no answer was found."""


def positions(pairs: Iterable[Pair]) -> Positions:
    """Count the letters of a task."""
    items = list(pairs)
    gold = [a.question.gold for a, _ in items]
    own = [[a.letters for a, _ in items], [b.letters for _, b in items]]
    right, *given = (_shares(sets) for sets in (gold, *own))
    names = sorted({letter for a, _ in items for letter in a.question.options})
    letters = tuple(
        Letter(
            name,
            right.get(name, 0.0),
            *(counted.get(name, 0.0) for counted in given),
            *(_recall(name, gold, answered) for answered in own),
        )
        for name in names
    )
    preferences = (_preference(right, counted, answered)
                   for counted, answered in zip(given, own, strict=True))  # fmt: skip
    return Positions(letters, *preferences)


def _preference(
    right: Mapping[str, float], given: Mapping[str, float], answered: Sequence[Set[str]]
) -> Preference:
    surplus = {letter: share - right.get(letter, 0.0) for letter, share in sorted(given.items())}
    bias = sum(extra for extra in surplus.values() if extra > 0)
    favourite = max(surplus, key=surplus.__getitem__, default="") if bias else ""
    return Preference(bias, favourite, sum(not letters for letters in answered))


def agreements(tasks: Sequence[PairedTask]) -> list[Agreement]:
    """Return, for A and B, each task of letters with each task that generates the same answers."""
    found = []
    for chosen in (task for task in tasks if not task.is_generated):
        for written in (task for task in tasks if task.is_generated):
            for place, side in enumerate("AB"):
                both = [
                    (chosen.pairs[key][place], written.pairs[key][place])
                    for key in sorted(chosen.pairs.keys() & written.pairs.keys())
                    if _is_one(chosen.pairs[key].a, written.pairs[key].a)
                ]
                if both:
                    found.append(_agreement(side, chosen.task, written.task, both))
    return found


def _is_one(a: Item, b: Item) -> bool:
    """Tell whether two tasks ask the same question with the same options."""
    one, other = a.question, b.question
    same = (one.benchmark, one.subset, one.id) == (other.benchmark, other.subset, other.id)
    return same and one.text == other.text and one.options == other.options


def _agreement(
    side: str, letters_task: str, generated_task: str, both: Sequence[tuple[Item, Item]]
) -> Agreement:
    n = len(both)
    return Agreement(
        side,
        letters_task,
        generated_task,
        n,
        share([chosen.letters == written.letters for chosen, written in both]),
        sum(chosen.is_right for chosen, _ in both) / n,
        sum(written.is_right for _, written in both) / n,
        sum(not written.letters for _, written in both),
    )


def _shares(sets: Iterable[Set[str]]) -> Mapping[str, float]:
    """Return each letter's share of all letters."""
    counts = Counter(letter for letters in sets for letter in letters)
    return {letter: count / counts.total() for letter, count in counts.items()}


def _recall(letter: str, gold: Sequence[Set[str]], answered: Sequence[Set[str]]) -> float | None:
    found = [letter in own for right, own in zip(gold, answered, strict=True) if letter in right]
    return sum(found) / len(found) if found else None
