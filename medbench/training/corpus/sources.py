"""Texts as they lie in files, in a benchmark or in the package; cut into pieces for processes.

A file of JSON lines is cut by bytes, a line belonging to the piece that it begins in; parquet by
its groups of rows; small files are taken together. Texts keep the order of sorted paths.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import msgspec

from medbench import data, paths
from medbench.errors import CorruptData, DataError
from medbench.recipe import Mixed, Source
from medbench.training.corpus.papers import paper_text
from medbench.training.lengths import datasets

__all__ = ["ENDINGS", "PACKED", "Piece", "files", "pieces", "rows", "source_name", "texts"]

ENDINGS = (".txt", ".json", ".jsonl", ".parquet")
PACKED = (".gz", ".zst")
PIECE_BYTES = 32 << 20
"""What one process takes at a time."""
MOST_FAULTS = 5
"""Of a piece; more of the same kind help nobody."""
ROW_FIELDS = ("context", "text", "rationale")


@dataclass(frozen=True, slots=True)
class Piece:
    """What one process reads and tokenises at a time."""

    source: Source
    """Where it is from."""
    files: tuple[Path, ...]
    """Whole files, or one; none: a benchmark's rows."""
    start: int = 0
    """Of one file: the first byte, or parquet's first group of rows."""
    end: int | None = None
    """Of one file: where the next piece begins; None: its end."""
    size: int = 0
    """Bytes on the disk."""


def source_name(source: Source) -> str:
    """Return what messages and checkpoints call a source; not where it lies on this machine."""
    if source.benchmark:
        return f"{source.benchmark} train {source.field or 'context'}"
    return f"sample {source.sample}" if source.sample else Path(source.path).name


def files(source: Source) -> list[Path]:
    """Return a source's files, in order; none of a benchmark.

    Raises:
        DataError: there are none that can be read.
    """
    if source.benchmark:
        return []
    place = paths.sample() / "corpus" / f"{source.sample}.jsonl"
    if not source.sample:
        place = Path(source.path).expanduser()
    if place.is_file() and ending(place) in ENDINGS:
        return [place]
    kinds = f"{', '.join(ENDINGS)}, or these but the last with {' or '.join(PACKED)} behind"
    if place.is_dir():
        found = sorted(one for one in place.rglob("*") if one.is_file() and ending(one) in ENDINGS)
        if found:
            return found
        raise DataError(f"corpus: the folder {place} holds no file that ends in {kinds}")
    if place.exists():
        raise DataError(f"corpus: {place} does not end in {kinds}")
    raise DataError(f"corpus: there is no {place}; name a file or a folder of texts")


def ending(file: Path) -> str:
    """Return a file's ending, that of a compressed one without it."""
    inner = file.with_suffix("") if file.suffix in PACKED else file
    return "" if inner.suffix == ".parquet" and inner != file else inner.suffix


def pieces(source: Source) -> list[Piece]:
    """Return a source in pieces of about 32 MB.

    Raises:
        DataError: there is nothing to read.
    """
    found: list[Piece] = []
    together: list[Path] = []
    for file in files(source):
        size = file.stat().st_size
        if ending(file) == ".parquet":
            found += groups(source, file)
        elif file.suffix == ".jsonl" and size > PIECE_BYTES:
            cuts = [*range(0, size, PIECE_BYTES), size]
            found += [Piece(source, (file,), a, b, b - a) for a, b in pairwise(cuts)]
        else:
            together.append(file)
    small: list[Path] = []
    for file in together:
        small.append(file)
        if (size := sum(one.stat().st_size for one in small)) >= PIECE_BYTES:
            found.append(Piece(source, tuple(small), size=size))
            small = []
    if small or source.benchmark:
        size = sum(one.stat().st_size for one in small)
        found.append(Piece(source, tuple(small), size=size))
    return found


