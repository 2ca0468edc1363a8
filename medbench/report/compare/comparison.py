"""`Comparison`: A against B on the same questions, in numbers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from pathlib import Path

from medbench.errors import ResultError
from medbench.question import Question
from medbench.report.compare.pairing import Pair, PairedTask, pair_runs
from medbench.report.compare.positions import Agreement, Positions, agreements, positions
from medbench.report.compare.samples import Run, find_run, in_common
from medbench.scoring.statistics import Estimate
from medbench.scoring.statistics.clusters import numbered, share
from medbench.scoring.statistics.detectable import paired_detectable
from medbench.scoring.statistics.paired import Paired, compare
from medbench.scoring.statistics.standings import holm

__all__ = ["LEVEL", "Comparison", "Contrast", "TaskComparison", "compare_runs"]

LEVEL = 0.05
"""The chance of any false claim in one table."""
FEWEST, MOST = 10, 30
"""A group of fewer questions is not shown by itself, nor more groups than these."""
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Contrast:
    """A and B on some questions."""

    label: str
    """A task, or a subject, a year, …"""
    clusters: int
    """Groups of questions that have something in common; n if each is on its own."""
    a: Estimate
    """A's accuracy."""
    b: Estimate
    """B's accuracy."""
    paired: Paired
    """Fixed, broken, the difference, and p by itself."""
    p: float
    """Corrected after Holm for the contrasts of its table."""
    detectable: float
    """The least difference that four of five such tables would have shown."""

    @property
    def verdict(self) -> str:
        """What may be said of B."""
        if self.p >= LEVEL:
            return "no difference shown"
        return "better" if self.paired.fixed > self.paired.broken else "worse"


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """One task."""

    task: PairedTask
    contrast: Contrast
    parts: Mapping[str, tuple[Contrast, ...]]
    """By tag: subject, year, exam, …; each tag is a table of its own."""
    positions: Positions


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that `medbench compare` tells."""

    a: Run
    b: Run
    overall: Contrast | None
    """All questions of all tasks alike; None if there is one task."""
    tasks: tuple[TaskComparison, ...]
    agreements: tuple[Agreement, ...]
    """Letters against generated answers, where both were asked for."""
    notes: tuple[str, ...]

    def examples(self, count: int, *, fixed: bool) -> list[tuple[str, Pair]]:
        """Return questions that B fixed, or broke, with their tasks, one of each task in turn.

        The tasks with the clearest differences come first; in a task, answers that could be read,
        then short questions.
        """
        wanted = 1 if fixed else -1
        named = []
        for one in sorted(self.tasks, key=lambda one: one.contrast.p):
            changed = [pair for pair in one.task.pairs.values() if _changed(pair) == wanted]
            named.append([(one.task.task, pair) for pair in sorted(changed, key=_telling)])
        turns = chain.from_iterable(zip_longest(*named))
        return list(islice(filter(None, turns), count))


def compare_runs(a: Path, b: Path, cluster: str | None = None) -> Comparison:
    """Compare two runs.

    Args:
        a: A results file, or a folder of one model's results, with the samples beside them.
        b: The other.
        cluster: The tag (exam, year, …) whose questions are not independent; by default these are
            questions on the same text, or with the same words.

    Raises:
        ResultError: something cannot be read or must not be compared; names all such faults.
    """
    first, second = _find_runs(a, b)
    paired, notes = pair_runs(first, second)
    if cluster:
        _check_tag(cluster, paired)
    tables = [_contrast(task.task, list(task.pairs.values()), cluster) for task in paired]
    everything = list(chain.from_iterable(task.pairs.values() for task in paired))
    return Comparison(
        first,
        second,
        _contrast("all", everything, cluster) if len(paired) > 1 else None,
        tuple(
            TaskComparison(task, contrast, _parts(task, cluster), positions(task.pairs.values()))
            for task, contrast in zip(paired, _corrected(tables), strict=True)
        ),
        tuple(agreements(paired)),
        tuple(notes),
    )


def _find_runs(*paths: Path) -> list[Run]:
    """Find the runs; the faults of all paths are told at once."""
    runs: list[Run] = []
    faults: list[str] = []
    for path in paths:
        try:
            runs.append(find_run(path))
        except ResultError as error:
            faults.append(str(error))
    if faults:
        raise ResultError("\n".join(faults))
    return runs


def _check_tag(tag: str, tasks: Sequence[PairedTask]) -> None:
    """Refuse a tag that not all questions have.

    Raises:
        ResultError: names the tasks, and the tags that they have.
    """
    faults = []
    for task in tasks:
        tags = [_tags(pair.a.question) for pair in task.pairs.values()]
        if not all(tag in own for own in tags):
            known = sorted(set.intersection(*map(set, tags)))
            faults.append(f"{task.task}: not every question has a {tag}; all have: "
                          f"{', '.join(known) or 'no tag'}")  # fmt: skip
    if faults:
        raise ResultError("\n".join(faults))


def _tags(question: Question) -> dict[str, str]:
    """Return the tags that are filled in."""
    return {tag: value for tag, value in question.tags.items() if value}


def _contrast(label: str, pairs: Sequence[Pair], tag: str | None) -> Contrast:
    """Compare A and B on some questions, as if it were the only comparison."""
    before, after = [pair.a.is_right for pair in pairs], [pair.b.is_right for pair in pairs]
    clusters = numbered(in_common(pair.a.question, tag) for pair in pairs)
    groups = len(set(clusters.tolist()))
    paired = compare(before, after, clusters)
    a, b = share(before, clusters), share(after, clusters)
    return Contrast(label, groups, a, b, paired, paired.p, _detectable(paired, groups, LEVEL))


def _detectable(paired: Paired, groups: int, level: float) -> float:
    if 2.0 ** (1 - groups) >= level:
        return 1.0  # even if all groups changed alike, the exact test would call it chance
    discordant = (paired.fixed + paired.broken) / paired.n
    return paired_detectable(paired.effective_n, discordant, level=level)


def _corrected(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Correct the contrasts of one table for their number."""
    corrected = holm([contrast.paired.p for contrast in contrasts])
    level = LEVEL / len(contrasts)
    return [
        replace(one, p=p, detectable=_detectable(one.paired, one.clusters, level))
        for one, p in zip(contrasts, corrected, strict=True)
    ]


