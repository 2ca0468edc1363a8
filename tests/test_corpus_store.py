"""The token store: what is in it, that it is made once, whole, and by several processes alike."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.errors import CorruptData, DataError, TrainingError
from medbench.recipe import Source
from medbench.training.corpus import build, sources
from medbench.training.corpus.build import Encoder, digest, store_of
from medbench.training.corpus.store import MANIFEST, TokenStore, folder, text_hash, token_type
from tests.conftest import TEMPLATES, make_tokenizer
from tests.pretraining_runs import END, Bytes, byte_store, sentences, text_of, write_lines

TEXTS = ["one text", "", "another, longer text", "  ", "第三"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make stores in a folder of the test."""
    monkeypatch.setenv("MEDBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tokens"


def whole(store: TokenStore) -> list[list[int]]:
    return [store.tokens(i, 0, int(n)).tolist() for i, n in enumerate(store.lengths)]


def test_every_text_ends_with_the_end(tmp_path: Path) -> None:
    store = byte_store(TEXTS, tmp_path)
    full = [one for one in TEXTS if one.strip()]
    assert whole(store) == [[*one.encode(), END] for one in full]
    assert (store.manifest.texts, store.manifest.empty) == (3, 2)
    assert store.manifest.tokens == sum(len(one.encode()) + 1 for one in full)
    assert store.hashes.tolist() == [text_hash(one) for one in full]
    assert store.manifest.dtype == "uint16" and text_of(store.tokens(0, 4, 9)) == "text¶"


def test_a_real_tokenizer(tmp_path: Path) -> None:
    """What evaluation puts in front of a text stays there; an end is not doubled."""
    tokenizer = make_tokenizer(TEMPLATES["system"])
    file = write_lines(tmp_path / "a.jsonl", TEXTS)
    store = store_of(Source(path=str(file)), Encoder(tokenizer, tokenizer.eos_token_id))
    assert whole(store)[0] == [*tokenizer("one text").input_ids, tokenizer.eos_token_id]
    assert whole(store)[0][0] == tokenizer.bos_token_id
    first = tokenizer.bos_token_id
    ended = store_of(Source(path=str(write_lines(tmp_path / "b.jsonl", [""] * 2 + ["a"]))),
                     Encoder(Ends(), first))  # fmt: skip
    assert whole(ended) == [[97, first]]


class Ends(Bytes):
    """A tokenizer that writes an end of text itself, as T5's does."""

    def __call__(self, texts: Any, **settings: Any) -> Any:
        found = super().__call__(texts, **settings)
        if not isinstance(texts, str):
            found["input_ids"] = [[*row, 1] for row in found["input_ids"]]
        return found


@pytest.mark.parametrize(("words", "expected"), [(1 << 16, "uint16"), ((1 << 16) + 1, "uint32")])
def test_token_type(words: int, expected: str) -> None:
    assert token_type(words) == expected


def test_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = byte_store(TEXTS, tmp_path)
    monkeypatch.setattr(build, "make", lambda *_: pytest.fail("made again"))
    assert byte_store(TEXTS, tmp_path).place == first.place
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    assert byte_store(TEXTS, moved).place == first.place, "its name is its content's"


def test_the_name_says_what_it_is_made_of(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", TEXTS)
    source = Source(path=str(file))
    names = {digest(source, Encoder(Bytes(), end)) for end in (END, 0)}
    names.add(digest(Source(path=str(file), field="body"), Encoder(Bytes(), END)))
    names.add(digest(source, Encoder(make_tokenizer(None), 2)))
    names.add(digest(Source(benchmark="pubmedqa"), Encoder(Bytes(), END)))
    file.write_text('{"text": "other"}\n', encoding="utf-8")
    names.add(digest(source, Encoder(Bytes(), END)))
    assert len(names) == 6


def test_processes_write_what_one_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(sources, "PIECE_BYTES", 2000)
    texts = sentences(["a", "bb", "ccc"], 60, 0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    both = byte_store(texts, tmp_path)
    assert both.manifest.pieces > 3
    tokens = whole(both)
    assert tokens == [[*one.encode(), END] for one in texts]
    both.place.rename(tmp_path / "both")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    alone = byte_store(texts, tmp_path)
    for file in alone.place.iterdir():
        assert file.read_bytes() == (tmp_path / "both" / file.name).read_bytes(), file.name
    assert sorted(one.suffix for one in cache.iterdir()) == ["", ".json", ".lock"]


def test_killed_between_two_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written whole is not written again; until all is, there is no store."""
    monkeypatch.setattr(sources, "PIECE_BYTES", 2000)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    texts = sentences(["a", "bb", "ccc"], 60, 0)
    ordinary, seen = build.write_piece, []

    def write(piece: Any, stem: Path, encoder: Encoder) -> None:
        seen.append(stem.name)
        if stem.name == "00002" and seen.count("00002") == 1:
            (stem.parent / "00002.tokens").write_bytes(b"half of")
            raise KeyboardInterrupt
        ordinary(piece, stem, encoder)

    monkeypatch.setattr(build, "write_piece", write)
    with pytest.raises(KeyboardInterrupt):
        byte_store(texts, tmp_path)
    assert not list(folder().glob(f"*/{MANIFEST}"))
    store = byte_store(texts, tmp_path)
    assert sorted(seen) == sorted([f"{i:05d}" for i in range(store.manifest.pieces)] + ["00002"])
    assert whole(store) == [[*one.encode(), END] for one in texts]


def test_all_faults_of_all_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(sources, "PIECE_BYTES", 5)
    (tmp_path / "texts").mkdir()
    for number in range(3):
        file = tmp_path / "texts" / f"{number}.jsonl"
        file.write_text('{"body": "x"}\n', encoding="utf-8")
    with pytest.raises(CorruptData) as error:
        store_of(Source(path=str(tmp_path / "texts")), Encoder(Bytes(), END))
    assert str(error.value).count("no field text") == 3
    assert not list(folder().glob("*.unfinished"))


def test_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"texts.jsonl holds no text, only 2 empty ones"):
        byte_store(["", " "], tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDBENCH_CACHE", "/proc/nothing")
    with pytest.raises(TrainingError, match=r"/proc/nothing: .*; MEDBENCH_CACHE names"):
        byte_store(TEXTS, tmp_path)


@pytest.mark.parametrize("name", ["00000.tokens", "00000.npy", MANIFEST])
def test_a_damaged_store(name: str, tmp_path: Path) -> None:
    store = byte_store(TEXTS, tmp_path)
    file = store.place / name
    file.write_bytes(file.read_bytes()[:-2])
    with pytest.raises(CorruptData, match="remove it"):
        TokenStore(store.place)


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    """A digest is remembered while size and time stay; a change of the same size has a new time."""
    first = byte_store(["aaa"], tmp_path)
    second = byte_store(["bbb"], tmp_path)
    assert (whole(first), whole(second)) == ([[97, 97, 97, END]], [[98, 98, 98, END]])
    memory = json.loads((folder() / "digests.json").read_text())
    assert [len(one) for one in memory.values()] == [3]


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/a")
    assert folder() == Path("/a/medbench/tokens")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert folder() == Path("~/.cache/medbench/tokens").expanduser()


def test_nothing_is_held_in_memory(tmp_path: Path, caplog: Any) -> None:
    caplog.set_level(logging.WARNING)
    store = byte_store(["a" * 5000], tmp_path)
    assert isinstance(store.maps[0].base, np.memmap) and not caplog.records