def groups(source: Source, file: Path) -> Iterator[Piece]:
    """Yield a parquet file's groups of rows."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        about = parquet.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise CorruptData(f"{file} is no parquet file: {error}") from error
    share = file.stat().st_size // max(about.num_row_groups, 1)
    for number in range(about.num_row_groups):
        yield Piece(source, (file,), number, number + 1, share)


def texts(piece: Piece) -> Iterator[str]:
    """Yield a piece's texts; empty ones too.

    Raises:
        DataError, CorruptData: some cannot be read; their places, and why.
    """
    if piece.source.benchmark:
        yield from row_texts(piece.source)
        return
    faults: list[str] = []
    for file in piece.files:
        try:
            yield from file_texts(piece, file, faults)
        except (OSError, UnicodeDecodeError, EOFError) as error:
            faults.append(f"{file} cannot be read: {error}")
        if len(faults) >= MOST_FAULTS:
            faults.append("and perhaps more; reading stopped here")
            break
    if faults:
        raise CorruptData("\n".join(faults))


def file_texts(piece: Piece, file: Path, faults: list[str]) -> Iterator[str]:
    """Yield the texts of one file; what is wrong goes to the faults."""
    if ending(file) == ".parquet":
        yield from parquet_texts(piece, file, faults)
        return
    with closing(opened(file)) as stream:
        if ending(file) == ".txt":
            yield stream.read().decode()
            return
        records = lines(stream, piece) if ending(file) == ".jsonl" else [(0, stream.read())]
        for place, line in records:
            try:
                for record in listed(msgspec.json.decode(line)):
                    yield text_of(record, piece.source)
            except (msgspec.DecodeError, ValueError) as error:
                faults.append(f"{file}, {where(file, place)}: {error}")
                if len(faults) >= MOST_FAULTS:
                    return


def opened(file: Path) -> IO[bytes]:
    """Open a file for reading, a compressed one as what it holds."""
    if file.suffix not in PACKED:
        return file.open("rb")
    import pyarrow as pa

    return io.BufferedReader(pa.input_stream(str(file), compression="detect"))


def lines(stream: IO[bytes], piece: Piece) -> Iterator[tuple[int, bytes]]:
    """Yield (first byte, line) of the lines that begin in a piece, blank ones left out."""
    if piece.start:
        stream.seek(piece.start - 1)
        stream.readline()  # the rest of one that began before, or a line's end
    place = stream.tell() if piece.start else 0
    while piece.end is None or place < piece.end:
        line = stream.readline()
        if not line:
            return
        if line.strip():
            yield place, line
        place += len(line)


def where(file: Path, place: int) -> str:
    """Return a line's number from its first byte."""
    number = 1
    with closing(opened(file)) as stream:
        while place > 0 and (part := stream.read(min(place, 1 << 20))):
            number += part.count(b"\n")
            place -= len(part)
    return f"line {number}"


def listed(content: Any) -> Iterable[Any]:
    """Return the records of a line or a file: one, or a list of them."""
    return content if isinstance(content, list) else [content]


def text_of(record: Any, source: Source) -> str:
    """Return a record's text.

    Raises:
        ValueError: it has none.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"a {type(record).__name__} is no record; an object is needed")
    if source.form == "paper":
        return paper_text(record)
    field = source.field or "text"
    if field not in record:
        raise ValueError(f"no field {field}; there are {', '.join(record)}")
    if not isinstance(record[field], str | None):
        raise ValueError(f"the field {field} holds a {type(record[field]).__name__}, not a text")
    return record[field] or ""


def parquet_texts(piece: Piece, file: Path, faults: list[str]) -> Iterator[str]:
    """Yield the texts of one group of rows."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(file) as content:
        field, known = piece.source.field or "text", content.schema_arrow.names
        if field not in known:
            faults.append(f"{file}: no field {field}; there are {', '.join(known)}")
            return
        kind = content.schema_arrow.field(field).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            faults.append(f"{file}: the field {field} holds {kind}, not text")
            return
        for batch in content.iter_batches(1024, [piece.start], columns=[field]):
            yield from (one or "" for one in batch.column(0).to_pylist())


def rows(source: Source) -> list[data.Rows]:
    """Return a benchmark's rows: its split train alone, so that no test question's text is learnt.

    Raises:
        DataError: there is no such benchmark, or it has nothing to train on.
    """
    parts = datasets(Mixed(benchmark=source.benchmark, split="train"))
    return [data.load(one.benchmark, one.subset, "train") for one in parts]


def row_texts(source: Source) -> Iterator[str]:
    """Yield one part of a benchmark's training questions; what a test question holds too, never."""
    field = source.field or "context"
    if field not in ROW_FIELDS:
        raise DataError(f"corpus: a benchmark has no field {field}; {', '.join(ROW_FIELDS)}")
    for part in rows(source):
        known, tested = part.dataset, set[str]()
        if "test" in known.splits:
            tests = data.load(known.benchmark, known.subset, "test").questions
            tested = {getattr(question, field) for question in tests}
        for question in part.questions:
            text = str(getattr(question, field))
            if text not in tested:
                yield text
