"""Text that goes into a card's Markdown."""

import re
from collections.abc import Collection, Sequence

from medbench.report.formats import markdown_escape
from medbench.results import one_line

__all__ = ["block", "escaped", "line", "table", "without_folders"]

FOLDERS = re.compile(r"(?<![\w/:.])(?:~|[A-Za-z]:)?[\\/](?:[^\s\\/:;,'\"]+[\\/])+")
"""The folders of an absolute path; an address begins with a word and a colon."""


def escaped(text: str) -> str:
    """Return text on one line with nothing that Markdown, HTML or a link reads as its own."""
    return markdown_escape(one_line(text))


def line(text: str) -> str:
    """Return the same for the start of a line, where more signs mean something."""
    return re.sub(r"^(\d*)([#+\-.)])", r"\1\\\2", escaped(text))


def without_folders(text: str) -> str:
    """Return text in which absolute paths keep their last part only."""
    return FOLDERS.sub("", text)


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()
) -> str:
    """Return a table of cells that are Markdown already.

    Args:
        headers: one a column.
        rows: cells.
        right: headers of columns that are flush right.
    """
    from tabulate import tabulate

    aligned = ["right" if header in right else "left" for header in headers]
    return tabulate(rows, headers, "pipe", disable_numparse=True, colalign=aligned)


def block(text: str, language: str) -> str:
    """Return text as a fenced block, the fence longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.strip()}\n{fence}"
