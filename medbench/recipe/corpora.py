"""What goes together in a recipe's corpus."""

from collections.abc import Iterator

from medbench.recipe.corpus import Source
from medbench.recipe.schema import Recipe

__all__ = ["corpora"]


def corpora(recipe: Recipe) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield (keys, message) of what a continued pre-training's settings lack."""
    corpus, window = recipe.corpus, recipe.data.sequence_length
    if not corpus.sources:
        yield ("corpus.sources", "kind"), "name at least one source of text to train on"
    for key in ("sources", "general"):
        for number, one in enumerate(getattr(corpus, key)):
            for message in source_faults(one):
                yield (f"corpus.{key}", f"corpus.{key}.{number}"), f"number {number + 1}: {message}"
    if corpus.windows == "overlapping" and corpus.overlap is None:
        yield ("corpus.overlap", "corpus.windows"), "windows overlapping needs it"
    if corpus.overlap is not None and corpus.overlap >= window:
        keys = ("corpus.overlap", "data.sequence_length")
        yield keys, f"{corpus.overlap} is no less than a window, data.sequence_length: {window}"
    if window < 2:
        yield ("data.sequence_length", "kind"), "a window of 1 token has nothing to predict"
    if recipe.training.neftune_alpha:
        keys = ("training.neftune_alpha", "kind")
        yield keys, "the noise is for answers to instructions; kind pretrain has none"


def source_faults(source: Source) -> Iterator[str]:
    """Yield what is wrong with a source."""
    stated = [name for name in ("path", "benchmark", "sample") if getattr(source, name)]
    if len(stated) != 1:
        found = f"{' and '.join(stated)} are" if stated else "none is"
        yield f"{found} stated; exactly one of path, benchmark and sample says where texts are from"
    if source.form == "paper" and (source.field or not source.path):
        what = "field" if source.field else stated[0] if stated else "path"
        yield f"form paper reads papers' JSON, so {what} changes nothing"
    if source.sample and source.field:
        yield "sample has one field, so field changes nothing"
