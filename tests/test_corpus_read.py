"""A recipe's corpus: what is held out is never learnt; what is wrong is told before weights."""

from pathlib import Path
from typing import Any

import pytest

from medbench.errors import MedbenchError
from medbench.recipe import load
from medbench.training.corpus.read import Pretraining, read_corpus
from medbench.training.corpus.store import text_hash
from medbench.training.model import load_tokenizer
from medbench.training.ready import prepare
from tests.pretraining_runs import GENERAL, MEDICAL, sentences, write_lines, write_pretraining


@pytest.fixture
def recipe(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe on the tiny model, and its corpus."""
    monkeypatch.setenv("MEDBENCH_CACHE", str(tmp_path / "cache"))
    return write_pretraining(tiny_model, tmp_path)


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where weights are read."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("weights were read")

    monkeypatch.setattr("transformers.PreTrainedModel.from_pretrained", refuse)


def corpus(recipe: Path, *overrides: str) -> Pretraining:
    asked = load(recipe, overrides)
    return read_corpus(asked, load_tokenizer(asked))


def hashes(found: Any) -> set[int]:
    return set(found.texts.hashes.tolist())


def test_held_out_texts_are_never_learnt(recipe: Path) -> None:
    found = corpus(recipe)
    assert found.held_out and found.general and found.windows.general
    held, general = hashes(found.held_out), hashes(found.general)
    learnt = set(found.windows.texts.hashes.tolist())
    replayed = set(found.windows.general.hashes.tolist())
    assert held and general and not held & learnt and not general & replayed
    texts = sentences(MEDICAL, 30, 0)
    assert held | learnt == {text_hash(one) for one in texts}
    assert held == {one for one in held | learnt if one < 0.2 * 2**64}
    assert {one.use: one.held_out for one in found.parts} == {
        "sources": len(held),
        "general": len(general),
    }


def test_copies_of_a_held_out_text_are_held_out_too(
    recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In another file, with other white space, or among the general text."""
    first = corpus(recipe)
    held, kept = hashes(first.held_out), set(first.windows.texts.hashes.tolist())
    texts = sentences(MEDICAL, 30, 0)
    copies = [f"  {one}\n" for one in texts]
    write_lines(tmp_path / "copies.jsonl", copies)
    more = f"[{{path: {tmp_path}/medical.jsonl}}, {{path: {tmp_path}/copies.jsonl}}]"
    again = corpus(recipe, f"corpus.sources={more}", f"corpus.general={more}")
    assert "30 texts stand in the corpus twice" in caplog.text
    assert hashes(again.held_out) == hashes(again.general) == held
    assert again.windows.general is not None
    for one in (again.windows.texts, again.windows.general):
        assert sorted(one.hashes.tolist()) == sorted(kept), "each once"


def test_how_many_are_measured(recipe: Path) -> None:
    few = corpus(recipe, "corpus.held_out_texts=2")
    assert few.held_out and len(few.held_out) == 2
    all_of_them = corpus(recipe).held_out
    assert all_of_them and hashes(few.held_out) < hashes(all_of_them)
    none = corpus(recipe, "corpus.held_out=0")
    assert none.held_out is None and none.general is None


def test_texts_do_not_move_with_their_number(recipe: Path, tmp_path: Path) -> None:
    """A text that comes later takes none from those that are held out."""
    before = hashes(corpus(recipe).held_out)
    write_lines(tmp_path / "medical.jsonl", sentences(MEDICAL, 30, 0) + sentences(GENERAL, 30, 5))
    assert before < hashes(corpus(recipe).held_out)


def test_a_benchmark_as_corpus(recipe: Path) -> None:
    found = corpus(
        recipe,
        "corpus={sources: [{benchmark: pubmedqa, field: context}], held_out: 0}",
        "training.global_batch=4",
    )
    assert found.parts[0].source == "pubmedqa train context" and len(found.windows) >= 4


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["training.global_batch=64"], ["a step takes 64 windows, and the corpus has 31 an epoch"]),
        (["corpus.held_out=0.0001"], ["0.0001 of corpus.sources is no text at all; ask for more"]),
        (["corpus.sources=[{path: /nowhere}]"], ["corpus: there is no /nowhere; name a file"]),
        (
            ["corpus.sources=[{path: /nowhere}]", "model.id=/no/model"],
            ["there is no /nowhere", "no model /no/model", "no tokenizer for /no/model"],
        ),
        (
            ["corpus.sources=[{path: '{folder}/medical.jsonl', field: body}]"],
            ["medical.jsonl, line 1: no field body; there are text"],
        ),
        (["data.sequence_length=9000"], ["windows of 9000 tokens, and ", " reads 8192"]),
        (
            ["model.tokenizer.stop=<none>", "corpus.general=[{path: /no}]"],
            ["model.tokenizer.stop: '<none>' is no token", "there is no /no;"],
        ),
        (["corpus.sources=[]"], ["corpus.sources: name at least one source of text to train on"]),
        (["corpus.sources=[{}]"], ["number 1: none is stated; exactly one of path, benchmark"]),
        (
            ["corpus.sources=[{path: a, benchmark: b}, {sample: medical, field: x}]"],
            ["number 1: path and benchmark are stated", "number 2: sample has one field"],
        ),
        (
            ["corpus.sources=[{path: a, form: paper, field: x}, {sample: medical, form: paper}]"],
            ["form paper reads papers' JSON, so field changes", "JSON, so sample changes nothing"],
        ),
        (["corpus.windows=overlapping"], ["corpus.overlap: windows overlapping needs it"]),
        (
            ["corpus.windows=overlapping", "corpus.overlap=48"],
            ["48 is no less than a window, data.sequence_length: 48"],
        ),
        (["corpus.overlap=8"], ["corpus.overlap: changes nothing: only windows overlapping"]),
        (["corpus.general=[]"], ["corpus.replay: changes nothing: there is no corpus.general"]),
        (["data.template=chat"], ["data.template: changes nothing: kind pretrain reads the corp"]),
        (["kind=sft"], ["corpus.sources: changes nothing: only kind pretrain reads it"]),
        (["data.sequence_length=1"], ["a window of 1 token has nothing to predict"]),
        (["training.neftune_alpha=5"], ["the noise is for answers to instructions"]),
        (
            ["corpus.held_out=0", "tracking.validate_every=2"],
            ["tracking.validate_every: changes nothing: there is no data.validation, nor, with"],
        ),
        (["corpus.replay=1"], ["corpus.replay: 1.0 must be at least 0 and less than 1"]),
    ],
)
def test_fault(overrides: list[str], expected: list[str], recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(MedbenchError) as error:
        prepare(load(recipe, [one.replace("{folder}", str(tmp_path)) for one in overrides]))
    for one in expected:
        assert one in str(error.value)


def test_a_corrupt_line_behind_good_ones(recipe: Path, tmp_path: Path) -> None:
    with (tmp_path / "medical.jsonl").open("a") as file:
        file.write("{oops\n")
    with pytest.raises(MedbenchError, match=r"medical.jsonl, line 31: "):
        prepare(load(recipe))
