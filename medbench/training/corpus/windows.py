"""Windows of tokens, as a pre-training draws them: pure functions of seed, epoch and place.

A resumed run, or one with another number of processes, asks for the same numbers and gets the same
windows. Random numbers come from Philox (Salmon et al., SC 2011), a function of a key, here the
seed and the epoch, and a counter, here the number of the text. Arrays: N texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from medbench.training.corpus.store import TokenStore
from medbench.training.examples import IGNORED, Count, Example

__all__ = ["Draws", "HeldOut", "Shape", "Texts", "Windows", "random_starts", "spread", "uniform"]

Stream = Literal["start", "order", "replay text", "replay start", "held out"]
STREAMS: tuple[Stream, ...] = ("start", "order", "replay text", "replay start", "held out")
HELD_OUT_SEED = 0
"""Every run measures on the same windows, whatever its own seed."""


class Shape(NamedTuple):
    """How windows lie in a text."""

    window: int
    """The longest, in tokens."""
    overlap: int | None
    """Tokens that a window shares with the one before; None: one from anywhere in each text."""


def generator(seed: int, epoch: int, stream: Stream) -> np.random.Generator:
    """Return random numbers that depend on these three alone."""
    key = np.array([seed, epoch], np.uint64)
    counter = np.array([0, 0, 0, STREAMS.index(stream)], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def uniform(seed: int, epoch: int, stream: Stream, size: int) -> NDArray[np.float64]:
    """Return numbers in [0, 1), (N,); that of a text stays when others are put behind it."""
    return generator(seed, epoch, stream).random(size)


def random_starts(
    lengths: NDArray[np.int64], window: int, numbers: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return where windows begin, (N,): any start is as likely, the last one too."""
    last: NDArray[np.int64] = np.maximum(lengths - window, 0)
    drawn: NDArray[np.int64] = (numbers * (last + 1)).astype(np.int64)
    drawn = np.minimum(drawn, last)  # a number just below 1 may be rounded up
    return drawn


