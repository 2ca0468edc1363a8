"""The running text of a paper, out of S2ORC's or PMC's full text in JSON.

Left out are the authors, the list of references and the marks of citations, so that no window of
tokens can begin inside one of them. Two forms are known: one text with character ranges beside it
(S2ORC's bulk files), and paragraphs that each have their own (S2ORC 2020, CORD-19's PMC files).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

__all__ = ["paper_text"]

LEFT_OUT = ("author", "bibentry", "bibref")
"""The annotations of a bulk file that are no running text."""
MARK = "\ue000"
"""Stands for what was left out until its brackets and commas are gone too; for private use."""
BETWEEN = rf"(?:[ \t]*(?:[,;–-]|and|&)?[ \t]*{MARK})*"
IN_BRACKETS = re.compile(rf"[ \t]*[(\[][ \t]*{MARK}{BETWEEN}[ \t]*[)\]]")
BARE = re.compile(rf"[ \t]*{MARK}{BETWEEN}")
BLANK_LINES = re.compile(r"\s*\n\s*\n\s*")


def paper_text(paper: Mapping[str, Any]) -> str:
    """Return a paper's title, abstract and body, paragraphs apart by an empty line.

    Raises:
        ValueError: it has neither form, or a range that lies outside of its text.
    """
    if "content" in paper:
        content = paper["content"]
        if not isinstance(content, Mapping) or not isinstance(content.get("text"), str | None):
            raise ValueError("content holds no text")
        return annotated(content.get("text") or "", content.get("annotations") or {})
    parse = next((paper[one] for one in ("pdf_parse", "latex_parse") if paper.get(one)), paper)
    if not isinstance(parse, Mapping) or not isinstance(parse.get("body_text"), Sequence):
        raise ValueError("it has neither content.text nor body_text; is it S2ORC's or PMC's JSON?")
    about = paper.get("metadata") or {}
    title = str(paper.get("title") or about.get("title") or "")
    parts = [title, *map(paragraph, (*paragraphs(parse, "abstract"), *parse["body_text"]))]
    return "\n\n".join(part for part in parts if part)


def paragraphs(parse: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """Return a part's paragraphs; an abstract may also be one text, or missing."""
    found = parse.get(name) or ()
    return [{"text": found}] if isinstance(found, str) else list(found)


def paragraph(one: Any) -> str:
    """Return a paragraph without the marks of its citations."""
    if not isinstance(one, Mapping) or not isinstance(one.get("text"), str):
        raise ValueError(f"a paragraph holds no text: {str(one)[:60]!r}")
    spans = ranges(one.get("cite_spans") or (), "cite_spans")
    return BLANK_LINES.sub("\n", without(one["text"], spans)).strip()


def annotated(text: str, annotations: Mapping[str, Any]) -> str:
    """Return a text without what its annotations say is no running text."""
    spans: list[tuple[int, int]] = []
    for name in LEFT_OUT:
        found = annotations.get(name) or ()
        spans += ranges(msgspec.json.decode(found) if isinstance(found, str) else found, name)
    return BLANK_LINES.sub("\n\n", without(text, spans)).strip()


def ranges(spans: Iterable[Mapping[str, Any]] | None, name: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of annotations; some files have numbers as text."""
    for one in spans or ():
        try:
            yield int(one["start"]), int(one["end"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{name}: {one!r} has no start and end") from error


def without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text without ranges of it, and without the brackets and commas that held them.

    Ranges may overlap, and come in any order.
    """
    parts, done = [], 0
    text = text.replace(MARK, "\ufffd")  # as long, so that the ranges stay right
    for start, end in sorted(spans):
        if not 0 <= start <= end <= len(text):
            raise ValueError(f"{start} to {end} lies outside of a text of {len(text)} characters")
        if start >= done:
            parts += [text[done:start], MARK]
        done = max(done, end)
    joined = "".join([*parts, text[done:]])
    return BARE.sub("", IN_BRACKETS.sub("", joined))
