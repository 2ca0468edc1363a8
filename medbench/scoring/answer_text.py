"""Text as the extractor sees it: cleaned, searched for statements and for option texts."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from medbench.scoring.answer_patterns import LANGUAGES, Language
from medbench.scoring.answer_words import SHARED

__all__ = [
    "CUES",
    "DENIAL",
    "OptionTexts",
    "Text",
    "is_doubted",
    "last_sentence",
    "sentence_end",
    "spoken",
    "without_reasoning",
]

_PLAIN = {
    **dict.fromkeys(map(ord, "「『【〔《〈[⟨〖"), "("),
    **dict.fromkeys(map(ord, "」』】〕》〉]⟩〗"), ")"),
    **dict.fromkeys(map(ord, "“”„‟«»″"), '"'),
    **dict.fromkeys(map(ord, "‘’‚‛′"), "'"),
    **dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"),
    **dict.fromkeys(map(ord, "、・·"), ","),
    **{ord("。"): ".", ord("→"): ">", ord("\r"): "\n"},
    # Markdown, TeX, ticks and characters of no width
    **dict.fromkeys(map(ord, "*`#$\\\u200b\u200c\u200d\u2060\ufeff\ufe0f✅✔☑➡👉"), ""),
}
_MARKUP = re.compile(
    r"<\|[^|<>\n]{0,40}\|>|</?(?i:s|b|i|em|strong|u|p|br|eos|bos|end_of_turn)\s?/?>"
)
_TEX = re.compile(r"\\(?:text|math|operatorname)?(?:rm|bf|it|sf)?\s?\{([^{}]{0,200})\}")
_UNDERSCORES = re.compile(r"(?<![^\W_])_{1,3}(?=[^\W_])|(?<=[^\W_])_{1,3}(?![^\W_])")
_TAGS = "(?i:think|thinking|thoughts?|reasoning|reflection)"
# Also MedGemma's unused94, gpt-oss's channels, Kimi's and Magistral's marks
_OPENS = (
    rf"<{_TAGS}>|\[(?i:think)\]|<unused94>|<\|channel\|>analysis(?:<\|message\|>)?"
    r"|<\|begin_of_thought\|>|◁think▷"
)
_CLOSES = (
    rf"</{_TAGS}>|\[/(?i:think)\]|<unused95>|<\|channel\|>final(?:<\|message\|>)?"
    r"|assistantfinal|<\|end_of_thought\|>|◁/think▷"
)
_REASONING = re.compile(f"(?P<open>{_OPENS})|(?P<close>{_CLOSES})")
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_HAS_CJK = re.compile(f"[{_CJK}]")
_WORDS = re.compile(rf"[0-9]+(?:[.,][0-9]+)*|[^\W\d_{_CJK}]+|[{_CJK}]+")
_SENTENCE_END = re.compile(rf"\n|[.!?](?=\s|\Z|[\"')]|[{_CJK}])")
_MEANING = {
    word: meaning
    for words in LANGUAGES.values()
    for meaning, spelled in zip(("yes", "no", "maybe"), words.polar, strict=True)
    for word in spelled
}
_POLAR = re.compile(
    rf"[\s(\"':,>-]{{0,6}}(?P<word>{'|'.join(sorted(_MEANING, key=len, reverse=True))})"
    rf"(?=\s{{0,3}}(?:\Z|\n|[.,;:!)\"'(]|-(?![a-z]))|\s?(?:{SHARED.because})(?![^\W_]))"
)
_SUPPOSED = re.compile(
    rf"\W{{0,6}}(?:(?:{SHARED.turns})\W{{1,3}})?(?:{SHARED.conditions})|.*(?:라면|であれば|ならば)"
)
_TURN = re.compile(rf"[.!?\n][\s)\"']{{0,6}}(?:{SHARED.turns})")
DENIAL = re.compile("|".join(language.denials for language in LANGUAGES.values()))
"""What takes the answer out of a sentence, in any language: not, 아니."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text in half width, with plain brackets and quotes, without markdown."""

    plain: str
    low: str
    """The same in lower case, position for position."""

    @classmethod
    def of(cls, raw: str) -> Self:
        """Clean a raw text."""
        text = unicodedata.normalize("NFKC", raw)
        text = _TEX.sub(r"\1", text).replace("\\n", "\n") if "\\" in text else text
        text = _MARKUP.sub("", text) if "<" in text else text
        text = text.translate(_PLAIN)
        text = (_UNDERSCORES.sub("", text) if "_" in text else text).strip()
        low = text.lower()
        if len(low) != len(text):  # "İ" becomes two characters
            low = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
        return cls(text, low)


