"""Tables as text: Markdown for GitHub, LaTeX with booktabs."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["BOLD", "END", "Block", "latex", "markdown", "markdown_escape"]

# Private characters, which no name keeps, stand for markup until a format's escaping is done.
BOLD = "\ue000"
END = "\ue001"
BRACE = "\ue002"
LATEX_MARKUP = str.maketrans({
    BOLD: r"\textbf{", END: "}", BRACE: "{}", "†": r"\textdagger{}", "‡": r"\textdaggerdbl{}",
    "—": "---", "·": r"\textperiodcentered{}",
})  # fmt: skip
LATEX_FIT = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"


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


def _marked(text: str, bold: str, end: str) -> str:
    return text.replace(BOLD, bold).replace(END, end)


def _aligned(block: Block) -> tuple[Literal["left", "right"], ...]:
    return tuple("left" if place < block.names else "right" for place in range(len(block.headers)))


def markdown_escape(text: str) -> str:
    """Escape what GitHub reads as markup; an underscore inside a word is none."""
    text = re.sub(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return html.escape(text, quote=False)
