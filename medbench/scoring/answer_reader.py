"""The reader of one answer: cleaned text, the letters named at a place, option texts quoted back.

`extract` finds the places where an answer is stated; `Reader` says what stands there. All patterns
are bounded or anchored, so that reading one place costs the same in a short and in a long output.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from medbench.scoring.answer_patterns import LANGUAGES, SHARED

__all__ = ["DENIAL", "Reader", "Reading", "Text", "lower", "sentence_end"]

_PLAIN = {
    **dict.fromkeys(map(ord, "「『【〔《〈[⟨〖"), "("),
    **dict.fromkeys(map(ord, "」』】〕》〉]⟩〗"), ")"),
    **dict.fromkeys(map(ord, "“”„‟«»″"), '"'),
    **dict.fromkeys(map(ord, "‘’‚‛′"), "'"),
    **dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"),
    **dict.fromkeys(map(ord, "、・·"), ","),
    **{ord("。"): ".", ord("→"): ">", ord("\r"): "\n"},
    # Markdown, TeX and characters of no width
    **dict.fromkeys(map(ord, "*`#$\\\u200b\u200c\u200d\u2060\ufeff"), ""),
}
_MARKUP = re.compile(
    r"<\|[^|<>\n]{0,40}\|>|</?(?:s|b|i|em|strong|u|p|br|eos|bos|end_of_turn)\s?/?>", re.IGNORECASE
)
_UNDERSCORES = re.compile(r"(?<![^\W_])_{1,3}(?=[^\W_])|(?<=[^\W_])_{1,3}(?![^\W_])")
_LOOKALIKES = dict(zip("АВСЕ", "ABCE", strict=True))  # Cyrillic to Latin
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_HAS_CJK = re.compile(f"[{_CJK}]")
_WORDS = re.compile(rf"[0-9]+(?:[.,][0-9]+)*|[^\W\d_{_CJK}]+|[{_CJK}]+")

_RUN = re.compile(
    r"[A-Za-zА-ЯЁ]{1,12}(?![A-Za-zÀ-ɏА-яёЁ0-9°_])|[0-9]{1,2}(?![A-Za-zÀ-ɏ0-9°_%])"
)
_CLOSE = re.compile(r"[)\"']{0,3}")
_SEPARATOR = re.compile(r"[\s.:,)\"'(>-]{0,6}")
_SKIP = re.compile(rf"(?:[\s(\"'<>=:,-]|(?:{SHARED.fillers})){{0,40}}")
_NEGATION = re.compile(SHARED.negations)
_CONTRAST = re.compile(rf"[\s,;]{{0,4}}(?:{SHARED.contrasts})")
_NEGATED = re.compile(SHARED.negated)
_AND = re.compile(rf"\s?(?:[,&+/]\s?(?:(?:and|et|y|и)\s)?|(?:{SHARED.ands})(?![a-zа-я])\s?)")
_OR = re.compile(rf"\s?,?\s?(?:{SHARED.ors})(?![a-zа-я])\s?")
_AMONG = re.compile(SHARED.among)
_DOUBT = re.compile(SHARED.doubts)
_END = r"\s{0,4}(?:\Z|\n|[;!|<({}\]]|[:,](?![0-9])|'(?![a-z])|-+(?=\s|\Z)|->|>|" + SHARED.particles
_AFTER = re.compile(rf"{_END})|\s{{1,4}}(?:{SHARED.words})(?![^\W_])")
_AFTER_LIST = re.compile(
    rf"{_END})|\s(?:and|are|because|since|as|not|both|is\s(?:the\s)?(?:correct|right))(?![^\W_])"
)
_AFTER_SMALL = re.compile(
    rf"{_END})|\s(?:because|since|as|and|or|is|due|which|based|but|not)(?![^\W_])"
)
_AFTER_DIGIT = re.compile(r"\s?(?:\Z|\n|[;!|)\"]|[.:,](?!\s?[0-9])(?=\W|\Z)|번|番|号|입니다|です|이다)")
_FULL_STOP = re.compile(r"\s?\.(?!\s?[a-zà-ÿа-я0-9])")
_CLOSES = re.compile(r"[\s)\"']{0,6}(?:\Z|\n|[.!]\s{0,4}(?:\Z|\n|[^a-z0-9\s]))")
_NEXT_LABEL = re.compile(r"[\s,;.]{0,4}\(?([A-Za-z])[).:]\s?")
_BRACKETED = re.compile(r"\((?:[^\W\d_]{2,8}\s)?([A-Za-z])\)")
_POLITE = re.compile(r"[\s\"')]{0,6}(?:입니다|이다|です|である)?[\s\"').]{0,6}")
_SENTENCE_END = re.compile(rf"\n|[.!?](?=\s|\Z|[\"')]|[{_CJK}])")
DENIAL = re.compile("|".join(language.denials for language in LANGUAGES.values()))


def lower(text: str) -> str:
    """Return the text in lower case with every position kept ("İ" would become two characters)."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def sentence_end(text: str, pos: int, limit: int = 400) -> int:
    """Return where the sentence at `pos` ends, at most `limit` characters on."""
    match = _SENTENCE_END.search(text, pos, pos + limit)
    return match.start() if match else min(len(text), pos + limit)


