"""A recipe's corpus, ready to be trained on: its tokens, what is held out, and how it is drawn."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from typing import Any

import numpy as np

from medbench.checkpoint import CorpusPart
from medbench.errors import DataError, MedbenchError, RecipeError
from medbench.recipe import Recipe, Source
from medbench.training.corpus.build import Encoder, content_digest, store_of
from medbench.training.corpus.sources import pieces, source_name, texts
from medbench.training.corpus.store import TokenStore
from medbench.training.corpus.windows import Draws, HeldOut, Shape, Texts, Windows
from medbench.training.stop import stop_token

__all__ = ["Pretraining", "glance", "read_corpus"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pretraining:
    """What a continued pre-training is shown, and what it is measured on."""

    windows: Windows
    """Of every epoch."""
    held_out: HeldOut | None
    """Of the sources."""
    general: HeldOut | None
    """Of the general text."""
    parts: tuple[CorpusPart, ...]
    """What it was made of."""
    digest: str
    """Of all texts, of how they were read, and of what tokenised them."""

    def draws(self, recipe: Recipe) -> Draws:
        """Return all that a run is shown."""
        training = recipe.training
        steps = training.max_steps or ceil(
            Draws.steps_in_epoch(self.windows, training.global_batch) * (training.epochs or 0)
        )
        return Draws(self.windows, training.global_batch, steps)


def read_corpus(recipe: Recipe, tokenizer: Any) -> Pretraining:
    """Return a recipe's corpus; tokens that are not on the disk yet are made.

    Raises:
        MedbenchError: everything that keeps it from being trained on.
    """
    corpus = recipe.corpus
    encoder = Encoder(tokenizer, stop_token(tokenizer, recipe))
    faults: list[MedbenchError] = []
    stores = [made(corpus.sources, encoder, faults), made(corpus.general, encoder, faults)]
    if faults:
        raise DataError("\n".join(dict.fromkeys(map(str, faults))))
    learnt, held, duplicates = split(stores[0], corpus.held_out)
    general, held_general, _ = split(stores[1], corpus.held_out)
    assert learnt is not None
    overlap = corpus.overlap if corpus.windows == "overlapping" else None
    shape = Shape(recipe.data.sequence_length, overlap)
    windows = Windows(learnt, general, shape, corpus.replay, recipe.training.seed)
    check(recipe, windows, held, held_general)
    if duplicates:
        log.warning("%s texts stand in the corpus twice; each is read once", f"{duplicates:,}")
    digests = " ".join(one.manifest.digest for part in stores for one in part)
    return Pretraining(
        windows,
        measured(held, recipe),
        measured(held_general, recipe),
        (
            *described("sources", corpus.sources, stores[0], corpus.held_out),
            *described("general", corpus.general, stores[1], corpus.held_out),
        ),
        sha256(digests.encode()).hexdigest(),
    )


def glance(recipe: Recipe) -> None:
    """Look at the first text of each source, so that hours of tokenising do not come first.

    Raises:
        DataError: some have none that can be read.
    """
    faults = []
    for one in (*recipe.corpus.sources, *recipe.corpus.general):
        try:
            for piece in pieces(one)[:1]:
                next(texts(piece), "")
        except DataError as error:
            faults += str(error).splitlines()
    if faults:
        raise DataError("\n".join(faults))


def made(
    sources: Sequence[Source], encoder: Encoder, faults: list[MedbenchError]
) -> list[TokenStore]:
    """Return the stores of some sources; what is wrong with some goes to the faults."""
    found = []
    for one in sources:
        try:
            found.append(store_of(one, encoder))
        except MedbenchError as error:
            faults.append(error)
    return found


def is_held(hashes: "np.ndarray[Any, np.dtype[np.uint64]]", share: float) -> Any:
    """Tell which texts are only measured on: those whose hash is low, (N,)."""
    return hashes < np.uint64(int(share * 2.0**64))


def split(stores: Sequence[TokenStore], share: float) -> tuple[Texts | None, Texts | None, int]:
    """Return what is learnt, what is held out, and how many texts were there twice."""
    if not stores:
        return None, None, 0
    whole = Texts.of(stores)
    firsts = np.sort(np.unique(whole.hashes, return_index=True)[1])
    once = whole.where(firsts)
    held = is_held(once.hashes, share)
    return once.where(~held), once.where(held), len(whole) - len(once)


def measured(held: Texts | None, recipe: Recipe) -> HeldOut | None:
    """Return what perplexity is measured on: the texts with the lowest hashes."""
    if held is None or not recipe.corpus.held_out:
        return None
    chosen = np.argsort(held.hashes)[: recipe.corpus.held_out_texts]
    return HeldOut(held.where(chosen), recipe.data.sequence_length)


def check(recipe: Recipe, windows: Windows, held: Texts | None, held_general: Texts | None) -> None:
    """Look whether there is enough of everything.

    Raises:
        RecipeError: there is not.
    """
    faults, batch, share = [], recipe.training.global_batch, recipe.corpus.held_out
    if len(windows) < batch:
        faults.append(
            f"training.global_batch: a step takes {batch} windows, and the corpus has "
            f"{len(windows)} an epoch"
        )
    if windows.replayed and not len(windows.general or ()):
        faults.append("corpus.general: nothing is left of it to replay")
    for key, one in (("sources", held), ("general", held_general)):
        if share and one is not None and not len(one):
            faults.append(
                f"corpus.held_out: {share:g} of corpus.{key} is no text at all; ask for more, or "
                "for 0"
            )
    if faults:
        raise RecipeError("\n".join(faults))


def described(
    use: str, sources: Sequence[Source], stores: Sequence[TokenStore], share: float
) -> Iterator[CorpusPart]:
    """Yield what a checkpoint says of its sources."""
    for source, store in zip(sources, stores, strict=True):
        yield CorpusPart(
            source=source_name(source),
            use=use,
            texts=len(store),
            held_out=int(is_held(store.hashes, share).sum()),
            tokens=store.manifest.tokens,
            sha256=content_digest(source),
        )
