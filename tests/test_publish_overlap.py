"""Training rows that are scored too: found, counted, and the scores without them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from medbench import data, paths
from medbench.checkpoint import PROVENANCE, CorpusPart, read
from medbench.engine.evaluate import evaluate
from medbench.engine.run import Run
from medbench.publish.candidate import Candidate
from medbench.publish.gates import run_gates
from medbench.publish.gates.overlap import check, said
from medbench.recipe import Source
from medbench.training.corpus.sources import source_name
from tests.gate_cases import adapter

USMLE = {"benchmark": "usmle", "subsets": ["4_options"], "protocol": "letters"}


@pytest.fixture
def leaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle whose training rows hold three test rows, one turned, and a fourth, edited."""
    bundle = tmp_path / "bundle"
    shutil.copytree(paths.sample(), bundle)
    folder = bundle / "GBaker/MedQA-USMLE-4-options/default"
    lines = (folder / "test.jsonl").read_text("utf-8").splitlines()
    first, second, third, fourth = map(json.loads, lines[:4])
    second["options"] = dict(zip("ABCD", reversed(second["options"].values()), strict=True))
    third["question"] = third["question"].upper().replace(",", "")
    fourth["question"] = f"In brief: {fourth['question'].replace('patient', 'person')}"
    with (folder / "train.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in (first, second, third, fourth))
    monkeypatch.setenv("MEDBENCH_DATA", str(bundle))


def test_what_was_not_trained_on_passes(tiny_model: Path, tmp_path: Path) -> None:
    found = check(adapter(tmp_path / "lora", tiny_model))
    assert found.passed
    assert len(found.facts["test_sets"]) == 16
    assert all(one["copies"] == 0 for one in found.facts["test_sets"].values())
    assert "no results are given" in found.report


@pytest.mark.usefixtures("leaky")
def test_test_rows_in_the_training(tiny_model: Path, tmp_path: Path) -> None:
    found = check(adapter(tmp_path / "lora", tiny_model, mixture=(USMLE,)))
    assert not found.passed
    assert "usmle/4_options: 3 of 12 copied (25.0%), 1 nearly (8.3%), the first: " in found.report
    assert "test-00001 and usmle/4_options train-0000" in found.report
    assert "more than 1% of usmle/4_options was trained on word by word" in found.report


@pytest.mark.usefixtures("leaky")
def test_test_rows_in_an_earlier_stage(tiny_model: Path, tmp_path: Path) -> None:
    papers = CorpusPart(
        source="papers", use="sources", texts=2000, held_out=0, tokens=9, sha256="0" * 64
    )
    first = adapter(tmp_path / "first", tiny_model, mixture=(USMLE,), corpus=(papers,))
    made = adapter(tmp_path / "lora", tiny_model, start=first.checkpoint.provenance)
    found = check(made)
    assert not found.passed
    assert "usmle/4_options: 3 of 12 copied (25.0%)" in found.report
    assert "2,000 texts of papers were read too, and are not compared" in found.report


def test_texts_of_a_benchmark_are_compared(tiny_model: Path, tmp_path: Path) -> None:
    made = adapter(tmp_path / "lora", tiny_model)
    rows = replace(made.checkpoint.provenance.data[0], protocol="context")
    name = source_name(Source(benchmark=rows.benchmark, field="context"))
    part = CorpusPart(source=name, use="sources", texts=2, held_out=0, tokens=9, sha256="0" * 64)
    made = adapter(tmp_path / "read", tiny_model, data=(rows,), corpus=(part,))
    assert "are not compared" not in check(made).report


@pytest.fixture(scope="module")
def scored(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tasks = ("usmle", "mmedbench_chinese")
    output = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDBENCH_DATA", "sample")
        (done,) = evaluate(Run(str(tiny_model), tasks, output=output))
    return done.path


@pytest.mark.usefixtures("leaky")
def test_accuracies_without_what_was_trained_on(
    tiny_model: Path, tmp_path: Path, scored: Path
) -> None:
    made = adapter(tmp_path / "lora", tiny_model, mixture=(USMLE,))
    found = check(Candidate(made.checkpoint, results=(scored,)))
    assert set(found.facts["test_sets"]) == {"usmle/4_options", "mmedbench/chinese"}
    (samples,) = scored.parent.glob("samples_usmle_*")
    lines = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
    right = [one["acc"] for one in lines if one["doc_id"] >= 4]
    assert len(right) == 8
    clean = found.facts["clean"]["usmle"]
    assert (clean["n"], clean["accuracy"]) == (8, sum(right) / 8)
    assert clean["all"] == sum(one["acc"] for one in lines) / 12
    assert "on the 8 that are left" in found.report
    assert "mmedbench_chinese" not in found.facts["clean"]


@pytest.mark.usefixtures("leaky")
def test_results_on_other_rows(tiny_model: Path, tmp_path: Path, scored: Path) -> None:
    stamp = scored.stem.removeprefix("results_")
    for file in scored.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    facts = tmp_path / f"medbench_{stamp}.json"
    content = json.loads(facts.read_text("utf-8"))
    content["tasks"]["usmle"]["sha256"] = "0" * 64
    facts.write_text(json.dumps(content))
    made = adapter(tmp_path / "lora", tiny_model, mixture=(USMLE,))
    found = check(Candidate(made.checkpoint, results=(tmp_path / scored.name,)))
    assert "usmle: no accuracy without them, since it was scored on other rows" in found.report


def test_other_rows_than_were_trained_on(tiny_model: Path, tmp_path: Path) -> None:
    made = adapter(tmp_path / "lora", tiny_model)
    file = made.checkpoint.path / PROVENANCE
    content = json.loads(file.read_text("utf-8"))
    content["data"][0]["sha256"] = "0" * 64
    file.write_text(json.dumps(content))
    others = {"alive", "equivalent", "stop", "tensors", "licence", "results"}
    found = run_gates(Candidate(read(made.checkpoint.path)), others)
    (one,) = (one for one in found if not one.is_skipped)
    assert not one.passed
    assert "mmedbench/english train: these are not the rows that were trained on" in one.report


def test_options_in_another_order_are_the_same() -> None:
    (one, *_) = data.load("usmle", "4_options", "test").questions
    turned = dict(zip(one.options, reversed(one.options.values()), strict=True))
    assert said(replace(one, options=turned)) == said(one)
    assert said(replace(one, text="Why?")) != said(one)