def spread(lengths: NDArray[np.int64], window: int, overlap: int) -> NDArray[np.int64]:
    """Return how many overlapping windows cover each text, (N,); the last ends with the text."""
    beyond = np.maximum(lengths - window, 0).astype(np.int64)
    more: NDArray[np.int64] = -(-beyond // (window - overlap))
    return more + 1


@dataclass(frozen=True, slots=True)
class Texts:
    """Some of the texts of several stores, by number."""

    stores: tuple[TokenStore, ...]
    owner: NDArray[np.uint16]
    """Of each text, its store."""
    number: NDArray[np.int64]
    """Of each text, which one it is there."""
    lengths: NDArray[np.int64]
    """Of each text, in tokens."""
    hashes: NDArray[np.uint64]
    """Of each text."""

    @classmethod
    def of(cls, stores: Sequence[TokenStore]) -> "Texts":
        """Return all texts of some stores."""
        return cls(
            tuple(stores),
            np.concatenate([np.full(len(one), i, np.uint16) for i, one in enumerate(stores)]),
            np.concatenate([np.arange(len(one)) for one in stores]),
            np.concatenate([one.lengths for one in stores]),
            np.concatenate([one.hashes for one in stores]),
        )

    def __len__(self) -> int:
        return len(self.number)

    def where(self, chosen: NDArray[Any]) -> "Texts":
        """Return some of them: a mask or numbers."""
        return replace(
            self,
            owner=self.owner[chosen],
            number=self.number[chosen],
            lengths=self.lengths[chosen],
            hashes=self.hashes[chosen],
        )

    def example(self, text: int, start: int, window: int) -> Example:
        """Return a window of a text; its first token has none before it that could predict it."""
        store, number = self.stores[self.owner[text]], int(self.number[text])
        end = min(start + window, int(self.lengths[text]))
        ids = store.tokens(number, start, end).tolist()
        source = f"{store.manifest.source}, text {number}, tokens {start} to {end}"
        return Example(ids, [IGNORED, *ids[1:]], source)


class Windows(Sequence[Example]):
    """The windows of each epoch: the sources' first, then replayed ones of the general text."""

    def __init__(
        self, texts: Texts, general: Texts | None, shape: Shape, replay: float, seed: int
    ) -> None:
        self.texts = texts
        self.general = general
        self.shape = shape
        self.seed = seed
        overlap = shape.overlap
        self.counts_of_text = (
            np.ones(len(texts), np.int64)
            if overlap is None
            else spread(texts.lengths, shape.window, overlap)
        )
        self.ends = np.cumsum(self.counts_of_text)
        self.learnt = int(self.counts_of_text.sum())
        self.replayed = round(self.learnt * replay / (1 - replay)) if general is not None else 0
        self.epoch = -1

    def __len__(self) -> int:
        return self.learnt + self.replayed

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self.draw(0, place) for place in range(*index.indices(len(self)))]
        return self.draw(0, range(len(self))[index])

    def draw(self, epoch: int, place: int) -> Example:
        """Return one window of an epoch."""
        self.enter(epoch)
        if place >= self.learnt:
            assert self.general is not None
            slot = place - self.learnt
            text, start = int(self.replay_texts[slot]), int(self.replay_starts[slot])
            return self.general.example(text, start, self.shape.window)
        text = int(np.searchsorted(self.ends, place, side="right"))
        if self.shape.overlap is None:
            return self.texts.example(text, int(self.starts[text]), self.shape.window)
        which = place - int(self.ends[text] - self.counts_of_text[text])
        last = max(int(self.texts.lengths[text]) - self.shape.window, 0)
        start = min(which * (self.shape.window - self.shape.overlap), last)
        return self.texts.example(text, start, self.shape.window)

    def enter(self, epoch: int) -> None:
        """Draw an epoch's starts, and the texts that it replays: the same ones each time."""
        if epoch == self.epoch:
            return
        window = self.shape.window
        if self.shape.overlap is None:
            drawn = uniform(self.seed, epoch, "start", len(self.texts))
            self.starts = random_starts(self.texts.lengths, window, drawn)
        if self.general is not None and self.replayed:
            which = generator(self.seed, epoch, "replay text")
            self.replay_texts = which.integers(len(self.general), size=self.replayed)
            drawn = uniform(self.seed, epoch, "replay start", self.replayed)
            self.replay_starts = random_starts(
                self.general.lengths[self.replay_texts], window, drawn
            )
        self.epoch = epoch

    @property
    def counts(self) -> tuple[Count, ...]:
        """What the sources and the replayed text are in the first epoch."""
        found = []
        for part, places in (
            ("sources", range(self.learnt)),
            ("replayed", range(self.learnt, len(self))),
        ):
            tokens = sum(len(self.draw(0, place).input_ids) for place in places)
            if places:
                found.append(
                    Count(part, len(places), tokens=tokens, supervised=tokens - len(places))
                )
        return tuple(found)


class Draws(Sequence[Example]):
    """All that a run is shown, in its order, as the Trainer asks for it: by number.

    Each epoch has an order of its own, and is filled up with examples of one unlearnt token to a
    whole number of steps.
    """

    def __init__(self, windows: Windows, batch: int, steps: int) -> None:
        self.windows = windows
        self.batch = batch
        self.size = batch * self.steps_in_epoch(windows, batch)
        self.total = steps * batch
        self.epoch = -1

    @staticmethod
    def steps_in_epoch(windows: Windows, batch: int) -> int:
        """Return the optimiser steps of an epoch."""
        return ceil(len(windows) / batch)

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, number: Any) -> Any:
        epoch, place = divmod(range(self.total)[number], self.size)
        if epoch != self.epoch:
            self.order = generator(self.windows.seed, epoch, "order").permutation(len(self.windows))
            self.epoch = epoch
        if place >= len(self.windows):
            first = self.windows.draw(epoch, 0)
            return Example(first.input_ids[:1], [IGNORED], "")
        return self.windows.draw(epoch, int(self.order[place]))


class HeldOut(Sequence[Example]):
    """One window of each text that is measured on, the same one in every run."""

    def __init__(self, texts: Texts, window: int) -> None:
        self.texts = texts
        self.window = window
        drawn = uniform(HELD_OUT_SEED, 0, "held out", len(texts))
        self.starts = random_starts(texts.lengths, window, drawn)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: Any) -> Any:
        place = range(len(self))[index]
        return self.texts.example(place, int(self.starts[place]), self.window)
