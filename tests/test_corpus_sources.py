"""Texts from every kind of file, from a benchmark and the package; and what is wrong with some."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from medbench import data
from medbench.errors import CorruptData, DataError, MedbenchError
from medbench.recipe import Source
from medbench.training.corpus import sources
from medbench.training.corpus.sources import Piece, files, pieces, source_name, texts
from tests.pretraining_runs import write_lines

TEXTS = ["First text.", "Zweiter Text: äöü", "", "第三篇", "last\nwith a line"]
LINES = "".join(f"{json.dumps({'text': one, 'body': one.upper()})}\n" for one in TEXTS).encode()


def write(folder: Path, name: str) -> Path:
    """Write all texts into a file of some kind."""
    file = folder / name
    packed = {".gz": gzip.compress, ".zst": lambda raw: pa.compress(raw, "zstd", asbytes=True)}
    if file.suffix == ".parquet":
        table = pa.table({"text": TEXTS, "body": [one.upper() for one in TEXTS], "id": range(5)})
        parquet.write_table(table, file, row_group_size=2)
    elif ".jsonl" in name:
        file.write_bytes(packed.get(file.suffix, bytes)(LINES))
    elif ".json" in name:
        content = [json.loads(line) for line in LINES.splitlines()]
        file.write_bytes(packed.get(file.suffix, bytes)(json.dumps(content).encode()))
    return file


def read(source: Source) -> list[str]:
    return [text for piece in pieces(source) for text in texts(piece)]


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json", "a.json.gz", "a.parquet"]
)
def test_files(name: str, tmp_path: Path) -> None:
    file = write(tmp_path, name)
    assert read(Source(path=str(file))) == TEXTS
    assert read(Source(path=str(file), field="body")) == [one.upper() for one in TEXTS]


def test_a_folder_of_texts(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.txt").write_text("two\nlines", encoding="utf-8")
    (tmp_path / "1.txt.gz").write_bytes(gzip.compress(b"one"))
    (tmp_path / "README.md").write_text("not a text", encoding="utf-8")
    (tmp_path / "3.jsonl").write_text('{"text": "three"}\n\n{"text": "four"}', encoding="utf-8")
    source = Source(path=str(tmp_path))
    assert [one.name for one in files(source)] == ["1.txt.gz", "3.jsonl", "2.txt"]
    assert sorted(read(source)) == sorted(["one", "two\nlines", "three", "four"])
    assert source_name(source) == tmp_path.name, "a checkpoint names no place of this machine"


@pytest.mark.parametrize("size", range(1, 40))
def test_a_line_is_in_one_piece(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the cuts fall: inside a line, at its end, inside a character."""
    monkeypatch.setattr(sources, "PIECE_BYTES", size)
    source = Source(path=str(write(tmp_path, "a.jsonl")))
    assert len(pieces(source)) == -(-len(LINES) // size)
    assert read(source) == TEXTS


def test_small_files_share_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        (tmp_path / f"{number}.txt").write_text("0123456789", encoding="utf-8")
    monkeypatch.setattr(sources, "PIECE_BYTES", 25)
    found = pieces(Source(path=str(tmp_path)))
    assert [len(one.files) for one in found] == [3, 3, 1]
    assert sum(one.size for one in found) == 70


def test_papers(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    paper = {"body_text": [{"text": "Rest [1].", "cite_spans": [{"start": 5, "end": 8}]}]}
    file.write_text(f"{json.dumps(paper)}\n", encoding="utf-8")
    assert read(Source(path=str(file), form="paper")) == ["Rest."]


@pytest.mark.parametrize("field", ["", "text", "rationale"])
def test_a_benchmark_gives_its_training_rows_only(field: str) -> None:
    found = read(Source(benchmark="pubmedqa", field=field))
    train, test = (data.load("pubmedqa", "labeled", one).questions for one in ("train", "test"))
    assert found == [getattr(one, field or "context") for one in train] and found
    assert not set(found) & {getattr(one, field or "context") for one in test}


def test_a_text_that_the_test_rows_hold_too(monkeypatch: pytest.MonkeyPatch) -> None:
    train = data.load("pubmedqa", "labeled", "train")
    monkeypatch.setattr(data, "load", lambda *_: train)
    assert read(Source(benchmark="pubmedqa")) == []


@pytest.mark.parametrize("name", ["medical", "general"])
def test_sample(name: Any) -> None:
    found = read(Source(sample=name))
    assert len(found) == len(set(found)) > 15 and min(map(len, found)) > 200
    assert source_name(Source(sample=name)) == f"sample {name}"


@pytest.mark.parametrize(
    ("content", "settings", "expected"),
    [
        (b'{"text": "a"}\n{"text": \n', {}, "a.jsonl, line 2: Input data was truncated"),
        (b'{"text": "a"}\n\n{"body": "b"}\n', {}, "a.jsonl, line 3: no field text; there are body"),
        (b'{"text": 3}\n', {}, "line 1: the field text holds a int, not a text"),
        (b"3\n", {}, "line 1: a int is no record; an object is needed"),
        (b'{"text": "a"}\n', {"form": "paper"}, "line 1: it has neither content.text nor body"),
        (b'{"x": 1}\n' * 9, {}, "and perhaps more; reading stopped here"),
        (b'{"text": "\xff"}\n', {}, "line 1: "),
    ],
)
def test_fault(content: bytes, settings: Any, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(CorruptData) as error:
        read(Source(path=str(tmp_path / "a.jsonl"), **settings))
    assert expected in str(error.value)


def test_line_numbers_of_later_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PIECE_BYTES", 20)
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "abc"}\n' * 7 + b"oops\n")
    with pytest.raises(CorruptData, match="line 8"):
        read(Source(path=str(tmp_path / "a.jsonl")))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"\xff\xfe", "a.txt cannot be read: 'utf-8'"),
        ("a.jsonl.gz", b"not packed", "a.jsonl.gz cannot be read"),
        ("a.parquet", b"PAR1", "a.parquet is no parquet file"),
        ("a.pdf", b"", "a.pdf does not end in .txt, .json, .jsonl, .parquet"),
        ("a.parquet.gz", b"", "a.parquet.gz does not end in"),
    ],
)
def test_file_fault(name: str, content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read(Source(path=str(tmp_path / name)))
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source(path="/nowhere"), "corpus: there is no /nowhere; name a file or a folder of texts"),
        (Source(path="{folder}"), "holds no file that ends in .txt"),
        (Source(benchmark="pubmed"), "no benchmark is called pubmed"),
        (Source(benchmark="careqa"), "careqa/en, careqa/es has no split train"),
        (Source(benchmark="pubmedqa", field="abstract"), "has no field abstract; context, text"),
    ],
)
def test_source_fault(source: Source, expected: str, tmp_path: Path) -> None:
    if source.path == "{folder}":
        source = Source(path=str(tmp_path))
    with pytest.raises(MedbenchError, match=expected):
        read(source)


@pytest.mark.parametrize(
    ("field", "expected"),
    [("x", "no field x; there are text, body, id"), ("id", "the field id holds int64, not text")],
)
def test_parquet_fault(field: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match=expected):
        read(Source(path=str(write(tmp_path, "a.parquet")), field=field))


def test_blank_files_are_texts_too(tmp_path: Path) -> None:
    """They are counted as empty where tokens are made."""
    write_lines(tmp_path / "a.jsonl", ["", " "])
    assert read(Source(path=str(tmp_path))) == ["", " "]
    (tmp_path / "a.jsonl").write_bytes(b"")
    assert read(Source(path=str(tmp_path))) == []
    assert list(texts(Piece(Source(path="x"), ()))) == []
