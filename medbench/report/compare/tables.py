"""The tables of a comparison, as blocks that every format takes."""

from collections.abc import Iterator, Sequence

from medbench.report.compare.comparison import LEVEL, Comparison, Contrast, TaskComparison
from medbench.report.compare.positions import Agreement, Positions
from medbench.report.formats import BOLD, END, Block
from medbench.results import one_line
from medbench.scoring.statistics import Estimate

__all__ = [
    "HEADERS",
    "agreement",
    "cells",
    "contrasts",
    "details",
    "every_table",
    "legend",
    "percent",
    "preferences",
    "summary",
]

HEADERS = ("n", "A", "B", "B - A", "p", "fixed", "broken", "B is")
"""Of every table of contrasts, after its first column."""
MISSING = "—"


def every_table(comparison: Comparison) -> list[Block]:
    """Return all tables, in the order of the document; the first one says how to read it."""
    return [
        summary(comparison, tuple(legend(comparison))),
        preferences(comparison.tasks),
        *agreement(comparison.agreements),
        *(block for task in comparison.tasks for block in details(task)),
    ]


def contrasts(comparison: Comparison) -> list[Contrast]:
    """Return the rows of the first table: the tasks, then all together if they are several."""
    overall = [comparison.overall] if comparison.overall else []
    return [task.contrast for task in comparison.tasks] + overall


def summary(comparison: Comparison, notes: tuple[str, ...] = ()) -> Block:
    """Return the first table: B against A, task by task."""
    title = f"{one_line(comparison.b.model)} against {one_line(comparison.a.model)}"
    return _contrasts(title, "task", contrasts(comparison), notes)


def legend(comparison: Comparison) -> Iterator[str]:
    """Say how the numbers of the first table were made."""
    tasks = len(comparison.tasks)
    holm = f", after Holm over the {tasks} tasks" if tasks > 1 else ""
    yield "Accuracies in % with 95 % Wilson intervals; B - A in points with Bonett and Price's."
    yield (
        f"p: McNemar's exact test{holm}; a difference is shown if p is below {LEVEL:g}. "
        "Differences that would often go unseen are found in less than four of five such runs."
    )
    yield "Fixed: only B was right; broken: only A was."
    if comparison.overall:
        yield "all: every question weighs the same; one test, not corrected."
    grouped = [one for one in contrasts(comparison) if one.clusters < one.paired.n]
    if grouped:
        told = ", ".join(f"{one_line(one.label)} {one.clusters} groups" for one in grouped)
        yield f"Questions that belong together are not counted as independent: {told}."


def preferences(tasks: Sequence[TaskComparison]) -> Block:
    """Return how far each model's letters are from the right ones."""
    rows = []
    for one in tasks:
        found = one.positions
        bias = [f"{percent(one.bias)} ({one.favourite})" if one.favourite else MISSING
                for one in (found.a, found.b)]  # fmt: skip
        unread = [str(one.unread) for one in (found.a, found.b)]
        rows.append((one_line(one.task.task), *bias, *unread))
    headers = ("task", "A moves", "B moves", "A no answer", "B no answer")
    note = (
        "Moves: letters in % that would have to be others to be spread as the right ones are, "
        "and the letter that is answered too often; no answer: outputs in which none was found."
    )
    return Block("Does a model prefer a letter?", headers, tuple(rows), (note,))


def agreement(agreements: Sequence[Agreement]) -> list[Block]:
    """Return likeliest letters against written answers, if both were asked for."""
    rows = tuple(
        (
            one.side,
            f"{one_line(one.letters_task)}, {one_line(one.generated_task)}",
            str(one.n),
            _share(one.same),
            percent(one.letters_right),
            percent(one.generated_right),
            str(one.unread),
        )
        for one in agreements
    )
    headers = ("", "tasks", "n", "same answer", "letters right", "written right", "no answer")
    return [Block("Likeliest letter and written answer", headers, rows, names=2)] if rows else []


def details(task: TaskComparison) -> Iterator[Block]:
    """Yield a task by letter, then by every tag of its questions."""
    name = one_line(task.task.task)
    yield _positions(f"{name} by letter", task.positions)
    for tag, parts in task.parts.items():
        note = f"p after Holm over the {len(parts)} rows."
        yield _contrasts(f"{name} by {one_line(tag)}", one_line(tag), parts, (note,))


def cells(one: Contrast) -> tuple[str, ...]:
    """Return a row of contrasts; an interval follows its number after a blank."""
    return (
        one_line(one.label),
        str(one.paired.n),
        _share(one.a),
        _share(one.b),
        _difference(one.paired.difference),
        _p(one.p),
        str(one.paired.fixed),
        str(one.paired.broken),
        one.verdict if one.p < LEVEL else "not shown to differ",
    )


def percent(value: float | None) -> str:
    """Return a share in percent."""
    return MISSING if value is None else f"{100 * value:.1f}"


def _contrasts(title: str, name: str, rows: Sequence[Contrast], notes: tuple[str, ...]) -> Block:
    texts = [cells(one) for one in rows]
    drawn = tuple((*own[:-1], f"{BOLD}{own[-1]}{END}" if one.p < LEVEL else own[-1])
                  for one, own in zip(rows, texts, strict=True))  # fmt: skip
    return Block(title, (name, *HEADERS), drawn, notes)


def _positions(title: str, found: Positions) -> Block:
    rows = tuple((one.letter, *map(percent, one[1:])) for one in found.letters)
    headers = ("letter", "right", "A answers", "B answers", "A finds", "B finds")
    note = (
        "Right, answers: shares in % of all letters; finds: how often the letter was answered "
        "where it was right."
    )
    return Block(title, headers, rows, (note,))


def _share(one: Estimate) -> str:
    return f"{percent(one.value)} [{percent(one.low)}, {percent(one.high)}]"


def _difference(one: Estimate) -> str:
    value, low, high = (f"{100 * bound:+.1f}" for bound in (one.value, one.low, one.high))
    return f"{value} [{low}, {high}]"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "<0.001"
