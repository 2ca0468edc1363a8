r"""The answer extractor: from what a model wrote to the set of letters it chose.

One ladder of rungs, from the most to the least explicit; the first rung that decides ends it, and
inside a rung the last statement counts. It never guesses: an answer that names a letter outside the
options, one of two letters ("A or B"), or several letters where one is asked for is `unparsed`,
even if an earlier statement was sound, since the model's last word is what it answered. Where an
explicit letter and the text beside it differ ("Answer: B. <text of C>"), the letter counts.

    structure   {"answer": "B"}, \boxed{B}, <answer>B</answer>; reasoning blocks are dropped first
    statement   "the answer is B", "정답은 B", "B is the answer": the item's language, then all
    praise      "option B is correct", "so B.": only if all of them name the same letters
    word        yes, no, maybe: the first word, or the last line
    line        a first or last line that is nothing but the answer: "B.", "B. Metformin"
    text        an option's text in an explicit statement, or in the last sentence

A statement that only supposes ("if she were pregnant, the answer would be C") counts where nothing
plainer is said.

A text that was cut off (`finish_reason="length"`) answers only by structure, by a statement that it
does not go on to doubt ("But"), by a line such as "OPTION B IS CORRECT.", or by its first line or
word: "B. Metformin" and a line break, "Yes." Without a finish reason, four signs show a cut: a
reasoning block or a JSON object that is not closed, half a character (U+FFFD) at the end, and 600
characters or more of prose that end within a sentence.

    >>> extract("Hence the answer is (B).", {"A": "aspirin", "B": "metformin"}).letters
    frozenset({'B'})
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from medbench.scoring.answer_lines import (
    closing_line,
    closing_word,
    opening_line,
    opening_word,
    whole_line,
)
from medbench.scoring.answer_patterns import ANSWER_KEYS
from medbench.scoring.answer_reader import Reader, Reading
from medbench.scoring.answer_text import (
    CUES,
    Text,
    is_doubted,
    last_sentence,
    sentence_end,
    spoken,
    without_reasoning,
)

__all__ = ["EXTRACTOR_VERSION", "Extraction", "Outcome", "extract"]

EXTRACTOR_VERSION = 2
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
    """The model was cut off: the backend says so, or the text shows it."""


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
    raw, is_open = without_reasoning(output)
    text, reader = Text.of(raw), Reader(options, several)
    is_cut = finish_reason == "length"
    if finish_reason is None:
        is_cut = is_open or _breaks_off(raw, text, reader)
    case = Case(raw, text, reader, language, is_cut)
    for rule, rung in _LADDER.items():
        letters = rung(case)
        if letters is not None:
            return Extraction(letters, "parsed" if letters else _failure(is_cut), rule)
    return Extraction(frozenset(), _failure(is_cut or is_open), "")


def _failure(is_cut: bool) -> Outcome:
    return "truncated" if is_cut else "unparsed"


def _breaks_off(raw: str, text: Text, reader: Reader) -> bool:
    """Say whether the text shows by itself that the model was cut off; few signs, all plain."""
    if raw.endswith("\ufffd") or (raw.startswith("{") and "}" not in raw):
        return True
    last = text.plain[text.plain.rfind("\n") + 1 :]
    breaks = len(text.plain) >= 600 and len(last) >= 10 and (last[-1].isalpha() or last[-1] == ",")
    return breaks and not (whole_line(reader, last) or reader.texts.equal(last.lower()))


_FIELD = re.compile(
    rf"[\"'“]\s?(?:{ANSWER_KEYS})\s?[\"'”]\s{{0,3}}:\s{{0,8}}"
    r"(?:\"(?P<string>(?:[^\"\\]|\\.){0,2000})\"|'(?P<quoted>(?:[^'\\\n]|\\.){0,400})'"
    r"|\[(?P<array>[^\[\]]{0,400})\]|(?P<bare>[a-z]|[0-9]{1,2})(?=\s{0,8}[,}\n]))"
    r"|\\boxed\s?\{(?P<boxed>(?:[^{}]|\{[^{}]{0,200}\}){0,200})\}"
    r"|<(?:final_?)?(?:answer|choice)>(?P<tag>[^<]{0,2000})(?=<|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def _structure(case: Case) -> frozenset[str] | None:
    """Read the last JSON field, box or tag that holds an answer.

    A field that is filled but names no option ("None of the above") is an answer too: unparsed.
    """
    found: frozenset[str] | None = None
    raw = _ESCAPE.sub(lambda m: chr(int(m[1], 16)), case.raw) if "\\u" in case.raw else case.raw
    for match in _FIELD.finditer(raw):
        value = Text.of(match[match.lastgroup or 0])
        letters = _value(case, value) if value.plain else None
        if letters is not None:
            found = letters
        elif value.plain and found is None and match["boxed"] is None:
            found = frozenset()
    return found


def _value(case: Case, value: Text) -> frozenset[str] | None:
    """Read a whole value: an option's text, letters, a word, a statement, a text in a sentence."""
    same = case.reader.texts.equal(value.low)
    if same and len(value.plain) > 1:
        return frozenset({same})
    if reading := _read(case.reader, value, 0):
        return reading.letters
    last = max(_statements(case, value, CUES), key=_rank, default=None)
    letter = case.reader.texts.quoted(value.low, explicit=True)
    return last.reading.letters if last else frozenset({letter}) if letter else None


