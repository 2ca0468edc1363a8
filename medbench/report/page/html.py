"""The page as text: template, style, program and data in one file that loads nothing.

The content security policy names the style and the program by their hashes, and allows no
connection; names and texts reach the page as JSON, and become text nodes.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from string import Template

from medbench.report.page.document import document
from medbench.report.page.form import PageDocument
from medbench.reported import ReportedTable
from medbench.results import Results

__all__ = ["board_page", "html_of"]

PROGRAM = ("dom.js", "table.js", "dialog.js", "page.js")


def board_page(results: Results, published: Sequence[ReportedTable]) -> str:
    """Return the board of some results as a page.

    Args:
        results: What `read_results` returned; samples and records are read from beside its files.
        published: Published tables to show apart from them.

    Raises:
        ResultError: what lies beside results cannot be read.
    """
    return html_of(document(results, published))


def html_of(data: PageDocument) -> str:
    """Return a page that shows some data."""
    style = _source("page.css")
    program = "\n".join(map(_source, PROGRAM))
    return Template(_source("page.html")).substitute(
        policy=f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {_hash(style)}; script-src {_hash(program)}",
        style=style,
        program=program,
        data=_json(data),
    )


def _source(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what a policy calls an inline element by (CSP Level 3, 2.3.1)."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(data: PageDocument) -> str:
    """Return JSON that ends no element; half of a surrogate pair, which UTF-8 lacks, is a `?`."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace").decode().replace("<", "\\u003c")
