"""A comparison in the terminal: the table of tasks, what follows from it, some questions."""

from collections.abc import Sequence

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from medbench.report.compare.comparison import Comparison
from medbench.report.compare.document import conclusions, heading
from medbench.report.compare.tables import HEADERS, cells, contrasts

__all__ = ["show"]

STYLES = {"better": "bold green", "worse": "bold red"}
NUMBERS = 80
"""Characters of a table's row after the task."""


def show(comparison: Comparison, examples: int, console: Console | None = None) -> None:
    """Print a comparison; what is told by letter, subject and year is left to the files.

    Args:
        comparison: What `compare_runs` returned.
        examples: Fixed and broken questions to show.
        console: Where to print; the standard output by default.
    """
    console = console or Console()
    rows = [cells(one) for one in contrasts(comparison)]
    console.print(Markdown(heading(comparison)))
    console.print()
    if console.width < NUMBERS + max(len(label) for label, *_ in rows):
        for row in rows:
            console.print(in_words(row))
    else:
        console.print(as_table(rows))
    console.print(Markdown(conclusions(comparison, examples)))


def as_table(rows: Sequence[Sequence[str]]) -> Table:
    """Return a table with intervals under their numbers."""
    table = Table(box=None, pad_edge=False)
    table.add_column("task")
    for header in HEADERS:
        table.add_column(header, justify="right", no_wrap=header != HEADERS[-1], min_width=3)
    for label, *numbers, verdict in rows:
        texts = []
        for number in numbers:
            value, _, interval = number.partition(" ")
            texts.append(Text.assemble(value, (f"\n{interval}" if interval else "", "dim")))
        table.add_row(Text(label), *texts, Text(verdict, STYLES.get(verdict, "")))
    return table


def in_words(row: Sequence[str]) -> Text:
    """Return a row for a narrow terminal: two or three lines."""
    label, n, a, b, difference, p, fixed, broken, verdict = row
    return Text.assemble(
        (label, "bold"),
        f": A {a}, B {b}, B - A {difference}, p {p}, {fixed} fixed, {broken} broken of {n}; B is ",
        (verdict, STYLES.get(verdict, "")),
    )
