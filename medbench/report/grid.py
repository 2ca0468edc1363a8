"""The grid: which cells the results fill, and in which order.

A grid holds panels; a panel is one benchmark asked and read one way; its columns are languages or
exams, then their mean. `table` and `plot` only draw it.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from medbench.results import Results, Score
from medbench.scoring.statistics import macro_mean, normal_interval, weighted_mean, wilson

__all__ = ["MARKS", "SHARES", "Cell", "Column", "Grid", "Panel", "grid", "shown"]

BENCHMARKS = {"mmedbench": "MMedBench", "kormedmcqa": "KorMedMCQA", "usmle": "USMLE",
              "medmcqa": "MedMCQA", "pubmedqa": "PubMedQA", "careqa": "CareQA",
              "flowertune": "FlowerTune"}  # fmt: skip
PROTOCOLS = {"letters": "letters", "paper": "paper's prompt", "direct": "direct",
             "cot": "chain of thought", "sllm": "sLLM", "rationale": "rationale"}  # fmt: skip
FILTERS = {"none": "", "extract": "", "original": "original rule"}
MMEDBENCH = ("english", "chinese", "japanese", "french", "russian", "spanish")
KORMEDMCQA = ("doctor", "nurse", "pharm", "dentist")
MEMBERS = {"mmedbench": MMEDBENCH, "kormedmcqa": KORMEDMCQA, "careqa": ("en", "es"),
           "flowertune": ("pubmedqa", "medmcqa", "usmle", "careqa")}  # fmt: skip
# As MMedBench's paper and FlowerTune's leaderboard do; elsewhere every question weighs the same.
MACRO = ("mmedbench", "flowertune")
SUBSETS = {name: name.capitalize() for name in MMEDBENCH + KORMEDMCQA}
SUBSETS |= {"en": "English", "es": "Spanish", "labeled": "", "validation": "", **BENCHMARKS}
METRICS = {"acc": "", "acc_norm": "normalised", "bleu1": "BLEU-1", "bleu4": "BLEU-4",
           "rouge1": "ROUGE-1", "rougeL": "ROUGE-L", "bertscore": "BERTScore"}  # fmt: skip
WORDS = (BENCHMARKS, PROTOCOLS, METRICS, FILTERS)
MARKS = ("unparsed", "truncated")
# Means of zeros and ones, so that Wilson's interval applies.
SHARES = frozenset({"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", *MARKS})
PERCENT = SHARES | {"f1", *METRICS}
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one model reached in one column."""

    score: Score
    """The number; of a mean, value and n are the mean's."""
    interval: tuple[float, float] | None
    """Of 95 %, if there is one."""
    marks: Mapping[str, float]
    """Shares of outputs that were "unparsed" (no answer found) or "truncated", where reported."""
    is_best: bool = False
    """The best of its column at the precision shown."""


@dataclass(frozen=True, slots=True)
class Column:
    """One task, or a mean of several."""

    label: str
    """English, Doctor, Avg, …; empty for the only task of a panel."""
    heading: str
    """The label with its panel's title, for tables that mix panels."""
    cells: Mapping[str, Cell]
    """By model; a model that did not run has none."""
    mean: str = ""
    """What weighs the same in a mean of the columns before: "set" or "item"; empty for a task."""
    is_comparable: bool = True
    """All models answered the same questions: one n and one task version."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One benchmark asked one way and read one way."""

    title: str
    """MMedBench · letters, KorMedMCQA · chain of thought · original rule, …"""
    metric: str
    """lm-eval's name."""
    scale: int
    """100 where values are shown in percent, else 1."""
    columns: tuple[Column, ...]
    """Tasks, then their mean."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Every cell, in the order in which it is shown."""

    models: tuple[str, ...]
    """The rows."""
    panels: tuple[Panel, ...]
    """Groups of columns."""
    notes: tuple[str, ...] = ()
    """What a reader should know about the merging of runs."""


