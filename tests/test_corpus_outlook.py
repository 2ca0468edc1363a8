"""What a dry run says of a corpus: stated sizes, those of files, and a run of many hours."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from medbench.errors import RecipeError
from medbench.recipe import Recipe, Source, load
from medbench.training.corpus import outlook as module
from medbench.training.corpus import sources
from medbench.training.corpus.outlook import outlook, size
from medbench.training.corpus.windows import spread
from medbench.training.estimate import estimate
from medbench.training.lengths import LATIN_BYTES
from tests.pretraining_runs import MEDICAL, sentences, write_lines

TEXTS = sentences(MEDICAL, 400, 3)
BYTES = sum(len(one) for one in TEXTS)


def columns(folder: Path) -> Path:
    parquet.write_table(pa.table({"text": TEXTS}), folder / "a.parquet", row_group_size=100)
    return folder / "a.parquet"


def papers(folder: Path) -> Path:
    for number, text in enumerate(TEXTS):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "write", [lambda folder: write_lines(folder / "a.jsonl", TEXTS), columns, papers]
)
def test_files_are_looked_at(
    write: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of them, if they are many."""
    place = write(tmp_path)
    monkeypatch.setattr(sources, "PIECE_BYTES", 60_000)
    monkeypatch.setattr(module, "LOOKED_AT_BYTES", 50_000)
    texts, tokens = size(Source(path=str(place)))
    assert texts == pytest.approx(400, rel=0.1)
    assert tokens * LATIN_BYTES == pytest.approx(BYTES, rel=0.1)


def test_compressed_files(tmp_path: Path) -> None:
    """Their ratio is not known, so it is a third of one or three."""
    file = write_lines(tmp_path / "a.jsonl", TEXTS)
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(pa.compress(file.read_bytes(), "gzip", asbytes=True))
    texts, _ = size(Source(path=str(packed)))
    assert 400 / 3 < texts < 400 * 3


def test_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    assert size(Source(path=str(tmp_path))) == (0, 0)
    with pytest.raises(RecipeError, match=r"there is no .*/b; .* corpus.facts tells a dry run"):
        size(Source(path=str(tmp_path / "b")))


def test_a_benchmark() -> None:
    assert size(Source(benchmark="pubmedqa"))[0] == 500
    assert size(Source(benchmark="flashcards", field="rationale"))[1] > 1_000_000


def stated(name: str, **corpus: object) -> Recipe:
    recipe = load(name)
    return replace(recipe, corpus=replace(recipe.corpus, **corpus))


def test_4_800_000_papers() -> None:
    """One window of each an epoch: 37,500 steps, as the seed's figures have it."""
    recipe = stated("pmc_llama/llama-7b/pretrain", held_out=0.0)
    found = estimate(recipe)
    assert (found.examples, found.steps) == (4_800_000, 5 * 37_500)
    assert found.tokens == 5 * 4_800_000 * 512
    rows = dict(module.outlook_rows(recipe, found.steps, found.tokens, found.state_bytes))
    assert rows["GiB on the disk: token store"] == "139.8"  # 2 bytes a token, 12 a text
    assert rows["hours"] == "180.0" and rows["jobs of 24 hours"] == "8"  # 36 hours an epoch
    assert rows["states saved"] == "938, every 200 steps"
    assert rows["lost by a kill, at most"] == "12 minutes"


def test_replay_and_overlap() -> None:
    plain = stated("pmc_llama/llama-7b/pretrain", held_out=0.0)
    half = replace(plain, corpus=replace(plain.corpus, replay=0.5))
    assert outlook(half).windows == 2 * outlook(plain).windows
    overlapping = stated("mmedbench/internlm-7b/pretrain", held_out=0.0)
    exact = spread(np.array([25_500]), 2048, 512) * 1_000_000
    assert outlook(overlapping).windows == pytest.approx(int(exact[0]), rel=0.05)
