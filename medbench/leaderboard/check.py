"""What is wrong with measured runs: numbers that could not stand beside each other."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medbench import beside
from medbench.data.datasets import DATASETS
from medbench.errors import ResultError
from medbench.leaderboard.measured import Measured, measured_runs
from medbench.leaderboard.portable import leaks
from medbench.reported import read_reported
from medbench.results import Score

__all__ = ["Verdict", "check", "check_leaderboard"]

CLOSE = 1e-9
"""How far a score may lie from the mean of its samples: the order of a float sum."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    faults: tuple[str, ...]
    """What must not be."""
    notes: tuple[str, ...]
    """What a reader should know."""


def check_leaderboard(folder: Path) -> Verdict:
    """Check `measured/` and `reported/` of a leaderboard; one that cannot be read is a fault.

    Raises:
        ResultError: the folder is no leaderboard.
    """
    if not (folder / "measured").is_dir():
        raise ResultError(f"{folder} is no leaderboard: it has no folder `measured`")
    faults: list[str] = []
    notes: list[str] = []
    try:
        runs = measured_runs([folder / "measured"])
        verdict = check(runs)
        faults += [*verdict.faults, *(fault for run in runs for fault in _leaks(run))]
        notes += verdict.notes
        for table in read_reported(folder / "reported"):
            for column in table.columns:
                known = DATASETS.get((column.benchmark, column.subset))
                if known and column.size and column.size != known.sizes["test"]:
                    faults.append(
                        f"reported/{table.name}: {column.name} is said to have {column.size:,} "
                        f"questions, {known.name} has {known.sizes['test']:,}"
                    )
    except ResultError as error:
        faults.append(str(error))
    return Verdict(tuple(faults), tuple(notes))


def check(runs: Sequence[Measured]) -> Verdict:
    """Check runs one by one, then against each other."""
    from medbench.engine.plan import task_manager

    known = frozenset(task_manager().all_subtasks)
    faults: list[str] = []
    notes: list[str] = []
    for run in runs:
        faults += [f"{run.name}: {fault}" for fault in _faults(run, known)]
        notes += [f"{run.name}: {note}" for note in _notes(run)]
    faults += _duplicates(runs)
    faults += _mixed(runs)
    return Verdict(tuple(faults), tuple(notes))


def _leaks(run: Measured) -> Iterator[str]:
    """Tell the folders of a machine in a run's files, which `medbench add` leaves out."""
    for file in (run.path, beside.facts_path(run.path)):
        for text, short in dict.fromkeys(leaks(file.read_bytes()) if file.is_file() else ()):
            yield (
                f"{run.path.parent.name}/{file.name}: {text!r} names a folder of a machine; "
                f"write {short!r}"
            )


def _tasks(run: Measured) -> dict[str, Score]:
    """Return one score of each task, groups aside; one that tells n, if there is one."""
    scores = sorted((score for score in run.scores if not score.members), key=lambda one: one.n)
    return {score.task: score for score in scores}


def _faults(run: Measured, known: frozenset[str]) -> Iterator[str]:
    if run.facts is None:
        yield (f"medbench_{run.stamp}.json is missing: nobody can tell which rows were asked; "
               "`medbench eval` writes it")  # fmt: skip
    elif run.answers not in ("", run.facts.get("answers_sha256", run.answers)):
        yield "the answers of the samples are not those of the run (answers_sha256)"
    for task, score in _tasks(run).items():
        if task not in known or (score.benchmark, score.subset) not in DATASETS:
            yield f"{task} is no task of medbench; `medbench ls` lists them"
            continue
        yield from _of_rows(run, score)
    for score in run.scores:
        if score.task in run.samples:
            yield from _of_samples(score, run.samples[score.task])