def _parts(task: PairedTask, cluster: str | None) -> dict[str, tuple[Contrast, ...]]:
    """Compare within each subject, year, …: whatever tags the rows have."""
    found = {}
    pairs = list(task.pairs.values())
    for tag in sorted({tag for pair in pairs for tag in _tags(pair.a.question)}):
        counts = Counter(pair.a.question.tags.get(tag) or OTHERS for pair in pairs)
        shown = {value for value, n in counts.most_common(MOST) if n >= FEWEST}
        groups: dict[str, list[Pair]] = defaultdict(list)
        for pair in pairs:
            value = pair.a.question.tags.get(tag) or OTHERS
            groups[value if value in shown else OTHERS].append(pair)
        if len(shown - {OTHERS}) > 1:
            ordered = sorted(groups, key=lambda value: (value == OTHERS, value))
            parts = [_contrast(value, groups[value], cluster) for value in ordered]
            found[tag] = tuple(_corrected(parts))
    return found


def _changed(pair: Pair) -> int:
    """Return 1 for a fixed question, -1 for a broken one."""
    return int(pair.b.is_right) - int(pair.a.is_right)


def _telling(pair: Pair) -> tuple[int, int, str]:
    """Sort answers that were found before those that were not, then short questions first."""
    unread = (not pair.a.letters) + (not pair.b.letters)
    question = pair.a.question
    return unread, len(question.context) + len(question.text), question.id
