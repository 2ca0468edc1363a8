"""The reader of one answer: which letters are named at a place in a text.

`extract` finds the places where an answer is stated; `Reader` says what stands there. All patterns
are bounded or anchored: one place costs the same in a short and in a long output.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from medbench.scoring.answer_text import DENIAL, OptionTexts, Text, sentence_end
from medbench.scoring.answer_words import SHARED

__all__ = ["Reader", "Reading"]

_LOOKALIKES = dict(zip("АВСЕ", "ABCE", strict=True))  # Cyrillic to Latin
_RUN = re.compile(r"[A-Za-zА-ЯЁ]{1,12}(?![A-Za-zÀ-ɏА-яёЁ0-9°_])|[0-9]{1,2}(?![A-Za-zÀ-ɏ0-9°_%])")
_CLOSE = re.compile(r"[)\"']{0,3}")
_SEPARATOR = re.compile(r"[\s.:,)\"'(>-]{0,6}")
_SKIP = re.compile(rf"(?:[\s(\"'<>=:,-]|(?:{SHARED.fillers})){{0,40}}")
_NEGATION = re.compile(SHARED.negations)
_CONTRAST = re.compile(rf"[\s,;]{{0,4}}(?:{SHARED.contrasts})")
_NEGATED = re.compile(SHARED.negated)
_AND = re.compile(rf"\s?(?:[,;&+/]\s?(?:(?:and|et|y|и)\s)?|(?:{SHARED.ands})\s?)")
_GAP = re.compile(  # "A C D", "A - C - D", "A. C. D."
    r"\s(?:-\s)?(?=[A-Z](?![^\W_]))|\.\s?(?=[A-Z](?:\.\s?[A-Z]){0,11}\.?[^\S\n]{0,4}(?:\Z|\n))"
)
_OR = re.compile(rf"\s?,?\s?(?:{SHARED.ors})\s?")
_AMONG = re.compile(SHARED.among)
_DOUBT = re.compile(SHARED.doubts)
_ALSO = re.compile(SHARED.also)
_DISBELIEF = re.compile(rf"(?:{SHARED.disbelief})\Z")
_ODDS = re.compile(SHARED.odds)

_MARK = r"\Z|\n|[;!|<({}\]\"]|[:,](?![0-9])|'(?![a-z])|-+(?=\s|\Z)|->|>"
_NEXT = rf"\s{{0,4}}(?:{_MARK}|{SHARED.particles})|\s{{1,4}}"
_AFTER = re.compile(rf"{_NEXT}(?:{SHARED.words})(?![^\W_])")
_AFTER_SMALL = re.compile(  # "a" and "A" are articles too
    rf"{_NEXT}(?:because|since|as|and|or|is|due|which|based|not|{SHARED.contrasts})(?![^\W_])"
)
_AFTER_LIST = re.compile(  # "B, C is wrong" is no list
    rf"{_NEXT}(?:and|are|because|since|as|not|both|sont|son|is\s(?:the\s)?(?:correct|right))"
    r"(?![^\W_])"
)
_FULL_STOP = re.compile(
    rf"\s?\.(?:(?![^\S\n]?[a-zà-ÿа-яё]|[0-9])|\s(?:{SHARED.words}|the|this|it)(?![^\W_]))"
)
_AFTER_DIGIT = re.compile(
    rf"\s?(?:\Z|\n|[;!|)\"]|[.:,](?!\s?[0-9])(?=\W|\Z)|{SHARED.counters}|입니다|です|이다)"
)
_CLOSES = re.compile(
    rf"[\s)\"']{{0,6}}(?i:{SHARED.endings})?[\s)\"']{{0,6}}"
    r"(?:\Z|\n|[.!]\s{0,4}(?:\Z|\n|[^a-z0-9\s]))"
)
_NEXT_LABEL = re.compile(r"[\s,;.]{0,4}\(?([A-Za-z])[).:]\s?")
_LINE_END = re.compile(r"[\s.,;)]{0,6}(?:\Z|(?<=\n)|\n)")
_BRACKETED = re.compile(r"\((?:[^\W\d_]{2,8}\s)?([A-Za-z])\)")
_POLITE = re.compile(rf"[\s\"')]{{0,6}}(?:{SHARED.endings})?[\s\"').]{{0,6}}")
_BEFORE = re.compile(
    r"(?<![A-Za-z0-9À-ɏА-яё°'-])(?P<open>\(?)(?P<list>"
    r"[A-Z](?:\)?\s?(?:[,&/]\s?(?:and\s|et\s)?|(?i:and|et|y|и|と|和|와|과|および)\s?)\(?[A-Z]){0,8}"
    r"|[А-ЯЁ]|[a-z](?:\s?[,と和와과]\s?[a-z]){1,8}"
    rf"|[A-Z]{{2,8}}|[a-z]|[1-9])[)\"']{{0,3}}\s?(?P<counter>{SHARED.counters})?\s{{0,3}}\Z"
)
_LABEL_BEFORE = re.compile(r"(?<![^\W_])([A-Za-z])[)\"']?[\s.:)(-]{1,4}\Z")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one statement names."""

    letters: frozenset[str]
    """Empty: a letter that is no option, one of two, or several where one is asked for."""
    end: int
    """Where the reading stopped."""
    is_guess: bool = False
    """The statement only guesses: 일 가능성."""
    has_text: bool = False
    """The option's own text follows its letter."""