def _of_rows(run: Measured, score: Score) -> Iterator[str]:
    """Compare a task's n with the rows that the run had, and those with the known size."""
    task, known = score.task, DATASETS[score.benchmark, score.subset].sizes["test"]
    facts = run.facts["tasks"].get(task) if run.facts else {"rows": known}
    if not isinstance(facts, dict) or not isinstance(facts.get("rows"), int):
        yield f"{task}: medbench_{run.stamp}.json says nothing about its rows"
        return
    rows, expected = facts["rows"], _expected(facts["rows"], score.limit)
    if facts.get("source") == "sample":
        yield f"{task}: asked on the packaged sample, which is for trying things, not for scores"
    elif rows > known:
        yield f"{task}: {rows:,} rows, but {score.benchmark}/{score.subset} has {known:,}"
    if score.n != expected:
        limit = f"the first {score.limit:g} of " if score.limit else ""
        yield f"{task}: n is {score.n:,}, but {limit}{rows:,} rows are {expected:,}"
    if facts.get("protocol", score.protocol) != score.protocol:
        yield f"{task}: {facts['protocol']!r} in one file, {score.protocol!r} in the other"


def _expected(rows: int, limit: float | None) -> int:
    """Return how many questions lm-eval asks under a limit: a count, or a share if below 1."""
    if not limit:
        return rows
    return min(rows, int(limit) if limit >= 1 else math.ceil(rows * limit))


def _of_samples(score: Score, samples: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Compute a score again from its samples."""
    read = [one for one in samples if one["filter"] == score.filter]
    where = f"{score.task}: {score.metric},{score.filter}"
    twice = [
        number for number, count in Counter(one["doc_id"] for one in read).items() if count > 1
    ]
    if twice:
        yield f"{where}: {len(twice)} questions have two samples, the first is {min(twice)}"
    if score.n and len(read) != score.n:
        yield f"{where}: n is {score.n:,}, but there are {len(read):,} samples"
        return
    values = [one[score.metric] for one in read if score.metric in one]
    if not values or not all(isinstance(value, int | float) for value in values):
        yield f"{where}: the samples do not hold this metric"
        return
    mean = math.fsum(values) / len(values)
    if abs(mean - score.value) > CLOSE:
        yield f"{where} is {score.value:.6g}, the mean of its samples {mean:.6g}"


def _notes(run: Measured) -> Iterator[str]:
    tasks = _tasks(run)
    without = [task for task in tasks if task not in run.samples]
    if without:
        which = "" if len(without) == len(tasks) else f" of {', '.join(without)}"
        yield f"no samples{which}: scores cannot be computed again"
    for task, facts in (run.facts["tasks"] if run.facts else {}).items():
        if isinstance(facts, dict) and facts.get("rows") != facts.get("known_rows"):
            yield f"{task}: {facts.get('rows')} of {facts.get('known_rows')} known rows"
        if isinstance(facts, dict) and facts.get("cut_prompts"):
            yield f"{task}: {facts['cut_prompts']} prompts did not fit and lost their beginning"


def _duplicates(runs: Sequence[Measured]) -> Iterator[str]:
    """Tell tasks that one model has two files for: the table would show the newest only."""
    found: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for run in runs:
        for task in _tasks(run):
            found[run.model, task].append(run)
    pairs: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for (_, task), own in found.items():
        if len(own) > 1:
            pairs[tuple(run.name for run in own)].append(task)
    for names, tasks in pairs.items():
        yield f"{' and '.join(names)} both hold {', '.join(tasks)}: remove the older one's files"


def _mixed(runs: Sequence[Measured]) -> Iterator[str]:
    """Tell columns that mix protocols or task versions."""
    ways: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for task, score in _tasks(run).items():
            ways[task][score.protocol, score.version].append(run.name)
    for task, found in ways.items():
        if len(found) > 1:
            told = "; ".join(f"{protocol} version {version or 'unknown'} in {', '.join(names)}"
                             for (protocol, version), names in found.items())  # fmt: skip
            yield f"{task} is not one column: {told}"
