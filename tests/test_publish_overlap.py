"""Training rows that are scored too: found, counted, and the scores without them."""

import json
from pathlib import Path
from typing import Any

import pytest

from medbench import data
from medbench.checkpoint import PROVENANCE
from medbench.engine.evaluate import evaluate
from medbench.engine.run import Run
from medbench.publish.candidate import Candidate
from medbench.publish.gates.overlap import check, said
from tests.gate_cases import adapter


def part(**settings: Any) -> dict[str, Any]:
    return {"benchmark": "usmle", "subsets": ["4_options"], "protocol": "letters", **settings}


def test_what_was_not_trained_on_passes(tiny_model: Path, tmp_path: Path) -> None:
    found = check(adapter(tmp_path / "lora", tiny_model))
    assert found.passed
    assert len(found.facts["test_sets"]) == 16
    assert all(one["copies"] == 0 for one in found.facts["test_sets"].values())
    assert "no results are given" in found.report


def test_a_test_set_in_the_training(tiny_model: Path, tmp_path: Path) -> None:
    mixture = (part(split="test", limit=3), part())
    found = check(adapter(tmp_path / "lora", tiny_model, mixture=mixture))
    assert not found.passed
    assert "usmle/4_options: 3 of 12 copied (25.0%), 0 nearly" in found.report
    assert "more than 1% of usmle/4_options was trained on word by word" in found.report


@pytest.fixture(scope="module")
def scored(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tasks = ("usmle", "mmedbench_chinese")
    output = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDBENCH_DATA", "sample")
        (done,) = evaluate(Run(str(tiny_model), tasks, output=output))
    return done.path


def test_accuracies_without_what_was_trained_on(
    tiny_model: Path, tmp_path: Path, scored: Path
) -> None:
    made = adapter(tmp_path / "lora", tiny_model, mixture=(part(split="test", limit=3),))
    found = check(Candidate(made.checkpoint, results=(scored,)))
    assert set(found.facts["test_sets"]) == {"usmle/4_options", "mmedbench/chinese"}
    (samples,) = scored.parent.glob("samples_usmle_*")
    lines = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
    right = [one["acc"] for one in lines if one["doc_id"] >= 3]
    assert len(right) == 9
    clean = found.facts["clean"]["usmle"]
    assert (clean["n"], clean["accuracy"]) == (9, sum(right) / 9)
    assert clean["all"] == sum(one["acc"] for one in lines) / 12
    assert "on the 9 that are left" in found.report
    assert "mmedbench_chinese" not in found.facts["clean"]


def test_results_on_other_rows(tiny_model: Path, tmp_path: Path, scored: Path) -> None:
    stamp = scored.stem.removeprefix("results_")
    for file in scored.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    facts = tmp_path / f"medbench_{stamp}.json"
    content = json.loads(facts.read_text("utf-8"))
    content["tasks"]["usmle"]["sha256"] = "0" * 64
    facts.write_text(json.dumps(content))
    made = adapter(tmp_path / "lora", tiny_model, mixture=(part(split="test", limit=3),))
    found = check(Candidate(made.checkpoint, results=(tmp_path / scored.name,)))
    assert "usmle: no accuracy without them, since it was scored on other rows" in found.report


def test_other_rows_than_were_trained_on(tiny_model: Path, tmp_path: Path) -> None:
    from medbench.publish.gates import run_gates

    made = adapter(tmp_path / "lora", tiny_model)
    file = made.checkpoint.path / PROVENANCE
    content = json.loads(file.read_text("utf-8"))
    content["data"][0]["sha256"] = "0" * 64
    file.write_text(json.dumps(content))
    from medbench.checkpoint import read

    others = {"alive", "equivalent", "stop", "tensors", "licence"}
    found = run_gates(Candidate(read(made.checkpoint.path)), others)
    (one,) = (one for one in found if not one.is_skipped)
    assert not one.passed
    assert "mmedbench/english train: these are not the rows that were trained on" in one.report


def test_options_in_another_order_are_the_same() -> None:
    (one, *_) = data.load("usmle", "4_options", "test").questions
    from dataclasses import replace

    turned = dict(zip(one.options, reversed(one.options.values()), strict=True))
    assert said(replace(one, options=turned)) == said(one)
    assert said(replace(one, text="Why?")) != said(one)
