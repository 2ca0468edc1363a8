"""A comparison in the terminal: the table of tasks, what follows from it, some questions."""

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from medbench.report.compare.comparison import Comparison
from medbench.report.compare.document import conclusions, heading
from medbench.report.compare.tables import HEADERS, cells, contrasts

__all__ = ["show"]

STYLES = {"better": "bold green", "worse": "bold red"}


def show(comparison: Comparison, examples: int, console: Console | None = None) -> None:
    """Print a comparison; what is told by letter, subject and year is left to the files.

    Args:
        comparison: What `compare_runs` returned.
        examples: Fixed and broken questions to show.
        console: Where to print; the standard output by default.
    """
    console = console or Console()
    console.print(Markdown(heading(comparison)))
    table = Table(box=None, pad_edge=False)
    table.add_column("task", overflow="fold")
    for header in HEADERS:
        table.add_column(header, justify="right", no_wrap=header != HEADERS[-1], min_width=3)
    for one in contrasts(comparison):
        label, *numbers, verdict = cells(one)
        texts = []
        for number in numbers:
            value, _, interval = number.partition(" ")
            texts.append(Text.assemble(value, (f"\n{interval}" if interval else "", "dim")))
        table.add_row(Text(label), *texts, Text(verdict, STYLES.get(verdict, "")))
    console.print()
    console.print(table)
    console.print(Markdown(conclusions(comparison, examples)))
