"""The answer extractor: from what a model wrote to the set of letters it chose.

One ladder of rungs, from the most to the least explicit; the first rung that decides ends it, and
inside a rung the last statement counts. It never guesses: an answer that names a letter outside the
options, one of two letters ("A or B"), or several letters where one is asked for is `unparsed`,
even if an earlier statement was sound, since the model's last word is what it answered.

    structure   {"answer": "B"}, \\boxed{B}, <answer>B</answer>; reasoning blocks are dropped first
    statement   "the answer is B", "정답은 B", "B is the answer": the item's language, then all
    praise      "option B is correct", "so B.": only if all of them name the same letters
    word        yes, no, maybe: the first word, or the last line
    line        a first or last line that is nothing but the answer: "B.", "B. Metformin"
    text        an option's text in an explicit statement, or in the last sentence

A text that was cut off (`finish_reason="length"`) can only answer explicitly: structure, statement
and praise. Without a finish reason, three signs show a cut: a reasoning block that is not closed, a
JSON object that is not closed, and half a character (U+FFFD) at the end.

    >>> extract("Hence the answer is (B).", {"A": "aspirin", "B": "metformin"}).letters
    frozenset({'B'})
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from medbench.scoring.answer_patterns import ANSWER_KEYS, LANGUAGES, REASONING, SHARED, Language
from medbench.scoring.answer_reader import DENIAL, Reader, Reading, Text, lower, sentence_end

__all__ = ["EXTRACTOR_VERSION", "Extraction", "Outcome", "extract"]

EXTRACTOR_VERSION = 1
"""Bumped on any change of a verdict."""

Outcome = Literal["parsed", "unparsed", "truncated"]


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was read from one output."""

    letters: frozenset[str]
    """Empty unless the outcome is parsed."""
    outcome: Outcome
    """Truncated: the model was cut off before it answered."""
    rule: str
    """The rung of the ladder that decided; empty if none did."""


@dataclass(frozen=True, slots=True)
class Case:
    """One output with all that the rungs need."""

    raw: str
    """Without reasoning blocks, as written."""
    text: Text
    """The same, cleaned."""
    reader: Reader
    language: str
    """The item's."""
    is_cut: bool
    """The backend said that the model was cut off."""


def extract(
    output: str,
    options: Mapping[str, str],
    *,
    language: str = "en",
    several: bool = False,
    finish_reason: str | None = None,
) -> Extraction:
    """Return the letters that a model's output names as its answer.

    Args:
        output: the whole generated text.
        options: letter to option text, in order.
        language: the item's (en, zh, ja, fr, ru, es, ko); the output may be in another.
        several: more than one letter may be right, so a list of letters is an answer.
        finish_reason: "length" if the model was cut off, "stop" if it finished, None if unknown.
    """
    raw, is_open = _without_reasoning(output)
    is_cut = finish_reason == "length"
    case = Case(raw, Text.of(raw), Reader(options, several), language, is_cut)
    for rule, rung in _LADDER.items():
        if is_cut and rule in _WEAK:
            break
        letters = rung(case)
        if letters:
            return Extraction(letters, "parsed", rule)
        if letters is not None:
            return Extraction(letters, "truncated" if is_cut else "unparsed", rule)
    looks_cut = is_open or raw.endswith("\ufffd") or (raw.startswith("{") and "}" not in raw)
    return Extraction(frozenset(), "truncated" if is_cut or looks_cut else "unparsed", "")
