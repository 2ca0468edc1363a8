"""Gate `overlap`: how much of what is scored was trained on, and what the rest of it says.

Compared is what a question says: its context, its words, and its options in whatever order. Copies
are judged, since a copy is an answer learnt by heart; near-duplicates are told, since exams repeat
themselves. Accuracies on what is left are computed from the samples beside the results.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medbench import data
from medbench.errors import DataError
from medbench.leaderboard.measured import Measured, measured_runs
from medbench.publish.candidate import Candidate
from medbench.publish.gates.duplicates import NEAR, Matches, TextIndex, units
from medbench.publish.gates.finding import Finding
from medbench.question import Question
from medbench.results import Score
from medbench.scoring.statistics import wilson

__all__ = ["COPIES", "check", "said"]

COPIES = 0.01
"""Share of a test set: copies can lift an accuracy by no more than this. The 95 % interval of the
largest set (5,621 questions at 50 %) is 1.3 points to either side, so less could not be seen."""
Name = tuple[str, str]
"""Benchmark and subset."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """One test set against all training rows."""

    rows: data.Rows
    exact: frozenset[int]
    """Numbers of questions that are copies, from 0."""
    near: frozenset[int]
    """Of near-duplicates that are no copies."""
    example: str
    """The first of them, by its id, and the training row."""

    @property
    def name(self) -> str:
        """benchmark/subset."""
        return self.rows.dataset.name

    @property
    def share(self) -> float:
        """Of copies."""
        return len(self.exact) / len(self.rows.questions)


def check(candidate: Candidate) -> Finding:
    """Compare every training row with every scored question."""
    trained = training_rows(candidate)
    runs = measured_runs(list(candidate.results)) if candidate.results else []
    tests = [data.load(*name, "test") for name in scored(runs)]
    found = overlaps(tests, trained)
    lines = [
        f"{len(trained):,} training rows, {sum(len(one.rows.questions) for one in found):,} "
        f"questions of {len(found)} test sets"
    ]
    lines += texts(candidate)
    if not runs:
        lines.append("no results are given: every test set that medbench knows")
    facts: dict[str, Any] = {"allowed": COPIES, "near": NEAR, "test_sets": {}}
    for one in found:
        lines.append(told(one))
        facts["test_sets"][one.name] = counted(one)
    for run in runs:
        for task, line, numbers in clean_scores(run, {one.name: one for one in found}):
            lines.append(line)
            facts.setdefault("clean", {})[task] = numbers
    beyond = [one.name for one in found if one.share > COPIES]
    if beyond:
        lines.append(
            f"more than {COPIES:.0%} of {', '.join(beyond)} was trained on word by word: leave "
            "these rows out of the training, or these scores out of what is published"
        )
    return Finding("overlap", not beyond, "\n".join(lines), facts)


def training_rows(candidate: Candidate) -> list[Question]:
    """Return what the checkpoint was trained on, in all its stages.

    Raises:
        DataError: rows are not to be had, or are not those that were trained on.
    """
    read: dict[tuple[str, str, str], list[Question]] = {}
    others: list[str] = []
    for one in candidate.checkpoint.provenance.learnt_from:
        if one.use != "mixture":
            continue
        rows = data.load(one.benchmark, one.subset, one.split)
        if one.sha256 != rows.digest:
            others.append(f"{rows.dataset.name} {rows.split}")
        name, asked = (one.benchmark, one.subset, one.split), list(rows.questions[: one.limit])
        read[name] = max(asked, read.get(name, []), key=len)
    if others:
        raise DataError(
            f"{', '.join(dict.fromkeys(others))}: these are not the rows that were trained on "
            "(their SHA-256 is another than the provenance's); set MEDBENCH_DATA to where they are"
        )
    return [question for rows in read.values() for question in rows]


def texts(candidate: Candidate) -> Iterator[str]:
    """Yield a line for each corpus of a pre-training whose texts lie with who trained."""
    for part in candidate.checkpoint.provenance.texts:
        yield f"{part.texts:,} texts of {part.source} were read too, and are not compared"


def scored(runs: Sequence[Measured]) -> list[Name]:
    """Return the test sets of some results; of none: all that are known."""
    known = [name for name, one in data.DATASETS.items() if one.has_options]
    if not runs:
        return known
    named = {(score.benchmark, score.subset) for run in runs for score in run.scores}
    return [name for name in known if name in named]


def said(question: Question) -> str:
    """Return what a question says, whatever the order of its options."""
    options = sorted(question.options.values(), key=units)
    answer = [] if question.options else [question.rationale]
    return "\n".join([question.context, question.text, *options, *answer])


def overlaps(tests: Sequence[data.Rows], trained: Sequence[Question]) -> list[Overlap]:
    """Compare all test sets with the training rows at once."""
    asked = [said(question) for rows in tests for question in rows.questions]
    matches = TextIndex(asked).search(map(said, trained))
    found, start = [], 0
    for rows in tests:
        end = start + len(rows.questions)
        found.append(overlap(rows, matches, start, end, trained))
        start = end
    return found


def overlap(
    rows: data.Rows, matches: Matches, start: int, end: int, trained: Sequence[Question]
) -> Overlap:
    """Return what was found of one test set, which is at start:end of the matches."""
    exact = np.flatnonzero(matches.exact[start:end]).tolist()
    near = np.flatnonzero(matches.near[start:end]).tolist()
    example = ""
    if first := [*exact, *near][:1]:
        source = trained[int(matches.source[start + first[0]])]
        example = (
            f"{rows.questions[first[0]].id} and {source.benchmark}/{source.subset} {source.id}"
        )
    return Overlap(rows, frozenset(exact), frozenset(near), example)


def told(one: Overlap) -> str:
    """Return one test set's line."""
    size = len(one.rows.questions)
    text = (
        f"{one.name}: {len(one.exact)} of {size:,} copied ({one.share:.1%}), "
        f"{len(one.near)} nearly ({len(one.near) / size:.1%})"
    )
    return f"{text}, the first: {one.example}" if one.example else text


