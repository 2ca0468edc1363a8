"""Making a token store: pieces of a source, tokenised side by side, in a folder that is renamed.

A piece that is written whole is not done again: whoever is killed goes on with the next one. The
folder's name is the digest of what it is made of, so two trainings on the same texts share one.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from medbench import paths
from medbench.errors import CorruptData, DataError, MedbenchError, TrainingError
from medbench.recipe import Source
from medbench.training.corpus.sources import Piece, files, pieces, rows, source_name, texts
from medbench.training.corpus.store import (
    MANIFEST,
    TABLE,
    Manifest,
    TokenStore,
    folder,
    text_hash,
    token_type,
    written,
)

__all__ = ["Encoder", "content_digest", "digest", "store_of"]

FORMAT = 1
"""Of the store; another one makes another digest."""
AT_ONCE = 256
"""Texts that a tokenizer is handed together."""
DIGESTS = "digests.json"
here: list["Encoder"] = []
"""In a process that tokenises: its encoder."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """Texts → tokens."""

    tokenizer: Any
    """The model's; what it puts in front of a text stays there."""
    end: int
    """The token that ends a text; one that the tokenizer writes itself is not doubled."""

    @property
    def dtype(self) -> str:
        """The smallest type that holds every token."""
        return token_type(max(len(self.tokenizer), self.end + 1))

    @property
    def identity(self) -> str:
        """What two tokenizers that write the same tokens have in common."""
        if self.tokenizer.is_fast:
            known = self.tokenizer.backend_tokenizer.to_str()
        else:
            known = json.dumps([type(self.tokenizer).__name__, self.tokenizer.get_vocab()])
        return hashlib.sha256(
            f"{known} {self.end} {self.tokenizer('?').input_ids}".encode()
        ).hexdigest()

    def encode(self, some: Sequence[str]) -> list[Any]:
        """Return an array of tokens for each text."""
        rows = self.tokenizer(list(some), verbose=False)["input_ids"]
        ended = [row if row and row[-1] == self.end else [*row, self.end] for row in rows]
        return [np.asarray(row, self.dtype) for row in ended]


def store_of(source: Source, encoder: Encoder) -> TokenStore:
    """Return a source's tokens, which are made if they are not there.

    Processes that want the same one wait for the first.

    Raises:
        DataError: there is nothing to read, or it cannot be read; all of it.
        TrainingError: a file cannot be read or written, or a process was ended.
    """
    try:
        place = folder() / digest(source, encoder)
        if (place / MANIFEST).is_file():
            return TokenStore(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not (place / MANIFEST).is_file():
                make(source, encoder, place)
    except OSError as error:
        raise TrainingError(
            f"corpus: no tokens can be made of {source_name(source)}: {error.filename}: "
            f"{error.strerror}; MEDBENCH_CACHE names the folder where they go"
        ) from error
    return TokenStore(place)


def digest(source: Source, encoder: Encoder) -> str:
    """Return the digest of a source's texts, of how they are read and what tokenises them."""
    known = [FORMAT, source.field, source.form, encoder.identity, content_digest(source)]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]


def content_digest(source: Source) -> str:
    """Return one digest of a source's texts, wherever they lie.

    Raises:
        DataError: there are none.
    """
    if source.benchmark:
        content = [source.benchmark, *(part.digest for part in rows(source))]
    else:
        content = file_digests(files(source))
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def file_digests(some: Sequence[Path]) -> list[str]:
    """Return files' digests; those of unchanged ones are remembered, as size and time tell."""
    memory = folder() / DIGESTS
    known: dict[str, list[Any]] = {}
    if memory.is_file():
        known = json.loads(memory.read_text(encoding="utf-8"))
    fresh = {}
    for file in map(Path.resolve, some):
        about = file.stat()
        state = [about.st_size, about.st_mtime_ns]
        if known.get(str(file), [])[:2] != state:
            fresh[str(file)] = [*state, paths.sha256(file)]
    if fresh:
        paths.write(memory, json.dumps(known | fresh).encode())
    return [(known | fresh)[str(file.resolve())][2] for file in some]