def _read(reader: Reader, text: Text, pos: int, *, tight: bool = False) -> Reading | None:
    """Read letters, or yes, no or maybe."""
    reading = reader.read(text, pos, tight=tight)
    word = None if reading or tight else reader.texts.word_at(text.low, pos)
    return Reading(frozenset({word[0]}), word[1]) if word else reading


class _Statement(NamedTuple):
    """An explicit statement: where it starts, what it names, and whether it only supposes."""

    start: int
    reading: Reading
    is_weak: bool


def _rank(statement: _Statement) -> tuple[bool, int]:
    return not statement.is_weak, statement.reading.end


def _statement(case: Case) -> frozenset[str] | None:
    """Read the last explicit statement in the item's language, else in any other."""
    native = [code for code in CUES if code == case.language]
    for codes in (native, [code for code in CUES if code != case.language]):
        last = max(_statements(case, case.text, codes), key=_rank, default=None)
        if last:
            return None if _is_outdone(case, last) else last.reading.letters
    return None


def _is_outdone(case: Case, statement: _Statement) -> bool:
    """Say whether a text doubts its statement, or opens with a plainer answer."""
    text, reader = case.text, case.reader
    if case.is_cut and is_doubted(text, statement.start, statement.reading.end):
        return True
    return statement.is_weak and bool(opening_word(text, reader) or opening_line(text, reader))


def _statements(
    case: Case, text: Text, codes: Iterable[str], *, guesses: bool = False
) -> Iterator[_Statement]:
    """Yield each explicit statement.

    A guess ("is probably B") counts only in the last line of a text that was not cut off, unless
    it is guesses that are asked for.
    """
    last_line = len(text.low) + 1 if case.is_cut else text.low.rfind("\n") + 1
    for cues in spoken(text, codes):
        found = [
            (start, end, kind, _read(case.reader, text, end, tight=kind == "bare"))
            for start, end, kind in cues.openings(text)
        ]
        found += [
            (*match.span(), "tie", case.reader.before(text, *match.span(), cues.before))
            for match in cues.verdict.finditer(text.low)
        ]
        for start, end, kind, reading in found:
            is_guess = kind == "guess" or (reading is not None and reading.is_guess)
            if reading and (is_guess == guesses or (is_guess and start >= last_line)):
                yield _Statement(start, reading, cues.is_weak(text, start, end))


def _praise(case: Case) -> frozenset[str] | None:
    """Read weak statements, which must all agree, for options are also judged one by one.

    They are "option B is correct", "so B.", "the most likely cause is B. Angina" and "the answer is
    probably B". In a text that was cut off only the first counts, on a line of its own.
    """
    text, read = case.text, case.reader.read
    found: list[Reading | None] = []
    if not case.is_cut:
        found += [said.reading for said in _statements(case, text, CUES, guesses=True)]
    for cues in spoken(text):
        for match in cues.praise.finditer(text.low):
            opening = match.start() - text.low.rfind("\n", 0, match.start())
            is_line = opening < 14 and sentence_end(text.plain, match.end()) == match.end()
            if is_line or not case.is_cut:
                found.append(case.reader.before(text, *match.span(), cues.before))
        if not case.is_cut:
            found += [read(text, m.end(), tight=True) for m in cues.lead.finditer(text.low)]
            named = [read(text, m.end(), tight=True) for m in cues.subject.finditer(text.low)]
            found += [reading for reading in named if reading and reading.has_text]
    letters = {reading.letters for reading in found if reading}
    return next(iter(letters)) or None if len(letters) == 1 else None


def _word(case: Case) -> frozenset[str] | None:
    read = opening_word if case.is_cut else closing_word
    return read(case.text, case.reader)


def _line(case: Case) -> frozenset[str] | None:
    read = opening_line if case.is_cut else closing_line
    return read(case.text, case.reader)


def _text(case: Case) -> frozenset[str] | None:
    """Read the one option text in an explicit statement, in a line of its own, or at the end."""
    if case.is_cut:
        return None
    text, texts = case.text, case.reader.texts
    letter = None
    for cues in spoken(text):
        for end in (end for _, end, kind in cues.openings(text) if kind != "bare"):
            sentence = text.low[end : sentence_end(text.plain, end)]
            letter = texts.quoted(sentence, explicit=True) or letter
        for match in cues.verdict.finditer(text.low):
            quote = texts.before(text.low, match.start())
            letter = quote[0] if quote else letter
    lines = text.low.split("\n")
    alone = {texts.equal(line) for line in lines} - {None}
    if letter is None and len(alone) == 1:  # else the options are only listed
        letter = texts.equal(lines[-1]) or texts.equal(lines[0])
    if letter is None and lines[-1].rstrip("\"')").endswith((".", "!")):
        letter = texts.quoted(last_sentence(lines[-1]), explicit=False)
    return frozenset({letter}) if letter else None


_LADDER: dict[str, Callable[[Case], frozenset[str] | None]] = {
    "structure": _structure,
    "statement": _statement,
    "praise": _praise,
    "word": _word,
    "line": _line,
    "text": _text,
}
