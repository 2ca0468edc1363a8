"""What a corpus will take, before it is tokenised: texts, tokens, windows, disk, hours.

Either the recipe states its sizes, or its files are looked at: their bytes, and the first texts of
each. A benchmark's are known.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from statistics import fmean

from medbench.errors import DataError, RecipeError
from medbench.recipe import Mixed, Recipe, Source
from medbench.training.corpus.sources import PACKED, pieces, source_name, texts
from medbench.training.lengths import BYTES, LATIN_BYTES, datasets

__all__ = ["Outlook", "outlook", "outlook_rows"]

LOOKED_AT, LOOKED_AT_BYTES = 200, 4 << 20
"""How much of a source is read: texts of a compressed one, bytes of a long file of JSON lines."""
PACKED_BYTES = 3.5
"""Bytes of English that a byte of gzip or zstd holds, about."""
CONTEXT_BYTES = 1361
"""Mean of PubMedQA's contexts."""
TOKENS_PER_CORE = 1_000_000
"""What a tokenizer in Rust writes in a second."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Outlook:
    """Sizes of a corpus, within a third where no recipe states them."""

    texts: int
    """Of the sources."""
    tokens: int
    """All of theirs."""
    windows: int
    """Of an epoch, replayed ones among them."""
    window_tokens: float
    """Of a window, on average."""
    store_bytes: int
    """What the token store takes on the disk."""


def outlook(recipe: Recipe) -> Outlook:
    """Return what a recipe's corpus will be.

    Raises:
        RecipeError: its files are not here, and it states no sizes.
        DataError: a file cannot be read.
    """
    corpus, window = recipe.corpus, recipe.data.sequence_length
    if corpus.facts:
        count, tokens = corpus.facts.texts, corpus.facts.tokens
    else:
        sizes = [size(one) for one in corpus.sources]
        count = round(sum(one[0] for one in sizes))
        tokens = round(sum(one[1] for one in sizes))
    kept = count * (1 - corpus.held_out)
    mean = tokens / max(count, 1)
    each = 1.0
    if corpus.windows == "overlapping":
        each = 1 + max(mean - window, 0) / (window - (corpus.overlap or 0))
    windows = kept * each / (1 - corpus.replay)
    width = 2 if recipe.model.facts and recipe.model.facts.vocabulary <= 1 << 16 else 4
    return Outlook(count, tokens, ceil(windows), min(mean, window), tokens * width + 12 * count)


def size(source: Source) -> tuple[float, float]:
    """Return how many texts a source has, and how many tokens."""
    if source.benchmark:
        known = datasets(Mixed(benchmark=source.benchmark, split="train"))
        count = sum(one.sizes["train"] for one in known)
        if (source.field or "context") == "context":
            return count, count * CONTEXT_BYTES / LATIN_BYTES
        rows = [(one.sizes["train"], BYTES.get(one.name, (500, 0))) for one in known]
        which = 1 if source.field == "rationale" else 0
        return count, sum(number * both[which] for number, both in rows) / LATIN_BYTES
    try:
        parts = pieces(source)
    except DataError as error:
        raise RecipeError(f"{error}; corpus.facts tells a dry run its sizes") from error
    whole = sum(one.size for one in parts)
    if not whole:
        return 0, 0
    first = parts[0]
    if any(one.suffix in PACKED for one in first.files):
        some = [len(one.encode()) for one in islice(texts(first), LOOKED_AT)]
        return whole * PACKED_BYTES / max(fmean(some), 1), whole * PACKED_BYTES / LATIN_BYTES
    if first.end and first.files[0].suffix == ".jsonl":
        end = min(first.end, LOOKED_AT_BYTES)
        first = replace(first, end=end, size=end)
    some = [len(one.encode()) for one in texts(first)]
    return len(some) * whole / first.size, sum(some) * whole / first.size / LATIN_BYTES


def outlook_rows(
    recipe: Recipe, steps: int, tokens: int, state_bytes: float
) -> Iterator[tuple[str, str]]:
    """Yield (what, how much) of a corpus and of a long run, for a dry run.

    Args:
        recipe: what is planned.
        steps: of the optimiser, in all.
        tokens: of the whole run.
        state_bytes: of one saved state; 0 where the model's size is not known.
    """
    found, facts, tracking = outlook(recipe), recipe.corpus.facts, recipe.tracking
    sources = ", ".join(map(source_name, recipe.corpus.sources))
    yield "corpus", sources
    yield "texts", f"{found.texts:,}"
    yield "tokens in the corpus", f"{found.tokens:,}"
    yield "GiB on the disk: token store", f"{found.store_bytes / GIB:.1f}"
    hours = found.tokens / TOKENS_PER_CORE / 3600
    yield "hours of one core to tokenise", f"{hours:.1f}"
    every = tracking.save_every if tracking.save_every >= 1 else steps * tracking.save_every
    states = steps / max(every, 1)
    yield "states saved", f"{ceil(states):,}, every {max(round(every), 1):,} steps"
    if state_bytes:
        kept = (tracking.keep + 1) * state_bytes / GIB
        yield "GiB on the disk: states", f"{kept:.0f}"
    rate = facts.tokens_per_second if facts else None
    if rate:
        yield "tokens a second, as stated", f"{rate:,.0f}"
        yield "hours", f"{tokens / rate / 3600:.1f}"
        yield "lost by a kill, at most", f"{tokens / rate / 60 / max(states, 1):.0f} minutes"
        yield "jobs of 24 hours", f"{ceil(tokens / rate / 86400):,}"