def grid(results: Results) -> Grid:
    """Arrange scores into panels: our benchmarks first, then lm-eval's own tasks by name."""
    index = {(s.model, s.task, s.metric, s.filter): s for s in results.scores}
    parts: dict[Key, list[Score]] = defaultdict(list)
    for score in (score for score in results.scores if score.metric not in MARKS):
        if score.protocol == "flowertune":  # one board of four benchmarks
            subset = "" if score.members else score.benchmark
            score = replace(score, benchmark="flowertune", protocol="", subset=subset)
        parts[score.benchmark, score.protocol, score.metric, score.filter].append(score)
    panels = [_panel(key, parts[key], index) for key in sorted(parts, key=_order)]
    models = sorted({s.model for s in results.scores}, key=lambda name: (name.casefold(), name))
    return Grid(tuple(models), tuple(_gather(panels)), results.notes)


def shown(value: float, scale: int) -> str:
    """Return a value as tables and figures print it."""
    return f"{value * scale:.1f}" if scale == 100 else f"{value:.4g}"


def _order(key: Key) -> tuple[object, ...]:
    """Sort known names in the order of their tables, unknown ones behind them."""
    return tuple(_rank(name, table) for name, table in zip(key, WORDS, strict=True))


def _rank(name: str, table: Iterable[str]) -> tuple[int, str]:
    known = list(table)
    return (known.index(name), "") if name in known else (len(known), name)


def _panel(key: Key, scores: Sequence[Score], index: Mapping[Key, Score]) -> Panel:
    """Lay out one benchmark, asked and read one way: its tasks in order, then their mean."""
    benchmark, _, metric, _ = key
    # Rationale scores and shares are within [0, 1]; a scorer that writes 0 to 100 is left as it is.
    scale = 100 if metric in PERCENT and all(0 <= s.value <= 1 for s in scores) else 1
    tasks: dict[str, list[Score]] = defaultdict(list)
    for score in sorted(scores, key=lambda s: (_rank(s.subset, SUBSETS), s.task)):
        if benchmark not in MEMBERS or not score.members:
            tasks[score.task].append(score)
    labels = [SUBSETS.get(own[0].subset, own[0].subset.replace("_", " ")) for own in tasks.values()]
    parts = (table.get(part, part) for table, part in zip(WORDS, key, strict=True))
    title = " · ".join(filter(None, parts))
    columns = []
    for label, (task, own) in zip(labels, tasks.items(), strict=True):
        unique = label if labels.count(label) == 1 else task
        columns.append(_column(title, unique, [_cell(s, index) for s in own], scale))
    means = _means(benchmark, scores, index)
    if means or any(score.members for score in scores if benchmark in MEMBERS):
        mean = "set" if benchmark in MACRO else "item"
        columns.append(replace(_column(title, "Avg", means, scale), mean=mean))
    return Panel(title, metric, scale, tuple(columns))


def _column(title: str, label: str, cells: Sequence[Cell], scale: int) -> Column:
    """Mark the best cells; there is none where models answered different questions."""
    is_comparable = len({(cell.score.n, cell.score.version) for cell in cells}) <= 1
    if is_comparable and len(cells) > 1:
        extreme = max if cells[0].score.higher_is_better else min
        best = shown(extreme(cell.score.value for cell in cells), scale)
        cells = [replace(cell, is_best=shown(cell.score.value, scale) == best) for cell in cells]
    heading = " · ".join(filter(None, (title, label)))
    named = {cell.score.model: cell for cell in cells}
    return Column(label, heading, named, is_comparable=is_comparable)


def _cell(score: Score, index: Mapping[Key, Score]) -> Cell:
    """Return a task's cell with its interval, and what went wrong while reading the outputs."""
    marks: dict[str, float] = {}
    # No answer found is one rule's failure, and none of the rationale; a cut output is everyone's.
    readers = ((score.filter,) if score.metric in SHARES else (), (score.filter, "extract"))
    for mark, filters in zip(MARKS, readers, strict=True):
        for name in filters:
            if found := index.get((score.model, score.task, mark, name)):
                marks.setdefault(mark, found.value)
    return Cell(score, _interval(score), marks)


