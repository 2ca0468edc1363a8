"""The section of a recipe that describes what continued pre-training reads."""

from dataclasses import dataclass
from typing import Literal

from medbench.recipe.bounds import Count, Positive, Share, Whole

__all__ = ["Corpus", "CorpusFacts", "Source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Texts from one place; exactly one of the first three says which."""

    path: str = ""
    """A file, or a folder with all of its: .txt, .json, .jsonl, also .gz and .zst, or .parquet."""
    benchmark: str = ""
    """Or a benchmark's rows: those of its split train, never of another."""
    sample: Literal["medical", "general"] | None = None
    """Or the few texts that this project wrote, for trying things."""
    field: str = ""
    """Where the text is, unless in `text`; of a benchmark, unless in `context`."""
    form: Literal["text", "paper"] = "text"
    """paper: S2ORC's or PMC's full text, without its authors, references and citation marks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFacts:
    """What a dry run must know of a corpus that is not here."""

    texts: Count
    """How many."""
    tokens: Count
    """All of theirs, in the model's own tokens."""
    tokens_per_second: Positive | None = None
    """What all devices together train on, measured or reported: for the hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The texts, how windows of data.sequence_length tokens are drawn, and what is held out."""

    sources: tuple[Source, ...] = ()
    """What is learnt."""
    general: tuple[Source, ...] = ()
    """Other text, to measure what is forgotten, and to replay."""
    replay: Share = 0.0
    """Which share of an epoch's windows is of the general text."""
    windows: Literal["random", "overlapping"] = "random"
    """random: one of each text an epoch, new ones each time; overlapping: all of the text."""
    overlap: Whole | None = None
    """overlapping: tokens that a window shares with the one before it."""
    held_out: Share = 0.01
    """Which share of texts is never trained on; a hash of the text decides, so equal ones agree."""
    held_out_texts: Count = 500
    """On how many of these, at most, perplexity is measured, for sources and general text each."""
    facts: CorpusFacts | None = None
    """Sizes, for a dry run; without them the files are looked at."""