def _joins(text: str, pos: int) -> bool:
    """Say whether a word or a number runs on across `pos` (characters of CJK stand alone)."""
    around = text[max(0, pos - 1) : pos + 1]
    return 0 < pos < len(text) and around.isalnum() and not _HAS_CJK.search(around)


@dataclass(frozen=True, slots=True)
class Text:
    """A text in half width, with plain brackets and quotes, without markdown."""

    plain: str
    low: str
    """The same in lower case, position for position."""

    @classmethod
    def of(cls, raw: str) -> Self:
        """Clean a raw text."""
        text = unicodedata.normalize("NFKC", raw).replace("\\n", "\n")
        text = _UNDERSCORES.sub("", _MARKUP.sub("", text).translate(_PLAIN)).strip()
        return cls(text, lower(text))


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
    """Reads one question's options: by letter, by position and by text."""

    def __init__(self, options: Mapping[str, str], several: bool) -> None:
        self.several = several
        self.texts = {letter: Text.of(text) for letter, text in options.items()}
        self.keys = {
            letter: "".join(filter(str.isalnum, text.low)) for letter, text in self.texts.items()
        }
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
        reading = self._letters(text, pos)
        if reading is None:
            return None if tight else self._letter_after_text(text, pos)
        if negated := _NEGATED.match(text.low, reading.end):
            contrast = _CONTRAST.match(text.low, negated.end())
            pos = contrast.end() if contrast else negated.end()
            return self._letters(text, self._skip(text, pos))
        if tight and not reading.has_text and not _CLOSES.match(text.plain, reading.end):
            return None
        return reading

    def text_before(self, text: Text, pos: int) -> tuple[str, int] | None:
        """Return the option whose text ends at `pos` and where it starts: the longest one."""
        starts = ((self._walk_back(text.low, pos, key), letter) for letter, key in self.keys.items())
        start, letter = min(((s, x) for s, x in starts if s >= 0), default=(-1, ""))
        return (letter, start) if start >= 0 else None

    def _skip(self, text: Text, pos: int) -> int:
        match = _SKIP.match(text.low, pos)
        return match.end() if match else pos

    def _letters(self, text: Text, pos: int) -> Reading | None:
        """Read a list of letters, each perhaps with its option's text, and what follows it."""
        items: list[Reading] = []
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
            label = _NEXT_LABEL.match(text.plain, item.end) if item.has_text else None
            if joint:
                pos = self._skip(text, joint.end())
            elif label and label[1] in self.labels:
                pos = label.start(1)
            else:
                break
        while items and not self._may_end(text, items):
            items.pop()
        return self._summary(text, items) if items else None

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
        own = self._walk(text.low, start, self.keys[letter])
        if own >= 0:
            tail = _CLOSE.match(text.plain, own)
            return Reading(letters, tail.end() if tail else own, has_text=True)
        first = _WORDS.match(text.low, start)
        same_start = first and self.texts[letter].low.startswith(first[0])
        is_label = re.search("[.:)-]", text.plain[run.end() : start])
        return Reading(letters, end, has_text=bool(same_start and is_label))

    def _named(self, run: str) -> frozenset[str] | None:
        """Return what a run of letters or digits names: empty for no option, None for a word."""
        names = [self.labels.get(c, self.labels.get(_LOOKALIKES.get(c, ""))) for c in run]
        if run in self.labels:
            return frozenset({self.labels[run]})
        if run.isdigit():
            if any(label.isdigit() for label in self.labels):
                return frozenset()
            return frozenset({self.order[int(run) - 1]}) if 0 < int(run) <= len(self.order) else None
        found = frozenset(name for name in names if name is not None)
        if len(run) == 1:
            return found if found or run.isupper() else None
        is_list = len(found) == len(run) and list(run) == sorted(run)
        is_word = run.lower() in self.keys.values() or not (run.isupper() or self.several)
        return found if is_list and not is_word else None

    def _may_end(self, text: Text, items: list[Reading]) -> bool:
        """Say whether what follows the last letter leaves it a letter ("A patient" does not)."""
        end = items[-1].end
        if items[-1].has_text:
            return not text.plain.startswith("?", end)
        last = re.search(r"[^\W_](?=[)\"']*$)", text.plain[max(0, end - 5) : end])
        if last and last[0].isdigit():
            return _AFTER_DIGIT.match(text.low, end) is not None
        if _FULL_STOP.match(text.plain, end):
            return True
        after = _AFTER
        if len(items) > 1:
            after = _AFTER_LIST
        elif last and (last[0] in "AI" or last[0].islower()):
            after = _AFTER_SMALL
        return after.match(text.low, end) is not None

    def _summary(self, text: Text, items: list[Reading]) -> Reading | None:
        end = items[-1].end
        letters = frozenset(letter for item in items for letter in item.letters)
        all_have_text = all(item.has_text for item in items)
        if len(items) > 1 and all_have_text and len(letters) == len(self.keys):
            return None  # the options are only listed
        if _AMONG.match(text.low, end):
            return None
        names_one_each = all(item.letters for item in items)
        if not names_one_each or (len(letters) > 1 and not self.several):
            letters = frozenset()
        is_guess = _DOUBT.match(text.low, end) is not None
        return Reading(letters, end, is_guess, has_text=items[-1].has_text)

    def _letter_after_text(self, text: Text, pos: int) -> Reading | None:
        """Read "metformin (B)", or the one letter in brackets that closes the sentence."""
        stop = sentence_end(text.plain, pos)
        found = list(_BRACKETED.finditer(text.plain, pos, stop))
        if len({match[1] for match in found}) != 1 or text.plain.startswith("?", stop):
            return None
        letter = self.labels.get(found[-1][1])
        rest = text.low[found[-1].end() : stop]
        if letter is None or DENIAL.search(text.low, pos, stop):
            return None
        quote = self.text_before(text, found[-1].start())
        if not _POLITE.fullmatch(rest) and (quote is None or quote[0] != letter):
            return None
        return Reading(frozenset({letter}), found[-1].end(), has_text=True)

    def _walk(self, low: str, pos: int, key: str) -> int:
        """Return where the option text of this key ends if it starts at `pos`, else -1."""
        at = 0
        while at < len(key) and pos < len(low):
            if low[pos] == key[at]:
                at += 1
            elif low[pos].isalnum() or low[pos] == "\n":
                return -1
            pos += 1
        return pos if key and at == len(key) and not _joins(low, pos) else -1

    def _walk_back(self, low: str, pos: int, key: str) -> int:
        """Return where the option text of this key starts if it ends at `pos`, else -1."""
        at = len(key)
        while at and pos:
            if low[pos - 1] == key[at - 1]:
                at -= 1
            elif low[pos - 1].isalnum() or low[pos - 1] == "\n":
                return -1
            pos -= 1
        return pos if key and not at and not _joins(low, pos) else -1