def make(source: Source, encoder: Encoder, place: Path) -> None:
    """Write a store beside its place, then rename it."""
    work = place.with_name(f"{place.name}.unfinished")
    work.mkdir(exist_ok=True)
    label, parts = source_name(source), pieces(source)
    faults = []
    try:
        for error in tokenised(parts, encoder, work, label):
            faults += str(error).splitlines()
    except BrokenProcessPool as error:
        raise TrainingError(
            f"corpus: a process that tokenised {label} was ended, perhaps for want of memory; what "
            "is done stays done, start again"
        ) from error
    if faults:
        shutil.rmtree(work)  # the texts will have another digest
        raise CorruptData("\n".join(sorted(dict.fromkeys(faults))))
    manifest = summed(label, len(parts), encoder.dtype, place.name, work)
    if not manifest.tokens:
        shutil.rmtree(work)
        raise DataError(f"corpus: {label} holds no text, only {manifest.empty:,} empty ones")
    paths.write(work / MANIFEST, written(manifest).encode())
    shutil.rmtree(place, ignore_errors=True)  # without its manifest it is none
    os.replace(work, place)


def summed(label: str, count: int, dtype: str, known_as: str, work: Path) -> Manifest:
    """Return what all pieces hold together."""
    kept = tokens = empty = 0
    for number in range(count):
        table = np.load(work / f"{number:05d}.npy")
        kept += len(table)
        tokens += int(table["length"].sum())
        empty += json.loads((work / f"{number:05d}.json").read_text())
    return Manifest(label, known_as, count, kept, empty, tokens, dtype)


def tokenised(
    parts: Sequence[Piece], encoder: Encoder, work: Path, label: str
) -> Iterator[MedbenchError]:
    """Tokenise every piece that is not done; yield what is wrong with some."""
    todo = [number for number in range(len(parts)) if not (work / f"{number:05d}.npy").is_file()]
    bar = tqdm(total=sum(one.size for one in parts), unit="B", unit_scale=True, desc=label,
               disable=None, leave=False)  # fmt: skip
    bar.update(sum(parts[number].size for number in {*range(len(parts))}.difference(todo)))
    workers = min(len(todo), len(os.sched_getaffinity(0)))
    with bar:
        if workers < 2:
            for number in todo:
                yield from attempt(parts[number], number, encoder, work)
                bar.update(parts[number].size)
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, enter, (encoder,)) as pool:
            jobs = {pool.submit(attempt_here, parts[one], one, work): one for one in todo}
            for job in as_completed(jobs):
                yield from job.result()
                bar.update(parts[jobs[job]].size)


def enter(encoder: Encoder) -> None:
    """Take the encoder, once a process; a core has one of these, so it needs no threads."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    here.append(encoder)


def attempt_here(piece: Piece, number: int, work: Path) -> list[MedbenchError]:
    """Tokenise one piece with the encoder of this process."""
    return attempt(piece, number, here[-1], work)


def attempt(piece: Piece, number: int, encoder: Encoder, work: Path) -> list[MedbenchError]:
    """Tokenise one piece; return what is wrong with it."""
    try:
        write_piece(piece, work / f"{number:05d}", encoder)
    except DataError as error:
        return [error]
    return []


def write_piece(piece: Piece, stem: Path, encoder: Encoder) -> None:
    """Write a piece's tokens, then the table that says that they are whole."""
    table: list[tuple[int, int]] = []
    empty, source = 0, texts(piece)
    with Path(f"{stem}.tokens").open("wb") as file:
        while some := list(islice(source, AT_ONCE)):
            full = [text for text in some if text.strip()]
            empty += len(some) - len(full)
            for text, row in zip(full, encoder.encode(full) if full else [], strict=True):
                file.write(row.tobytes())
                table.append((len(row), text_hash(text)))
        file.flush()
        os.fsync(file.fileno())
    paths.write(stem.with_suffix(".json"), json.dumps(empty).encode())
    part = Path(f"{stem}.partial.npy")
    np.save(part, np.array(table, TABLE))
    part.replace(f"{stem}.npy")
