"""Digests of rows, of texts and of model folders."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from medbench import data, paths
from medbench.errors import DataError
from medbench.pipeline.state import State
from medbench.recipe import Source

__all__ = [
    "MARK",
    "corpus_names",
    "folder_digest",
    "known_rows_digest",
    "known_texts_digest",
    "named_texts",
    "rows_digest",
    "rows_name",
    "texts_digest",
]

log = logging.getLogger(__name__)
MARK = "sha256:"
"""Before every digest, to tell it from a setting."""
OF_A_MODEL = (".safetensors", ".json", ".jinja", ".model", ".txt", ".bin", ".py")
NOT_READ = ("trainer_state.json", "provenance.json")
"""Of a checkpoint; no model class reads them."""


def folder_digest(folder: Path, state: State) -> str:
    """Return one digest of all that a model's folder holds; unchanged files are not read again."""
    total = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in OF_A_MODEL and file.name not in NOT_READ and file.is_file():
            total.update(f"{file.name} {file_digest(file, state)}\n".encode())
    return f"{MARK}{total.hexdigest()}"


def file_digest(file: Path, state: State) -> str:
    """Return a file's digest, from memory while its size and time of change stay."""
    found, key = file.stat(), str(file.resolve())
    known = state.files.get(key)
    if known is None or known[:2] != [found.st_size, found.st_mtime_ns]:
        digest = remembered(file.resolve(), found.st_size, found.st_mtime_ns)
        known = state.files[key] = [found.st_size, found.st_mtime_ns, digest]
    return str(known[2])


@cache
def remembered(file: Path, size: int, changed: int) -> str:
    """Return the digest of a file as it was at a time, once a process."""
    return paths.sha256(file)


def rows_name(benchmark: str, subset: str, split: str) -> str:
    """Name a split as reasons show it."""
    return f"rows {benchmark}/{subset} {split}"


def rows_digest(benchmark: str, subset: str, split: str) -> str:
    """Return the digest of a split's questions.

    Raises:
        DataError: they cannot be read.
    """
    return f"{MARK}{data.load(benchmark, subset, split).digest}"


def known_rows_digest(benchmark: str, subset: str, split: str) -> str:
    """Return the digest of a split's questions; empty, with a warning, if they cannot be read."""
    try:
        return rows_digest(benchmark, subset, split)
    except DataError as error:
        warn_once(str(error))
        return ""


def corpus_names(sources: Iterable[str]) -> list[str]:
    """Name texts as reasons show them, numbered: those of two folders may be called alike."""
    return [f"corpus {number} {source}" for number, source in enumerate(sources, 1)]


def named_texts(texts: Sequence[Source]) -> dict[str, Source]:
    """Return a corpus's sources by the names of their texts."""
    from medbench.training.corpus.sources import source_name

    return dict(zip(corpus_names(map(source_name, texts)), texts, strict=True))


def texts_digest(source: Source) -> str:
    """Return the digest of a source's texts.

    Raises:
        DataError: there are none.
    """
    from medbench.training.corpus.build import content_digest

    return f"{MARK}{content_digest(source)}"


def known_texts_digest(source: Source) -> str:
    """Return the digest of a source's texts; empty, with a warning, if they cannot be read."""
    try:
        return texts_digest(source)
    except DataError as error:
        warn_once(str(error))
        return ""


@cache
def warn_once(reason: str) -> None:
    """Say why rows or texts are taken as they were."""
    log.warning("taken as unchanged, as they cannot be read: %s", reason)
