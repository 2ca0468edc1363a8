"""Tables as text: Markdown for GitHub, LaTeX with booktabs, one HTML page."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["BOLD", "END", "Block", "html_page", "latex", "markdown", "markdown_escape"]

# Private characters, which no name keeps, stand for markup until a format's escaping is done.
BOLD = "\ue000"
END = "\ue001"
BRACE = "\ue002"
LATEX_MARKUP = str.maketrans({
    BOLD: r"\textbf{", END: "}", BRACE: "{}", "†": r"\textdagger{}", "‡": r"\textdaggerdbl{}",
    "—": "---", "·": r"\textperiodcentered{}",
})  # fmt: skip
LATEX_FIT = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
STYLE = """body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222 }
table { border-collapse: collapse; margin-top: 2em } caption { text-align: left; font-weight: 600 }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left } ul { font-size: .85rem; color: #666 }"""


@dataclass(frozen=True, slots=True)
class Block:
    """One table whose cells are text."""

    title: str
    """Empty where the headers say it all."""
    headers: tuple[str, ...]
    """One a column, names first."""
    rows: tuple[tuple[str, ...], ...]
    """Names, then numbers; what stands between `BOLD` and `END` is bold."""
    notes: tuple[str, ...] = ()
    """What to know about the numbers."""
    names: int = 1
    """How many columns hold names, which are escaped and flush left."""


def markdown(blocks: Sequence[Block], notes: Sequence[str] = ()) -> str:
    """Return tables for GitHub; notes on all of them come last."""
    from tabulate import tabulate

    texts = []
    for block in blocks:
        rows = [
            [markdown_escape(name) for name in row[: block.names]]
            + [_marked(number, "**", "**") for number in row[block.names :]]
            for row in block.rows
        ]
        headers = [markdown_escape(header) for header in block.headers]
        texts += [f"### {markdown_escape(block.title)}"] * bool(block.title)
        drawn = tabulate(rows, headers, "pipe", disable_numparse=True, colalign=_aligned(block))
        texts += [drawn, "\n".join(f"- {markdown_escape(note)}" for note in block.notes)]
    texts.append("\n".join(f"- {markdown_escape(note)}" for note in notes))
    return "\n\n".join(filter(None, texts)) + "\n"


def latex(blocks: Sequence[Block], notes: Sequence[str] = ()) -> str:
    """Return one float a table; notes on all of them come first, as comments."""
    from tabulate import LATEX_ESCAPE_RULES, tabulate

    escapes = {ord(sign): to for sign, to in LATEX_ESCAPE_RULES.items()}
    texts = ["% \\usepackage{booktabs,graphicx}", *(f"% {note}" for note in notes)]
    for block in blocks:
        rows = [[BRACE + row[0], *row[1:]] for row in block.rows]
        drawn = tabulate(
            rows,
            block.headers,
            "latex_booktabs",
            disable_numparse=True,
            colalign=_aligned(block),
        )
        title = block.title if block.title.endswith("?") else f"{block.title}."
        caption = " ".join([title] * bool(block.title) + list(block.notes))
        text = f"{drawn}}}\n\\caption{{{caption.translate(escapes)}}}\n\\end{{table}}"
        texts.append("\\begin{table}\n\\centering\n" + LATEX_FIT + text.translate(LATEX_MARKUP))
    return "\n\n".join(texts) + "\n"


def html_page(blocks: Sequence[Block], notes: Sequence[str] = (), style: str = "") -> str:
    """Return a page that needs no other file; notes on all tables come last."""
    texts = []
    for block in blocks:
        head = "".join(f"<th>{html.escape(header)}</th>" for header in block.headers)
        rows = "".join(f"<tr>{_html_cells(row, block.names)}</tr>\n" for row in block.rows)
        told = "".join(f"<li>{html.escape(note)}</li>" for note in block.notes)
        texts.append(
            f"<table><caption>{html.escape(block.title)}</caption>\n<thead><tr>{head}</tr>"
            f"</thead>\n<tbody>\n{rows}</tbody></table>\n<ul>{told}</ul>\n"
        )
    texts += [f"<p>{html.escape(note)}</p>\n" for note in notes]
    return (f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>medbench board</title>'
            f"\n<style>{STYLE}{style}</style>\n{''.join(texts)}</html>\n")  # fmt: skip


def _html_cells(row: Sequence[str], names: int) -> str:
    cells = [html.escape(name) for name in row[:names]]
    cells += [_marked(number, "<b>", "</b>") for number in row[names:]]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _marked(text: str, bold: str, end: str) -> str:
    return text.replace(BOLD, bold).replace(END, end)


def _aligned(block: Block) -> tuple[Literal["left", "right"], ...]:
    return tuple("left" if place < block.names else "right" for place in range(len(block.headers)))


def markdown_escape(text: str) -> str:
    """Escape what GitHub reads as markup; an underscore inside a word is none."""
    text = re.sub(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return html.escape(text, quote=False)
