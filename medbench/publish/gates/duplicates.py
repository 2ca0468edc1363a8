"""Texts that hold, or nearly hold, one of some known texts: 20,000 of them in 200,000 in minutes.

A text becomes units: words, and single characters of Chinese, Japanese and Korean, in one case and
one width, without punctuation. Its shingles are all runs of so many units. The containment of a
known text A in a text B is the share of A's shingles that B has (Broder, On the resemblance and
containment of documents, 1997). It is counted, not estimated: an inverted index of the known texts
is small enough to be held. Runs that many known texts share ("which of the following is") say
nothing and are left out, as frequent n-grams are in GPT-3's overlap study (arXiv 2005.14165,
appendix C).
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEAR", "Matches", "TextIndex", "units"]

NEAR = 0.6
"""Containment from which a text is a near-duplicate: what is left of 40 words after 5 edits."""
FREQUENT = 16
"""A run that more known texts share is left out."""
FEWEST = 4
"""Known texts with fewer runs are only looked for whole."""
CHARACTERS, WORDS = 5, 3
"""Units of a run where most units are characters, and where they are words."""
CHUNK = 4096
"""Texts that are looked up at once."""
CJK = r"\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
UNIT = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
CHARACTER = re.compile(rf"[{CJK}]")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]


def units(text: str) -> list[str]:
    """Return words and characters, without case, width, accents' form and punctuation."""
    return UNIT.findall(unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found of each known text; all arrays are (known texts,)."""

    exact: NDArray[np.bool_]
    """A text has all its units, in order, and no others."""
    share: NDArray[np.float64]
    """The largest containment in one text; 1 where exact."""
    source: Numbers
    """The number of that text; -1 where nothing is shared."""

    @property
    def near(self) -> NDArray[np.bool_]:
        """Near-duplicates that are not exact."""
        return (self.share >= NEAR) & ~self.exact


class TextIndex:
    """Known texts, to be looked for in others."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.vocabulary: dict[str, int] = {}
        """Unit to number, from 1; 0 is what no known text has."""
        for text in texts:
            for unit in units(text):
                self.vocabulary.setdefault(unit, len(self.vocabulary) + 1)
        self.whole: dict[bytes, list[int]] = defaultdict(list)
        """All units of a text → the known texts that are so."""
        for number, ids in enumerate(self.numbered(texts)):
            self.whole[ids.tobytes()].append(number)
        first = [numbers[0] for numbers in self.whole.values()]
        self.copies = np.zeros(len(texts), np.int64)
        """Of each text the first that is equal; only this one is indexed."""
        for numbers in self.whole.values():
            self.copies[numbers] = numbers[0]
        hashes, rows = shingles(list(self.numbered(texts[number] for number in first)))
        self._index(hashes, np.asarray(first, np.int64)[rows], len(texts))

    def _index(self, hashes: Hashes, rows: Numbers, size: int) -> None:
        """Sort runs, each once a text, and leave out the frequent ones."""
        order = np.lexsort((rows, hashes))
        hashes, rows = hashes[order], rows[order]
        again = (hashes[1:] == hashes[:-1]) & (rows[1:] == rows[:-1])
        is_first = np.concatenate([np.ones(len(hashes[:1]), bool), ~again])
        self.hashes, counts = np.unique(hashes[is_first], return_counts=True)
        rare = counts <= FREQUENT
        self.postings = rows[is_first][np.repeat(rare, counts)]
        """Known texts, run after run."""
        self.hashes, counts = self.hashes[rare], counts[rare]
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.sizes = np.bincount(self.postings, minlength=size)
        """Runs of each known text that are looked for."""

    def numbered(self, texts: Iterable[str]) -> Iterator[Numbers]:
        """Yield each text as its units' numbers, behind one that tells words from characters."""
        number = self.vocabulary.get
        for text in texts:
            found = units(text)
            characters = sum(map(len, filter(CHARACTER.match, found)))
            kind = CHARACTERS if 2 * characters > len(found) else WORDS
            yield np.array([kind, *(number(unit, 0) for unit in found)], np.int64)

    def search(self, texts: Iterable[str]) -> Matches:
        """Look for the known texts in others, which are read once and not kept."""
        size = len(self.copies)
        exact = np.zeros(size, bool)
        share, source = np.zeros(size), np.full(size, -1, np.int64)
        offset, rest = 0, self.numbered(texts)
        while chunk := list(islice(rest, CHUNK)):
            for place, ids in enumerate(chunk):
                for known in self.whole.get(ids.tobytes(), ()):
                    exact[known], share[known], source[known] = True, 1.0, offset + place
            self._contained(chunk, offset, share, source)
            offset += len(chunk)
        source = np.where(exact, source, source[self.copies])
        return Matches(exact, np.where(exact, 1.0, share[self.copies]), source)

    def _contained(
        self, chunk: list[Numbers], offset: int, share: NDArray[np.float64], source: Numbers
    ) -> None:
        """Raise the shares to what a chunk of texts contains."""
        hashes, rows = shingles(chunk)
        if not (len(hashes) and len(self.hashes)):
            return
        places = np.searchsorted(self.hashes, hashes)
        places[places == len(self.hashes)] = 0
        is_known = self.hashes[places] == hashes
        rows, places = pairs(rows[is_known], places[is_known], len(self.hashes))[:2]
        counts = self.starts[places + 1] - self.starts[places]
        before = np.cumsum(counts) - counts
        where = np.repeat(self.starts[places] - before, counts) + np.arange(counts.sum())
        rows, known, shared = pairs(np.repeat(rows, counts), self.postings[where], len(self.copies))
        found = np.where(self.sizes[known] >= FEWEST, shared / self.sizes[known], 0.0)
        order = np.argsort(found, kind="stable")
        rows, known, found = rows[order], known[order], found[order]
        better = found > share[known]
        share[known[better]] = found[better]  # of several the last, which is the largest, stays
        source[known[better]] = offset + rows[better]


def pairs(a: Numbers, b: Numbers, size: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return each pair of a and b (below size) once, and how often it was there."""
    keys, counts = np.unique(a * size + b, return_counts=True)
    return keys // size, keys % size, counts


def shingles(texts: Sequence[Numbers]) -> tuple[Hashes, Numbers]:
    """Return the hashes of all runs without an unknown unit, and the text of each."""
    found_hashes, found_rows = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for width in (CHARACTERS, WORDS):
        rows = [row for row, ids in enumerate(texts) if ids[0] == width]
        if not rows:
            continue
        lengths = np.array([len(texts[row]) - 1 for row in rows])
        ids = np.concatenate([*(texts[row][1:] for row in rows), np.zeros(width, np.int64)])
        owner = np.repeat(np.arange(len(rows)), lengths)
        left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(owner))
        hashes = np.full(len(owner), width, np.uint64)
        is_known = left >= width
        for step in range(width):
            column = ids[step : step + len(owner)]
            is_known &= column > 0
            hashes = mixed(hashes * MULTIPLIER + column.astype(np.uint64))
        found_hashes.append(hashes[is_known])
        found_rows.append(np.array(rows)[owner[is_known]])
    return np.concatenate(found_hashes), np.concatenate(found_rows)


def mixed(hashes: Hashes) -> Hashes:
    """Spread the bits of each number over all 64 (SplitMix64's last step, one to one)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
