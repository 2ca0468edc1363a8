"""The hash of all answers: what it is made of, what changes it, and what does not."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from medbench.engine.answers import answer, answers_sha256

SETS = ["A.", "A, C.", "B."]


def letters(number: int, *log_probs: float) -> dict[str, Any]:
    return {
        "doc_id": number,
        "doc": {"choices": SETS},
        "filter": "none",
        "filtered_resps": [(value, False) for value in log_probs],
    }


def text(number: int, output: str, name: str = "extract") -> dict[str, Any]:
    return {"doc_id": number, "doc": {"choices": []}, "filter": name, "filtered_resps": [output]}


def read(**answer: Any) -> str:
    return json.dumps({"letters": [], "outcome": "answered", "rule": "final", **answer})


@pytest.mark.parametrize(
    ("sample", "wanted"),
    [
        (letters(0, -3.0, -1.0, -2.0), "A, C."),
        (letters(0, -1.0, -1.0, -2.0), "A."),  # a tie
        (letters(0, -1.0, float("-inf"), -2.0), "A."),
        (text(0, read(letters=["B", "D"])), "B, D"),
        (text(0, read(outcome="unparsed")), ""),
        (text(0, read(letters=["C"], rationale="weil\nes so ist")), "C\nweil\nes so ist"),
        (text(0, "Aspirin."), "Aspirin."),
        (text(0, "[1]"), "[1]"),
    ],
)
def test_answer(sample: dict[str, Any], wanted: str) -> None:
    assert answer(sample) == wanted


def test_the_hash_is_over_sorted_lines() -> None:
    samples = {
        "usmle-cot": [
            text(10, "a\tb\n\\"),
            text(2, read(letters=["B"])),
            text(2, "{}", "original"),
        ],
        "usmle": [letters(0, -3.0, -1.0, -2.0)],
    }
    lines = "usmle\t0\tA, C.\nusmle-cot\t2\tB\nusmle-cot\t10\ta\\tb\\n\\\\\n"
    wanted = hashlib.sha256(lines.encode()).hexdigest()
    assert answers_sha256(samples) == wanted
    shuffled = {task: samples[task][::-1] for task in reversed(samples)}
    assert answers_sha256(shuffled) == wanted
    surer = samples | {"usmle": [letters(0, -3.5, -0.5, -2.5)]}
    assert answers_sha256(surer) == wanted
    other = samples | {"usmle": [letters(0, -0.5, -1.0, -2.0)]}
    assert answers_sha256(other) != wanted


def test_written_samples_have_the_same_hash(tiny_model: Path, tmp_path: Path) -> None:
    """Anyone can make the hash again from lm-eval's files."""
    from medbench.engine.evaluate import evaluate
    from medbench.engine.run import Run

    tasks = ("usmle", "mmedbench-paper_english", "mmedbench-rationale_french")
    run = Run(
        str(tiny_model), tasks, limit=2, gen_kwargs="max_gen_toks=8", device="cpu", output=tmp_path
    )
    (finished,) = evaluate(run)
    folder = finished.path.parent
    samples = {
        task: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for task in tasks
        for path in folder.glob(f"samples_{task}_2*.jsonl")
    }
    assert answers_sha256(samples) == finished.answers
    (facts,) = (json.loads(path.read_text("utf-8")) for path in folder.glob("medbench_*.json"))
    assert facts["answers_sha256"] == finished.answers
    assert (facts["engine"], facts["strict"]) == ("medbench", False)
