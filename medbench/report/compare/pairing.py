"""Which questions of two runs make pairs; what must be equal, and what must be said.

Refused: other rows, another protocol, other shots, another version of the task or of the reading of
answers; the difference would not be the models'. Said: what is part of the models or a fair
question (chat template, quantisation, backend, generation settings), and what one side lacks.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from medbench.errors import ResultError
from medbench.report.compare.samples import Answers, Item, Run, read_answers

__all__ = ["Pair", "PairedTask", "pair_runs"]

SAID = ("backend", "quantization", "generation settings")


class Pair(NamedTuple):
    """One question, answered by both."""

    a: Item
    b: Item


@dataclass(frozen=True, slots=True)
class PairedTask:
    """One task with the questions that both runs answered."""

    task: str
    protocol: str
    is_generated: bool
    """The models wrote their answers."""
    pairs: Mapping[int, Pair]
    """By number in the task's rows."""
    only_a: int
    """Questions that B was not asked."""
    only_b: int
    """Questions that A was not asked."""


def pair_runs(a: Run, b: Run) -> tuple[list[PairedTask], list[str]]:
    """Return the tasks of both runs, and what a reader must know.

    Raises:
        ResultError: no task is in both, samples cannot be read, or a task was not asked the same
            way; names all such faults.
    """
    shared = [task for task in a.scores if task in b.scores]
    if not shared:
        raise ResultError(
            f"no task is in both: {a.path} has {', '.join(a.scores)}; "
            f"{b.path} has {', '.join(b.scores)}"
        )
    tasks: list[PairedTask] = []
    faults: list[str] = []
    said: dict[str, list[str]] = defaultdict(list)
    for task in shared:
        try:
            one, other = _both(a, b, task)
        except ResultError as error:
            faults.append(str(error))
            continue
        faults += (f"{task}: {fault}" for fault in _faults(one, other))
        for note in _notes(one, other):
            said[note].append(task)
        tasks.append(_paired(task, one, other))
    if faults:
        raise ResultError("A and B cannot be compared:\n" + "\n".join(f"  {f}" for f in faults))
    notes = [*dict.fromkeys((*a.notes, *b.notes)), *_alone("A", a, b), *_alone("B", b, a)]
    for note, where in said.items():
        notes.append(f"{note}." if len(where) == len(shared) else f"{', '.join(where)}: {note}.")
    return tasks, notes


def _both(a: Run, b: Run, task: str) -> tuple[Answers, Answers]:
    """Read a task of both runs; a fault of both is told at once."""
    found: list[Answers] = []
    faults: list[str] = []
    for run in (a, b):
        try:
            found.append(read_answers(run.scores[task]))
        except ResultError as error:
            faults.append(str(error))
    if faults:
        raise ResultError("\n  ".join(faults))
    return found[0], found[1]


def _faults(a: Answers, b: Answers) -> Iterator[str]:
    """Yield what makes two runs of a task two experiments."""
    for what, one, other in (
        ("protocols", a.score.protocol, b.score.protocol),
        ("shots", a.score.num_fewshot, b.score.num_fewshot),
        ("task versions", a.score.version, b.score.version),
        ("readings of the answers", a.score.filter, b.score.filter),
    ):
        if one != other:
            yield f"{what} differ: A {one}, B {other}"
    rows = a.settings["rows"], b.settings["rows"]
    if None not in rows and rows[0] != rows[1]:
        yield f"other rows: SHA-256 {str(rows[0])[:12]} in A, {str(rows[1])[:12]} in B"
        return
    extractors = a.settings["extractor"], b.settings["extractor"]
    if a.is_generated and None not in extractors and extractors[0] != extractors[1]:
        yield f"answers were read by extractor {extractors[0]} in A, {extractors[1]} in B"
    shared = a.items.keys() & b.items.keys()
    if not shared:
        yield "no question was answered by both"
    changed = sum(a.items[key].doc_hash != b.items[key].doc_hash for key in shared)
    if changed:
        yield f"{changed} of {len(shared)} questions were not the same, or not put the same way"


def _notes(a: Answers, b: Answers) -> Iterator[str]:
    """Yield what differs although the comparison is fair."""
    if a.score.chat_template != b.score.chat_template:
        on, off = ("A", "B") if a.score.chat_template else ("B", "A")
        yield f"chat template on for {on}, off for {off}: a difference may be the template's"
    if None in (a.settings["rows"], b.settings["rows"]):
        yield "no medbench_*.json beside one of the runs: rows are compared question by question"
    for what in SAID:
        if a.settings[what] != b.settings[what]:
            yield f"{what}: A {a.settings[what] or 'none'}, B {b.settings[what] or 'none'}"
    for name, one, other in (("A", a, b), ("B", b, a)):
        if alone := len(one.items.keys() - other.items.keys()):
            yield f"{alone} questions that only {name} answered are left out"


def _paired(task: str, a: Answers, b: Answers) -> PairedTask:
    shared = sorted(a.items.keys() & b.items.keys())
    pairs = {key: Pair(a.items[key], b.items[key]) for key in shared}
    only = len(a.items) - len(pairs), len(b.items) - len(pairs)
    return PairedTask(task, a.score.protocol, a.is_generated, pairs, *only)


def _alone(name: str, run: Run, other: Run) -> Iterator[str]:
    """Yield the tasks that one run has and the other has not."""
    if tasks := sorted(run.scores.keys() - other.scores.keys()):
        yield f"only {name} has {', '.join(tasks)}: left out."
