"""A comparison as text: a Markdown document; its first parts are also the terminal's."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from medbench.report.compare import tables
from medbench.report.compare.comparison import LEVEL, Comparison, Contrast
from medbench.report.compare.pairing import Pair
from medbench.report.compare.samples import Item
from medbench.report.formats import Block, latex, markdown, markdown_escape
from medbench.results import one_line

__all__ = ["conclusions", "document", "heading", "latex_tables"]

LONGEST = 600
"""Characters shown of a question, its context or an answer."""


def document(comparison: Comparison, examples: int) -> str:
    """Return everything in Markdown: the tasks in one table, then each by letter, subject and year.

    Args:
        comparison: What `compare_runs` returned.
        examples: Fixed and broken questions to show.
    """
    details = (block for task in comparison.tasks for block in tables.details(task))
    parts = [
        heading(comparison),
        _drawn(replace(tables.summary(comparison), title="")),
        conclusions(comparison, examples),
        *map(_drawn, details),
    ]
    return "\n\n".join(parts) + "\n"


def latex_tables(comparison: Comparison) -> str:
    """Return all tables in LaTeX; who is compared, and what must be known first, are comments."""
    a, b = comparison.a, comparison.b
    sides = [f"{side}: {one_line(run.model)}" for side, run in (("A", a), ("B", b))]
    return latex(tables.every_table(comparison), [*sides, *map(one_line, comparison.notes)])


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
    verdicts = "\n".join(f"- {line}" for line in _verdicts(tables.contrasts(comparison)))
    legend = "\n".join(f"- {markdown_escape(line)}" for line in tables.legend(comparison))
    blocks = [
        f"## Is B better?\n\n{verdicts}",
        f"## How to read this\n\n{legend}",
        _drawn(tables.preferences(comparison.tasks)),
        *map(_drawn, tables.agreement(comparison.agreements)),
        *_examples(comparison, examples),
    ]
    return "\n\n".join(blocks)


def _drawn(block: Block) -> str:
    """Return a table in Markdown, under a heading of the document's."""
    title = f"## {_plain(block.title)}\n\n" if block.title else ""
    return title + markdown([replace(block, title="")]).rstrip("\n")


def _verdicts(rows: Sequence[Contrast]) -> Iterator[str]:
    """Say what may be concluded of which rows, and what could not have been seen."""
    for verdict in ("better", "worse"):
        own = [one for one in rows if one.verdict == verdict]
        told = [f"{_plain(one.label)} ({100 * one.paired.difference.value:+.1f})" for one in own]
        if told:
            yield f"**{verdict.capitalize()}:** {', '.join(told)}."
    own = [one for one in rows if one.p >= LEVEL]
    told = [
        f"{_plain(one.label)} ({tables.percent(one.detectable)})"
        if one.detectable < 1
        else f"{_plain(one.label)} (too few questions to show any)"
        for one in own
    ]
    if told:
        start = "**No difference shown**, and smaller ones than these points would often go unseen"
        yield f"{start}: {', '.join(told)}."


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


def _plain(text: str) -> str:
    """Return text on one line, not too long, with nothing that Markdown reads as its own."""
    line = one_line(text)
    line = line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
    # what begins a heading or a list does so only at the start of a line
    return re.sub(r"^(\d*)([#+\-.)])", r"\1\\\2", markdown_escape(line))