def _interval(score: Score) -> tuple[float, float] | None:
    """Return Wilson's interval of a share, else the normal one; an error of 0 is no certainty."""
    if score.metric in SHARES and score.n and 0 <= score.value <= 1:
        return wilson(round(score.value * score.n), score.n)
    return normal_interval(score.value, score.stderr) if score.stderr else None


def _means(benchmark: str, scores: Sequence[Score], index: Mapping[Key, Score]) -> list[Cell]:
    """Return the mean of each model that has all members."""
    expected = MEMBERS.get(benchmark, ())
    by_model: dict[str, list[Score]] = defaultdict(list)
    for score in scores if expected else ():
        by_model[score.model].append(score)
    means: list[Cell] = []
    for everything in by_model.values():
        own = {score.subset: score for score in everything if not score.members}
        members = [own[subset] for subset in expected if subset in own]
        if len(members) == len(expected) and (benchmark in MACRO or all(s.n for s in members)):
            groups = [score for score in everything if _is_of(score, members)]
            means.append(_mean(members, groups, [_cell(s, index).marks for s in members]))
    return means


def _is_of(group: Score, members: Sequence[Score]) -> bool:
    """Tell whether lm-eval took a group's value over just these members, in the same run."""
    tasks = {score.task for score in members}
    return set(group.members) == tasks and all(s.source == group.source for s in members)


def _mean(
    members: Sequence[Score], groups: Sequence[Score], marks: Sequence[Mapping[str, float]]
) -> Cell:
    """Return the mean that lm-eval wrote, else ours; marks are weighed as the value is.

    In a mean of sets, a member at 0 or 100 % is as uncertain as its Wilson interval is wide.
    """
    values, sizes = [s.value for s in members], [s.n for s in members]
    errors = [_stderr(s) for s in members]
    macro = macro_mean(values, [error or 0.0 for error in errors])
    is_macro = members[0].benchmark in MACRO
    value = macro.value if is_macro else weighted_mean(values, sizes)
    score = replace(
        members[0],
        task=groups[0].task if groups else members[0].task.partition("_")[0],
        value=groups[0].value if groups else value,
        n=sum(sizes),
        stderr=macro.stderr if is_macro and None not in errors else None,
        subset="",
        language="",
    )
    interval = (macro.low, macro.high) if score.stderr else _interval(score)
    shared = [mark for mark in MARKS if all(mark in own for own in marks)]
    weights = [1] * len(members) if is_macro else sizes
    means = {mark: weighted_mean([own[mark] for own in marks], weights) for mark in shared}
    return Cell(score, interval, means)


def _stderr(score: Score) -> float | None:
    """Return a member's standard error: lm-eval's, or the binomial one where it wrote "N/A".

    Of a share whose error is 0, all right or all wrong, it is the one that would make a normal
    interval as wide as Wilson's: a few questions that went alike are no certainty.
    """
    if not score.n or score.metric not in SHARES or not 0 <= score.value <= 1:
        return score.stderr
    binomial = math.sqrt(score.value * (1 - score.value) / score.n)
    low, high = wilson(round(score.value * score.n), score.n)
    _, z = normal_interval(0, 1)
    return (binomial if score.stderr is None else score.stderr) or (high - low) / (2 * z)


def _gather(panels: Iterable[Panel]) -> list[Panel]:
    """Put benchmarks of a single set side by side: a panel for each would be mostly titles."""
    gathered: dict[object, list[Panel]] = defaultdict(list)
    for place, panel in enumerate(panels):
        single = (panel.metric, panel.scale) if len(panel.columns) == 1 else place
        gathered[single].append(panel)
    return [_joined(group) if len(group) > 1 else group[0] for group in gathered.values()]


def _joined(panels: Sequence[Panel]) -> Panel:
    """Return one panel whose columns are named by the titles of several."""
    columns = tuple(replace(c, label=c.heading) for panel in panels for c in panel.columns)
    names = dict.fromkeys(panel.title.split(" · ")[0] for panel in panels)
    title = ", ".join(names) if len(names) <= 4 else "Other tasks"
    return replace(panels[0], title=title, columns=columns)
