"""A comparison as text: a Markdown document; its first parts are also the terminal's."""

import re
from collections.abc import Iterator, Sequence

from medbench.report.compare.comparison import LEVEL, Comparison, Contrast, TaskComparison
from medbench.report.compare.pairing import Pair
from medbench.report.compare.positions import Agreement, Positions
from medbench.report.compare.samples import Item
from medbench.report.formats import markdown_escape
from medbench.results import one_line
from medbench.scoring.statistics import Estimate

__all__ = ["HEADERS", "cells", "conclusions", "contrasts", "document", "heading"]

LONGEST = 600
"""Characters shown of a question, its context or an answer."""
HEADERS = ("n", "A", "B", "B - A", "p", "fixed", "broken", "B is")
"""Of every table of contrasts, after its first column."""
MISSING = "—"


def document(comparison: Comparison, examples: int) -> str:
    """Return everything: the tasks in one table, then each by letter, subject and year.

    Args:
        comparison: What `compare_runs` returned.
        examples: Fixed and broken questions to show.
    """
    details = (block for task in comparison.tasks for block in _details(task))
    blocks = [
        heading(comparison),
        _contrasts("task", contrasts(comparison)),
        conclusions(comparison, examples),
        *details,
    ]
    return "\n\n".join(blocks) + "\n"


def contrasts(comparison: Comparison) -> list[Contrast]:
    """Return the rows of the first table: the tasks, then all together if they are several."""
    overall = [comparison.overall] if comparison.overall else []
    return [task.contrast for task in comparison.tasks] + overall


def heading(comparison: Comparison) -> str:
    """Return who is compared, and what must be known first."""
    a, b = comparison.a, comparison.b
    notes = "\n".join(f"- **Note:** {_plain(note)}" for note in comparison.notes)
    sides = (
        f"- A: {_plain(a.model)} ({_plain(str(a.path))})\n"
        f"- B: {_plain(b.model)} ({_plain(str(b.path))})"
    )
    title = f"# {_plain(b.model)} against {_plain(a.model)}"
    return "\n\n".join(filter(None, [title, sides, notes]))


def conclusions(comparison: Comparison, examples: int) -> str:
    """Return what may be said, how the numbers were made, and some questions."""
    verdicts = "\n".join(f"- {line}" for line in _verdicts(contrasts(comparison)))
    legend = "\n".join(f"- {line}" for line in _legend(comparison))
    blocks = [
        f"## Is B better?\n\n{verdicts}",
        f"## How to read this\n\n{legend}",
        f"## Does a model prefer a letter?\n\n{_preferences(comparison.tasks)}",
        *_agreement(comparison.agreements),
        *_examples(comparison, examples),
    ]
    return "\n\n".join(blocks)


def cells(one: Contrast) -> tuple[str, ...]:
    """Return a row of the first table; an interval follows its number after a blank."""
    return (
        one.label,
        str(one.paired.n),
        _share(one.a),
        _share(one.b),
        _difference(one.paired.difference),
        _p(one.p),
        str(one.paired.fixed),
        str(one.paired.broken),
        one.verdict if one.p < LEVEL else "not shown to differ",
    )


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    aligned = ("left", *["right"] * (len(headers) - 1))
    return tabulate(rows, headers, "pipe", disable_numparse=True, colalign=aligned)


def _contrasts(name: str, rows: Sequence[Contrast]) -> str:
    texts = [cells(one) for one in rows]
    drawn = [(_plain(label), *numbers, f"**{verdict}**" if one.p < LEVEL else verdict)
             for one, (label, *numbers, verdict) in zip(rows, texts, strict=True)]  # fmt: skip
    return _table((name, *HEADERS), drawn)


def _verdicts(rows: Sequence[Contrast]) -> Iterator[str]:
    """Say what may be concluded of which rows, and what could not have been seen."""
    for verdict in ("better", "worse"):
        own = [one for one in rows if one.verdict == verdict]
        told = [f"{_plain(one.label)} ({100 * one.paired.difference.value:+.1f})" for one in own]
        if told:
            yield f"**{verdict.capitalize()}:** {', '.join(told)}."
    own = [one for one in rows if one.p >= LEVEL]
    told = [
        f"{_plain(one.label)} ({_percent(one.detectable)})"
        if one.detectable < 1
        else f"{_plain(one.label)} (too few questions to show any)"
        for one in own
    ]
    if told:
        start = "**No difference shown**, and smaller ones than these points would often go unseen"
        yield f"{start}: {', '.join(told)}."