class Reader:
    """Reads one question's options by letter and by position."""

    def __init__(self, options: Mapping[str, str], several: bool) -> None:
        self.several = several
        self.texts = OptionTexts(options)
        self.labels: dict[str, str] = {}
        for spell in (str.strip, str.upper, str.lower):
            for letter in options:
                self.labels.setdefault(spell(letter), letter)
        has_numbers = any(name.strip().isdigit() for name in (*options, *options.values()))
        self.order = () if has_numbers else tuple(options)

    def read(self, text: Text, pos: int, *, tight: bool = False) -> Reading | None:
        """Read the letters stated at `pos`; None when no letter is named there.

        Args:
            text: the cleaned output.
            pos: where the words of a statement ("the answer is") ended.
            tight: nothing but the end of the sentence may follow.
        """
        pos = self._skip(text, pos)
        if negation := _NEGATION.match(text.low, pos):
            denied = self._letters(text, self._skip(text, negation.end()))
            contrast = _CONTRAST.match(text.low, denied.end) if denied else None
            return self._letters(text, self._skip(text, contrast.end())) if contrast else None
        if also := _ALSO.match(text.low, pos):
            other = self._letters(text, self._skip(text, also.end()))
            return Reading(frozenset(), other.end) if other else None
        reading = self._letters(text, pos)
        if reading is None:
            return None if tight else self.in_brackets(text, pos)
        if negated := _NEGATED.match(text.low, reading.end):
            contrast = _CONTRAST.match(text.low, negated.end())
            pos = contrast.end() if contrast else negated.end()
            return self._letters(text, self._skip(text, pos))
        if tight and not reading.has_text and not _CLOSES.match(text.plain, reading.end):
            return None
        return reading

    def before(self, text: Text, pos: int, end: int, lead: re.Pattern[str]) -> Reading | None:
        """Read the letters right before `pos`, where words such as "is the answer" start.

        Args:
            text: the cleaned output.
            pos: where those words start.
            end: where they end.
            lead: what may stand before the letters ("option", "so"; not "hepatitis").
        """
        if _DOUBT.match(text.low, end):
            return None
        is_guess = _ODDS.match(text.low, end) is not None
        quote = self.texts.before(text.low, pos)
        if quote and len(self.texts.keys[quote[0]]) > 1:
            label = _LABEL_BEFORE.search(text.plain, max(0, quote[1] - 8), quote[1])
            if label is None or self.labels.get(label[1]) != quote[0]:
                return None
            is_denied = _is_disbelieved(text, label.start())
            return None if is_denied else Reading(frozenset({quote[0]}), end, is_guess)
        found = _BEFORE.search(text.plain, max(0, pos - 60), pos)
        if found is None or _is_disbelieved(text, found.start()):
            return None
        named, start = found["list"], found.start()
        led = lead.search(text.low, max(0, start - 20), start)
        is_plain = named.isdigit() or (named.islower() and not found["open"])
        is_marked = found["counter"] or (named.islower() and not text.low[pos : pos + 1].isascii())
        is_option = led is not None and led[0][:1].isalpha() and named.islower()
        if (start and not led) or (is_plain and not is_marked and not is_option):
            return None
        runs = re.findall(r"[A-Z]+|[А-ЯЁ]|[a-z]|[1-9]", re.sub("(?i:and|et|y)", ",", named))
        letters = [self._named(run) for run in runs]
        everything = frozenset[str]().union(*(names for names in letters if names))
        is_sound = all(letters) and (self.several or len(everything) == 1)
        return Reading(everything if is_sound else frozenset(), end, is_guess)

    def _skip(self, text: Text, pos: int) -> int:
        match = _SKIP.match(text.low, pos)
        return match.end() if match else pos

    def _letters(self, text: Text, pos: int) -> Reading | None:
        """Read a list of letters, each perhaps with its option's text, and what follows it."""
        items: list[Reading] = []
        listed = 0  # so many items before the first that only its label joins
        is_upper = text.plain[pos : pos + 1].isupper()
        while len(items) < 12 and text.plain[pos : pos + 1].isupper() is is_upper:
            item = self._letter(text, pos)
            if item is None:
                break
            items.append(item)
            choice = _OR.match(text.low, item.end)
            if choice and self._letter(text, self._skip(text, choice.end())):
                return Reading(frozenset(), choice.end())
            joint = _AND.match(text.low, item.end)
            if self.several and not joint:
                joint = _GAP.match(text.plain, item.end)
            label = _NEXT_LABEL.match(text.plain, item.end) if item.has_text else None
            if joint:
                pos = self._skip(text, joint.end())
            elif label and label[1] in self.labels:
                listed = listed or len(items)
                pos = label.start(1)
            else:
                break
        if listed and len({x for item in items for x in item.letters}) < len(self.texts.keys):
            whole = self.several and all(_LINE_END.match(text.plain, x.end) for x in items)
            items = items if whole else items[:listed]  # "B. Metformin. A. Aspirin is wrong."
        while items and not self._may_end(text, items):
            rest = self._after(text, items.pop())
            if items and is_upper and not re.match(r"\s?[a-z]", rest):
                return None  # "A, B ..." of which no end is known
        return self._summary(text, items) if items else None

    def _after(self, text: Text, item: Reading) -> str:
        return text.plain[item.end : item.end + 2]

    def _letter(self, text: Text, pos: int) -> Reading | None:
        run = _RUN.match(text.plain, pos)
        if run is None or (pos and re.match("[A-Za-z0-9°]", text.plain[pos - 1])):
            return None
        letters = self._named(run[0])
        if letters is None:
            return None
        end = run.end()
        if close := _CLOSE.match(text.plain, end):
            end = close.end()
        if len(letters) != 1:
            return Reading(letters, end)
        (letter,) = letters
        gap = _SEPARATOR.match(text.plain, end)
        start = gap.end() if gap else end
        own = self.texts.end_at(letter, text.low, start)
        if own >= 0:
            tail = _CLOSE.match(text.plain, own)
            return Reading(letters, tail.end() if tail else own, has_text=True)
        first = re.match(r"[^\W_]+", text.low[start : start + 40])
        same_start = first and self.texts.low[letter].startswith(first[0])
        is_label = re.search("[.:)-]", text.plain[run.end() : start])
        return Reading(letters, end, has_text=bool(same_start and is_label))

    def _named(self, run: str) -> frozenset[str] | None:
        """Return what a run of letters or digits names: empty for no option, None for a word."""
        names = [self.labels.get(c, self.labels.get(_LOOKALIKES.get(c, c))) for c in run]
        if run in self.labels:
            return frozenset({self.labels[run]})
        if run.isdigit():
            if any(label.isdigit() for label in self.labels):
                return frozenset()
            return frozenset(self.order[int(run) - 1 : int(run)]) or None if int(run) else None
        found = frozenset(name for name in names if name is not None)
        if len(run) == 1:
            return found if found or run.isupper() else None
        is_list = len(found) == len(run) and list(run) == sorted(run)
        is_word = run.lower() in self.texts.keys.values() or not (run.isupper() or self.several)
        return found if is_list and not is_word else None

    def _may_end(self, text: Text, items: list[Reading]) -> bool:
        """Say whether what follows the last letter leaves it a letter ("A patient" does not)."""
        end = items[-1].end
        if items[-1].has_text or text.plain.startswith(")", end - 1):
            return True
        last = re.search(r"[^\W_](?=[)\"']*\Z)", text.plain[max(0, end - 5) : end])
        spelled = last[0] if last else ""
        after = _AFTER
        if spelled.isdigit():
            return _AFTER_DIGIT.match(text.low, end) is not None
        elif len(items) > 1:
            after = _AFTER_LIST
        elif spelled in "AI" or spelled.islower():
            after = _AFTER_SMALL
        return bool(_FULL_STOP.match(text.plain, end) or after.match(text.low, end))

    def _summary(self, text: Text, items: list[Reading]) -> Reading | None:
        end = items[-1].end
        letters = frozenset(letter for item in items for letter in item.letters)
        all_have_text = all(item.has_text for item in items)
        if len(items) > 1 and all_have_text and len(letters) == len(self.texts.keys):
            return None  # the options are only listed
        if _AMONG.match(text.low, end) or _DOUBT.match(text.low, end):
            return None
        names_one_each = all(item.letters for item in items)
        if not names_one_each or (len(letters) > 1 and not self.several):
            letters = frozenset()
        is_guess = _ODDS.match(text.low, end) is not None
        return Reading(letters, end, is_guess, has_text=items[-1].has_text)

    def in_brackets(self, text: Text, pos: int) -> Reading | None:
        """Read "metformin (B)": one letter in brackets, after its text or at the sentence's end."""
        stop = sentence_end(text.plain, pos)
        found = list(_BRACKETED.finditer(text.plain, pos, stop))
        if len({match[1] for match in found}) != 1 or text.plain.startswith("?", stop):
            return None
        letter = self.labels.get(found[-1][1])
        if letter is None or DENIAL.search(text.low, pos, stop):
            return None
        quote = self.texts.before(text.low, found[-1].start())
        is_last = _POLITE.fullmatch(text.low, found[-1].end(), stop)
        if not is_last and (quote is None or quote[0] != letter):
            return None
        return Reading(frozenset({letter}), found[-1].end(), has_text=True)


def _is_disbelieved(text: Text, pos: int) -> bool:
    return _DISBELIEF.search(text.low, max(0, pos - 50), pos) is not None