class Cues:
    """One language's words for an answer, compiled: where statements open in a text."""

    def __init__(self, words: Language) -> None:
        tie = rf"(?:(?P<guess>{words.guesses})|(?P<tie>{words.ties}))?"
        self.name = re.compile(rf"(?:{words.names})[\s)\"']{{0,4}}{tie}")
        self.pick = re.compile(words.picks)
        self.spoilers = re.compile(rf"(?:{words.spoilers})\Z")
        self.verdict = re.compile(words.verdicts)
        self.praise = re.compile(words.praises)
        self.lead = re.compile(words.leads)
        self.subject = re.compile(words.subjects)
        self.before = re.compile(rf"(?:[\n.,;:!?()\"'>-]\s?|{words.lead_words})\Z")
        self.weak = re.compile(words.weak)
        self.script = re.compile(words.script)

    def openings(self, text: Text) -> Iterator[tuple[int, int, str]]:
        """Yield where statements start and end, and their kind: tie, guess, pick or bare.

        "The incorrect answer is" and "if the answer is" open none.
        """
        for match in self.name.finditer(text.low):
            if not self._is_spoiled(text, match.start()):
                yield *match.span(), match.lastgroup or "bare"
        for match in self.pick.finditer(text.low):
            if not self._is_spoiled(text, match.start()):
                yield *match.span(), "pick"

    def is_weak(self, text: Text, start: int, end: int) -> bool:
        """Say whether a statement only supposes: "would be", or its sentence opens with "if"."""
        clause = _SENTENCE_END.split(text.low[max(0, start - 300) : start])[-1]
        opening = text.low[start:end]
        return bool(self.weak.search(opening) or _SUPPOSED.match(clause))

    def _is_spoiled(self, text: Text, pos: int) -> bool:
        return self.spoilers.search(text.low, max(0, pos - 30), pos) is not None


CUES = {code: Cues(words) for code, words in LANGUAGES.items()}


def spoken(text: Text, codes: Iterable[str] = CUES) -> list[Cues]:
    """Return the cues of those languages that the text may be in."""
    return [CUES[code] for code in codes if CUES[code].script.search(text.low)]


def key_of(low: str) -> str:
    """Return what must agree for two lower-case texts to be the same: letters and digits."""
    return "".join(filter(str.isalnum, low))


def sentence_end(text: str, pos: int, limit: int = 400) -> int:
    """Return where the sentence at `pos` ends, at most `limit` characters on."""
    match = _SENTENCE_END.search(text, pos, pos + limit)
    return match.start() if match else min(len(text), pos + limit)


def is_doubted(text: Text, start: int, end: int) -> bool:
    """Say whether a text goes on to doubt the statement from `start` to `end`: "But let us check".

    What opens a line is meant as the answer: only the next sentence can doubt it.
    """
    stop = sentence_end(text.plain, end)
    turn = _TURN.search(text.low, stop)
    opening = text.low[text.low.rfind("\n", 0, start) + 1 : start]
    opens_line = len(opening) < 24 and not re.search("[.!?]", opening)
    return turn is not None and (not opens_line or turn.start() <= stop)


def last_sentence(line: str) -> str:
    """Return the last sentence of a line."""
    *_, start = (0, *(end.end() for end in _SENTENCE_END.finditer(line, 0, len(line.rstrip()) - 1)))
    return line[start:]


def without_reasoning(output: str) -> tuple[str, bool]:
    """Return the output without its reasoning blocks, and whether one was left open.

    What stands before a closing mark without an opening one is reasoning too: chat templates often
    open the block in the prompt.
    """
    if not any(sign in output for sign in ("<", "[", "◁", "assistantfinal")):
        return output.strip(), False  # the usual case, four times as fast
    kept: list[str] = []
    start, is_open = 0, False
    for mark in _REASONING.finditer(output):
        if mark["close"] is not None:
            if not is_open:
                kept.clear()
            start, is_open = mark.end(), False
        elif not is_open:
            kept.append(output[start : mark.start()])
            is_open = True
    if not is_open:
        kept.append(output[start:])
    return "\n".join(kept).strip(), is_open


