"""Papers as running text: marks and what they enclose are gone, whole, whatever their number."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.training.corpus.papers import paper_text, without


def bulk(text: str | None, **annotations: list[tuple[Any, Any]]) -> dict[str, Any]:
    """Return a record of S2ORC's bulk files: annotations are JSON inside JSON."""
    spans = {
        name: json.dumps([{"start": start, "end": end} for start, end in found])
        for name, found in annotations.items()
    }
    return {"corpusid": 1, "content": {"text": text, "annotations": spans}}


def span(text: str, *words: str) -> list[tuple[int, int]]:
    return [(text.index(one), text.index(one) + len(one)) for one in words]


TEXT = (
    "A trial of rest\nAnna Adler, Bo Berg\nRest heals [1, 2] (3). It does1,2.\nReferences\nC. Old"
)


@pytest.mark.parametrize(
    ("text", "marks", "expected"),
    [
        ("Rest heals [1].", ["[1]"], "Rest heals."),
        ("Rest heals [1].", ["1"], "Rest heals."),
        ("Rest heals [1, 2].", ["1", "2"], "Rest heals."),
        ("Rest heals (A, 2001; B, 2002).", ["A, 2001", "B, 2002"], "Rest heals."),
        ("Rest heals [1–3], surely.", ["1", "3"], "Rest heals, surely."),
        ("Rest heals1,2 and sleep3.", ["1", "2", "3"], "Rest heals and sleep."),
        ("Rest (bed rest, see 4) heals.", ["4"], "Rest (bed rest, see) heals."),
        ("Rest heals.", [], "Rest heals."),
    ],
)
def test_citation_marks(text: str, marks: list[str], expected: str) -> None:
    spans = [{"start": start, "end": end} for start, end in span(text, *marks)]
    paper = {"body_text": [{"text": text, "section": "Results", "cite_spans": spans}]}
    assert paper_text(paper) == expected
    assert paper_text(bulk(text, bibref=span(text, *marks))) == expected


def test_authors_and_references_are_left_out() -> None:
    """The original keeps them and marks their ends with tokens that it drops when it reads."""
    paper = bulk(
        TEXT,
        author=span(TEXT, "Anna Adler", "Bo Berg"),
        bibentry=span(TEXT, "References\nC. Old"),
        bibref=span(TEXT, "1, 2", "3", "1,2."[:3]),
        paragraph=[(0, len(TEXT))],
    )
    found = paper_text(paper)
    assert found.startswith("A trial of rest") and found.endswith("It does.")
    assert not any(one in found for one in ("Adler", "Berg", "Old", "References", "[", "("))


def test_a_mark_that_ends_with_the_text() -> None:
    """The original's index runs over the end there, and all later marks of the paper are lost: an
    odd number of them, so that its windows are drawn again and again."""
    text = "Old, 1999 said so. New, 2001"
    assert paper_text(bulk(text, bibentry=span(text, "New, 2001", "Old, 1999"))) == "said so."


@pytest.mark.parametrize(
    ("paper", "expected"),
    [
        (bulk(None), ""),
        (bulk("Text"), "Text"),
        ({"content": {"text": "Text", "annotations": None}}, "Text"),
        ({"content": {"text": "Text a", "annotations": {"author": None}}}, "Text a"),
        (bulk("Text by A", author=[("8", "9")]), "Text by"),
        ({"metadata": {"title": "T"}, "abstract": [{"text": "A"}],
          "body_text": [{"text": "B"}, {"text": " C "}]}, "T\n\nA\n\nB\n\nC"),
        ({"title": "T", "pdf_parse": {"abstract": [], "body_text": [{"text": "B"}]}}, "T\n\nB"),
        ({"title": "T", "abstract": "A", "body_text": [{"text": "B", "cite_spans": None}]},
         "T\n\nA\n\nB"),
    ],
)  # fmt: skip
def test_forms(paper: dict[str, Any], expected: str) -> None:
    assert paper_text(paper) == expected


@pytest.mark.parametrize(
    ("paper", "expected"),
    [
        ({"text": "x"}, "neither content.text nor body_text"),
        ({"content": {"text": 3}}, "content holds no text"),
        ({"content": ["x"]}, "content holds no text"),
        ({"body_text": ["x"]}, "a paragraph holds no text: 'x'"),
        (bulk("abc", bibref=[(2, 9)]), "2 to 9 lies outside of a text of 3 characters"),
        (bulk("abc", bibref=[(2, 1)]), "2 to 1 lies outside"),
        (bulk("abc", author=[(None, 1)]), "author: .* has no start and end"),
        ({"content": {"text": "abc", "annotations": {"author": "["}}}, "truncated"),
    ],
)
def test_faults(paper: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        paper_text(paper)


@settings(deadline=None)
@given(
    st.text("ab ([,;])", max_size=40),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=6),
)
def test_what_is_left_is_in_order(text: str, some: list[tuple[int, int]]) -> None:
    """Whatever ranges there are, in any order and over one another, no character moves."""
    spans = [(min(a, len(text)), min(a + n, len(text))) for a, n in some]
    covered = {place for a, b in spans for place in range(a, b)}
    rest = iter("".join(one for place, one in enumerate(text) if place not in covered))
    assert all(one in rest for one in without(text, spans))
    if not spans:
        assert without(text, spans) == text
