"""Loading a split: what is warned of, what is counted, and the table of datasets."""

import json
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest

from medbench.data import DATASETS, dataset, load
from medbench.data.datasets import Dataset
from medbench.data.load import cached, read
from medbench.data.sources import Bundle, official_test_ids
from medbench.errors import DataError

CARDS = dataset("flashcards", "anki")
GOOD = {"input": "How many?", "output": "Two."}


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDBENCH_DATA", str(tmp_path))
    cached.cache_clear()
    return tmp_path


def write(bundle: Path, rows: list[Any], one: Dataset = CARDS, split: str = "train") -> None:
    path = Bundle(bundle).path(one, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_an_unexpected_size_is_warned_of(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(bundle, [GOOD] * 3)
    rows = load("flashcards", "anki", "train")
    assert (rows.size, rows.known_size, rows.source) == (3, 33_955, str(bundle))
    assert caplog.record_tuples == [
        (
            "medbench.data.load",
            logging.WARNING,
            f"flashcards/anki train: 3 rows found, 33955 are known (source: {bundle})",
        )
    ]


def test_the_known_size_is_silent(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    row = {"question": "몇 개?", "A": "1", "B": "2", "C": "3", "D": "4", "E": "5", "answer": 2}
    exam = {"year": 2022, "period": 1, "q_number": 7, "cot": "정답은 (B) 입니다."}
    write(bundle, [row | exam] * 5, dataset("kormedmcqa", "pharm"), "few_shot")
    assert load("kormedmcqa", "pharm", "few_shot").size == 5
    assert not caplog.records


def test_the_sample_is_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MEDBENCH_DATA", "sample")
    assert load("mmedbench", "french", "test").size == 12
    assert not caplog.records


def test_malformed_rows_are_logged_and_counted(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(bundle, [GOOD, {"input": "How?"}, GOOD, {"input": " ", "output": "So."}])
    rows = load("flashcards", "anki", "train")
    assert [question.id for question in rows.questions] == ["train-00001", "train-00003"]
    assert [(one.row, one.reason) for one in rows.malformed] == [
        (2, "field 'output' is missing"),
        (4, "the question is empty"),
    ]
    assert rows.size == 4
    assert caplog.messages[:2] == [
        "flashcards/anki train, row 2: field 'output' is missing; the row is left out",
        "flashcards/anki train, row 4: the question is empty; the row is left out",
    ]
    assert len(caplog.messages) == 3 and "4 rows found" in caplog.messages[2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"input": ""}, GOOD | {"output": ""}], "; flashcards/anki train, row 1: field 'output'"),
        ([], ""),
    ],
    ids=["malformed", "empty"],
)
def test_a_split_without_one_usable_row(bundle: Path, rows: list[Any], message: str) -> None:
    write(bundle, rows)
    expected = f"flashcards/anki train: no usable row in {bundle}{message}"
    with pytest.raises(DataError, match=re.escape(expected)):
        load("flashcards", "anki", "train")


def test_digests(bundle: Path) -> None:
    """A digest is that of the questions: stable, and another with any change of them."""
    other = GOOD | {"output": "Three."}
    editions = [[GOOD], [other], [GOOD, other], [other, GOOD], [GOOD, GOOD]]
    seen = set()
    for rows in editions:
        write(bundle, rows)
        digest = read(Bundle(bundle), CARDS, "train").digest
        assert digest == read(Bundle(bundle), CARDS, "train").digest
        assert re.fullmatch("[0-9a-f]{64}", digest)
        seen.add(digest)
    assert len(seen) == len(editions)
    write(bundle, [dict(reversed(GOOD.items())) | {"instruction": "Answer truthfully"}])
    assert read(Bundle(bundle), CARDS, "train").digest in seen  # what is no field does not count


def test_a_split_is_read_and_warned_of_once(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(bundle, [GOOD])
    first = load("flashcards", "anki", "train")
    assert load("flashcards", "anki", "train") is first
    assert len(caplog.records) == 1


def test_caches_do_not_mix_sources(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(bundle, [GOOD])
    assert load("flashcards", "anki", "train").size == 1
    monkeypatch.setenv("MEDBENCH_DATA", "sample")
    assert load("flashcards", "anki", "train").size == 12


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("mmedbench", "german", "test"), "no dataset is called mmedbench/german; there are "),
        (("medqa", "english", "test"), "mmedbench/english, mmedbench/chinese, .*flashcards/anki$"),
        (("careqa", "en", "train"), "careqa/en has no split train; it has test$"),
        (("kormedmcqa", "nurse", "fewshot"), "no split fewshot; it has train, dev, test, few_shot"),
        (("mmedbench", "French", "test"), "no dataset is called mmedbench/French"),
    ],
)
def test_unknown_names(bundle: Path, names: tuple[str, str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(*names)


def total(benchmark: str, split: str) -> int:
    return sum(one.sizes.get(split, 0) for one in DATASETS.values() if one.benchmark == benchmark)


def test_known_sizes() -> None:
    """What the papers and cards state in all."""
    assert (total("mmedbench", "train"), total("mmedbench", "test")) == (45_048, 8_518)
    kormedmcqa = [total("kormedmcqa", split) for split in ("train", "dev", "test", "few_shot")]
    assert kormedmcqa == [3_401, 1_059, 3_009, 20]
    assert (total("pubmedqa", "train"), total("pubmedqa", "test")) == (500, 500)
    assert (total("medmcqa", "train"), total("medmcqa", "test")) == (182_822, 4_183)
    assert total("careqa", "test") == 2 * 5_621
    assert dataset("usmle", "4_options").sizes == {"train": 10_178, "test": 1_273}


def test_pubmedqa_has_500_distinct_test_ids() -> None:
    ids = official_test_ids()
    assert len(ids) == 500
    assert all(re.fullmatch("[1-9][0-9]{4,7}", pubid) for pubid in ids)


def test_table_of_datasets() -> None:
    assert len(DATASETS) == 6 + 4 + 2 + 1 + 1 + 2 + 1
    names = [one.name for one in DATASETS.values()]
    assert len(set(names)) == len(names)
    for (benchmark, subset), one in DATASETS.items():
        assert (one.benchmark, one.subset, one.name) == (benchmark, subset, f"{benchmark}/{subset}")
        assert dataset(benchmark, subset) is one
        assert set(one.splits) == set(one.sizes) <= {"train", "dev", "test", "few_shot"}
        assert min(one.sizes.values()) > 0
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", one.repo)
        assert re.fullmatch(r"en|zh|ja|fr|ru|es|ko", one.language)
        assert one.licence and one.licence == one.licence.lower()
        assert one.has_options or list(one.splits) == ["train"]
    places = [
        (one.repo, one.config, split)
        for one in DATASETS.values()
        if one.benchmark != "pubmedqa"
        for split in one.splits.values()
    ]
    assert len(set(places)) == len(places)


def test_real_rows() -> None:
    """Whatever part of the real data is there, not one row of it is malformed."""
    if not (folder := os.environ.get("MEDBENCH_TEST_BUNDLE")):
        pytest.skip("MEDBENCH_TEST_BUNDLE names no bundle of real rows")
    found = {}
    for one in DATASETS.values():
        for split in one.splits:
            try:
                rows = read(Bundle(Path(folder)), one, split)
            except DataError:
                continue
            found[f"{one.name} {split}"] = rows.size
            assert not rows.malformed
            ids = [question.id for question in rows.questions]
            assert len(set(ids)) == len(ids)
            if one.benchmark != "mmedbench":
                assert rows.size == rows.known_size
    assert found
    assert Bundle(Path(folder)).pubmedqa_test_ids() == official_test_ids()
