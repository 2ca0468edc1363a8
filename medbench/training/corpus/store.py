"""A token store: the tokens of a source on the disk, mapped into memory, written once.

    <digest of texts, tokenizer and settings>/
        00000.tokens, …   the tokens of a piece's texts, end to end, in 2 or 4 bytes each
        00000.npy, …      of each text its length in tokens and a hash
        store.json        what it was made of; written last

A text that is empty is not in it. Only lengths and hashes are held in memory, 16 bytes a text.
"""

import json
import os
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medbench.errors import CorruptData

__all__ = ["MANIFEST", "TABLE", "Manifest", "TokenStore", "folder", "text_hash", "token_type"]

VARIABLE = "MEDBENCH_CACHE"
MANIFEST = "store.json"
TABLE = np.dtype([("length", "<u4"), ("hash", "<u8")])


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a store was made of."""

    source: str
    """Its name, which is no path."""
    digest: str
    """SHA-256 of the source's files, the tokenizer and the settings."""
    pieces: int
    """How many pairs of files there are."""
    texts: int
    """Of these, with tokens."""
    empty: int
    """Without, which were left out."""
    tokens: int
    """Of all texts, those that end them among them."""
    dtype: str
    """numpy's name of a token's type."""


def folder() -> Path:
    """Return where stores lie: `MEDBENCH_CACHE`, or ~/.cache/medbench."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get(VARIABLE) or f"{home}/medbench").expanduser() / "tokens"


def token_type(words: int) -> str:
    """Return the smallest type that holds every token of a vocabulary."""
    return "uint16" if words <= 1 << 16 else "uint32"


def text_hash(text: str) -> int:
    """Return 64 bits of a text; texts that differ in white space alone are the same."""
    content = " ".join(text.split()).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")


class TokenStore:
    """The texts of one source, by number.

    Raises:
        CorruptData: the folder is no store, or its files are not as long as they should be.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.manifest = read_manifest(place)
        stems = [place / f"{number:05d}" for number in range(self.manifest.pieces)]
        try:
            tables = [np.load(f"{stem}.npy") for stem in stems]
        except (OSError, ValueError) as error:
            raise CorruptData(f"{place} is damaged: {error}; remove it") from error
        self.maps = [mapped(Path(f"{stem}.tokens"), self.manifest.dtype) for stem in stems]
        sizes = [int(table["length"].sum()) for table in tables]
        if sizes != [len(one) for one in self.maps]:
            raise CorruptData(f"{place} is damaged: its files have other lengths; remove it")
        table = np.concatenate([np.empty(0, TABLE), *tables])
        self.lengths: NDArray[np.int64] = table["length"].astype(np.int64)
        """Of each text, in tokens."""
        self.hashes: NDArray[np.uint64] = table["hash"]
        """Of each text (`text_hash`)."""
        self.firsts = np.cumsum([0, *(len(one) for one in tables)])
        self.ends = np.cumsum(self.lengths)
        self.bases = np.cumsum([0, *sizes])

    def __len__(self) -> int:
        return len(self.lengths)

    def tokens(self, text: int, start: int, end: int) -> NDArray[np.unsignedinteger]:
        """Return a range of a text's tokens, as they lie on the disk."""
        piece = int(np.searchsorted(self.firsts, text, side="right")) - 1
        begin = int(self.ends[text] - self.lengths[text] - self.bases[piece])
        found: NDArray[np.unsignedinteger] = self.maps[piece][begin + start : begin + end]
        return found


def read_manifest(place: Path) -> Manifest:
    """Return what a store says of itself."""
    try:
        return Manifest(**json.loads((place / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CorruptData(f"{place} is no token store: {error}; remove it") from error


def mapped(file: Path, dtype: str) -> NDArray[np.unsignedinteger]:
    """Map a file of tokens into memory; an empty one cannot be."""
    if not file.is_file() or not file.stat().st_size:
        return np.empty(0, dtype)
    return np.asarray(np.memmap(file, dtype, mode="r"))


def written(manifest: Manifest) -> str:
    """Return a manifest as `store.json` holds it."""
    return f"{json.dumps(asdict(manifest), indent=2)}\n"