class OptionTexts:
    """One question's option texts, and where they are quoted."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.low = {letter: Text.of(text).low for letter, text in options.items()}
        self.keys = {letter: key_of(low) for letter, low in self.low.items()}

        said = {low.strip(" ."): letter for letter, low in self.low.items()}
        means = {_MEANING[low]: letter for low, letter in said.items() if low in _MEANING}
        self.means = means if len(means) == len(self.low) else {}

    def word_at(self, low: str, pos: int) -> tuple[str, int] | None:
        """Return the letter and the end of a yes, no or maybe, if the options say these."""
        word = _POLAR.match(low, pos) if self.means else None
        letter = self.means.get(_MEANING[word["word"]]) if word else None
        return (letter, word.end()) if word and letter is not None else None

    def equal(self, low: str) -> str | None:
        """Return the letter of the one option that says just this."""
        key = key_of(low)
        same = [letter for letter, own in self.keys.items() if own == key]
        return same[0] if key and len(same) == 1 else None

    def quoted(self, low: str, *, explicit: bool) -> str | None:
        """Return the letter of the one option whose text stands in a passage, if nothing denies it.

        A text inside a longer option's text ("anemia", "hemolytic anemia") counts only without it.

        Args:
            low: the passage, in lower case.
            explicit: the passage announces an answer, so that "pH" or "5" can be one.
        """
        words, joined = f" {' '.join(_WORDS.findall(low))} ", key_of(low)
        held = [letter for letter in self.keys if self._stands(letter, words, joined, explicit)]
        longest = [
            one
            for one in held
            if not any(self.keys[one] in self.keys[other] for other in held if other != one)
        ]
        if len(longest) != 1 or self.means:  # yes and no are words of every sentence
            return None
        denials = len(DENIAL.findall(low)) - len(DENIAL.findall(self.low[longest[0]]))
        return longest[0] if denials <= 0 else None

    def end_at(self, letter: str, low: str, pos: int) -> int:
        """Return where this option's text ends if it starts at `pos`, else -1."""
        key, at = self.keys[letter], 0
        while at < len(key) and pos < len(low):
            if low[pos] == key[at]:
                at += 1
            elif low[pos].isalnum() or low[pos] == "\n":
                return -1
            pos += 1
        return pos if key and at == len(key) and not _runs_on(low, pos) else -1

    def before(self, low: str, pos: int) -> tuple[str, int] | None:
        """Return the option whose text ends at `pos` and where it starts: the longest one."""
        starts = [(self._start_at(key, low, pos), letter) for letter, key in self.keys.items()]
        start, letter = min((pair for pair in starts if pair[0] >= 0), default=(-1, ""))
        return (letter, start) if start >= 0 else None

    def _start_at(self, key: str, low: str, pos: int) -> int:
        at = len(key)
        while at and pos:
            if low[pos - 1] == key[at - 1]:
                at -= 1
            elif low[pos - 1].isalnum() or low[pos - 1] == "\n":
                return -1
            pos -= 1
        return pos if key and not at and not _runs_on(low, pos) else -1

    def _stands(self, letter: str, words: str, joined: str, explicit: bool) -> bool:
        key = self.keys[letter]
        is_cjk = _HAS_CJK.search(key) is not None
        shortest = 1 if explicit else 2 if is_cjk else 3
        if len(key) < shortest or (key.isdigit() and not explicit):
            return False
        if not is_cjk:
            return f" {' '.join(_WORDS.findall(self.low[letter]))} " in words
        at = joined.find(key)
        while at >= 0 and (_runs_on(joined, at) or _runs_on(joined, at + len(key))):
            at = joined.find(key, at + 1)
        return at >= 0


def _runs_on(text: str, pos: int) -> bool:
    """Say whether a word or a number runs on across `pos` (characters of CJK stand alone)."""
    around = text[max(0, pos - 1) : pos + 1]
    return 0 < pos < len(text) and around.isalnum() and not _HAS_CJK.search(around)
