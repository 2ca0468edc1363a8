"""Answers that stand alone: a first word, a first or a last line that is nothing but the answer.

Of a text that was cut off only the opening counts, if a mark or a line break closes it.
"""

import re

from medbench.scoring.answer_reader import Reader, Reading
from medbench.scoring.answer_text import Text, is_doubted
from medbench.scoring.answer_words import SHARED

__all__ = ["closing_line", "closing_word", "opening_line", "opening_word", "whole_line"]

_LABEL = re.compile(r"^[\s(]{0,8}([A-Za-z])[.):]\s", re.MULTILINE)
_ITEM = re.compile(r"^[\s(-]{0,8}(?:option\s)?([A-Za-z])[.,):]", re.MULTILINE | re.IGNORECASE)
_HEADING = re.compile(r"^[\s(-]{0,8}(?:option\s)?([A-Z])[.):]{0,2}$", re.MULTILINE | re.IGNORECASE)
_LETTER_FIRST = re.compile(r"[^\w\n]{0,8}[^\W_](?![A-Za-z])")
_MARK = re.compile(r"\s?[.,;:!\n]")
_REST = re.compile(rf"[\s.,;:!)\"'|>-]*(?:{SHARED.endings})?[\s.!)\"'|-]*")


def whole_line(reader: Reader, line: str) -> Reading | None:
    """Read a line that holds nothing but the answer."""
    text = Text.of(line)
    if text.low[:1].isdigit() and text.low[:1] not in reader.labels:
        return None  # a digit is a position only where an answer is announced
    reading = reader.read(text, 0, tight=True)
    if reading is None and reader.texts.equal(text.low.rpartition("(")[0]):
        reading = reader.in_brackets(text, 0)  # "Metformin (B)"
    if reading is None or reading.is_guess or not _REST.fullmatch(text.low, reading.end):
        return None
    return reading


def opening_word(text: Text, reader: Reader) -> frozenset[str] | None:
    """Read yes, no or maybe as the first word, if a mark follows and no doubt."""
    word = reader.texts.word_at(text.low, 0)
    if word is None or not _MARK.match(text.low, word[1]) or is_doubted(text, 0, word[1]):
        return None
    return frozenset({word[0]})


def opening_line(text: Text, reader: Reader) -> frozenset[str] | None:
    """Read a first line of a letter, or of a letter and its text, if no doubt follows.

    It may open a list of all options: then another one's label follows.
    """
    line, closed, rest = text.plain.partition("\n")
    reading = whole_line(reader, line) if closed and _LETTER_FIRST.match(line) else None
    if reading is None or is_doubted(text, 0, len(line)):
        return None
    followers = (_ITEM if reading.has_text else _HEADING).findall(rest)
    others = {reader.labels.get(label) for label in followers} - {None, *reading.letters}
    return None if others else reading.letters


def closing_word(text: Text, reader: Reader) -> frozenset[str] | None:
    """Read yes, no or maybe as the last line, else as the first word."""
    start = text.low.rfind("\n") + 1
    word = reader.texts.word_at(text.low, start)
    if start and not (word and _REST.fullmatch(text.low, word[1])):
        word = reader.texts.word_at(text.low, 0)
    return frozenset({word[0]}) if word else None


def closing_line(text: Text, reader: Reader) -> frozenset[str] | None:
    """Read a last line that holds nothing but the answer, else such a first line."""
    lines = [line for line in text.plain.split("\n") if line.strip()]
    found = [whole_line(reader, line) for line in lines[:1] + lines[-1:]]
    labels = {reader.labels.get(label) for label in _LABEL.findall(text.plain)} - {None}
    if len(labels) > 1:
        found = [reading for reading in found if reading and not reading.has_text]
        if reader.several and len(labels) < len(reader.texts.low):
            every = [whole_line(reader, line) for line in lines]
            if all(every):
                return frozenset[str]().union(*(reading.letters for reading in every if reading))
    read = [reading for reading in found if reading]
    return read[-1].letters if read else None