def _legend(comparison: Comparison) -> Iterator[str]:
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
        told = ", ".join(f"{_plain(one.label)} {one.clusters} groups" for one in grouped)
        yield f"Questions that belong together are not counted as independent: {told}."


def _preferences(tasks: Sequence[TaskComparison]) -> str:
    rows = []
    for one in tasks:
        found = one.positions
        bias = [f"{_percent(one.bias)} ({one.favourite})" if one.favourite else MISSING
                for one in (found.a, found.b)]  # fmt: skip
        unread = [str(one.unread) for one in (found.a, found.b)]
        rows.append((_plain(one.task.task), *bias, *unread))
    headers = ("task", "A moves", "B moves", "A no answer", "B no answer")
    note = (
        "- Moves: letters in % that would have to be others to be spread as the right ones are, "
        "and the letter that is answered too often; no answer: outputs in which none was found."
    )
    return f"{_table(headers, rows)}\n\n{note}"


def _agreement(agreements: Sequence[Agreement]) -> Iterator[str]:
    """Yield the table of likeliest letters against written answers."""
    rows = [
        (
            one.side,
            f"{_plain(one.letters_task)}, {_plain(one.generated_task)}",
            str(one.n),
            _share(one.same),
            f"{100 * one.letters_right:.1f}",
            f"{100 * one.generated_right:.1f}",
            str(one.unread),
        )
        for one in agreements
    ]
    headers = ("", "tasks", "n", "same answer", "letters right", "written right", "no answer")
    if rows:
        yield "## Likeliest letter and written answer"
        yield _table(headers, rows)


def _examples(comparison: Comparison, count: int) -> Iterator[str]:
    for is_fixed, words in ((False, "broken by B"), (True, "fixed by B")):
        for task, pair in comparison.examples(count, fixed=is_fixed):
            yield f"## {_plain(task)}: {words}"
            yield _example(pair)


def _example(pair: Pair) -> str:
    """Return a question with its options, the right ones bold, and both answers."""
    question = pair.a.question
    options = []
    for letter, option in question.options.items():
        text = f"{letter}. {_plain(option)}"
        options.append(f"- **{text}** (right)" if letter in question.gold else f"- {text}")
    texts = [_plain(text) for text in (question.context, question.text) if text]
    answers = f"- A: {_answer(pair.a)}\n- B: {_answer(pair.b)}"
    return "\n\n".join([f"Question {_plain(question.id)}.", *texts, "\n".join(options), answers])


def _answer(item: Item) -> str:
    """Return the letters, and the text that they were read from if it says more."""
    letters = ", ".join(sorted(item.letters)) or "no answer found"
    is_choice = item.said.removesuffix(".") in (letters, *item.question.options.values())
    return letters if is_choice else f"{letters}, from: {_plain(item.said)}"


def _details(task: TaskComparison) -> Iterator[str]:
    name = _plain(task.task.task)
    yield f"## {name} by letter"
    yield _positions(task.positions)
    yield (
        "- Right, answers: shares in % of all letters; finds: how often the letter was answered "
        "where it was right."
    )
    for tag, contrasts in task.parts.items():
        yield f"## {name} by {_plain(tag)}"
        yield _contrasts(tag, contrasts)
        yield f"- p after Holm over the {len(contrasts)} rows."


def _positions(found: Positions) -> str:
    rows = [(one.letter, *map(_percent, one[1:])) for one in found.letters]
    headers = ("letter", "right", "A answers", "B answers", "A finds", "B finds")
    return _table(headers, rows)


def _plain(text: str) -> str:
    """Return text on one line, not too long, with nothing that Markdown reads as its own."""
    line = one_line(text)
    line = line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
    # what begins a heading or a list does so only at the start of a line
    return re.sub(r"^(\d*)([#+\-.)])", r"\1\\\2", markdown_escape(line))


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f}"


def _share(one: Estimate) -> str:
    return f"{_percent(one.value)} [{_percent(one.low)}, {_percent(one.high)}]"


def _difference(one: Estimate) -> str:
    value, low, high = (f"{100 * bound:+.1f}" for bound in (one.value, one.low, one.high))
    return f"{value} [{low}, {high}]"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "<0.001"