def counted(one: Overlap) -> dict[str, Any]:
    """Return one test set's numbers."""
    size = len(one.rows.questions)
    return {"questions": size, "copies": len(one.exact), "near": len(one.near),
            "copied_share": one.share, "near_share": len(one.near) / size}  # fmt: skip


def clean_scores(
    run: Measured, found: dict[str, Overlap]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (task, line, numbers): the accuracy without copies and near-duplicates."""
    for score in run.scores:
        one = found.get(f"{score.benchmark}/{score.subset}")
        if one is None or score.metric != "acc" or score.filter == "original" or score.members:
            continue
        dirty = one.exact | one.near
        if not dirty or score.task not in run.samples:
            continue
        if reason := other_rows(run, score, one):
            yield score.task, f"{score.task}: no accuracy without them, {reason}", {}
            continue
        samples = [one for one in run.samples[score.task] if one["filter"] == score.filter]
        kept = [one["acc"] for one in samples if int(one["doc_id"]) not in dirty]
        yield score.task, *cleaned(score, kept, len(samples))


def other_rows(run: Measured, score: Score, one: Overlap) -> str:
    """Return why the numbers of a run's samples are not those of the rows; empty: they are."""
    facts = (run.facts or {}).get("tasks", {}).get(score.task, {})
    if facts.get("sha256") != one.rows.digest:
        return f"since it was scored on other rows than {one.rows.source} has now"
    return ""


def cleaned(score: Score, kept: Sequence[float], size: int) -> tuple[str, dict[str, Any]]:
    """Return the line and the numbers of one accuracy on what is left."""
    if not kept:
        return f"{score.task}: nothing is left without them", {"n": 0, "all": score.value}
    right = round(sum(kept))
    low, high = wilson(right, len(kept))
    value = right / len(kept)
    line = (
        f"{score.task}: {100 * score.value:.1f} on all {size:,}, {100 * value:.1f} "
        f"[{100 * low:.1f}, {100 * high:.1f}] on the {len(kept):,} that are left"
    )
    return line, {"n": len(kept), "accuracy": value, "interval": [low, high], "all": score.value}
