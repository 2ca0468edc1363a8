"""Runs as `medbench eval` leaves them, with answers that a test chooses."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from medbench.errors import ResultError
from medbench.question import Question
from medbench.report.compare.comparison import compare_runs

STAMP = "2026-01-02T03-04-05.678901"
LETTERS = "ABCD"
BEFORE = [True] * 40 + [False] * 60
AFTER = [False] * 5 + [True] * 65 + [False] * 30  # 5 broken, 30 fixed


def question(number: int, **changes: Any) -> Question:
    """Return one of our own exam questions; the right letter goes round."""
    settings: dict[str, Any] = {
        "id": f"test-{number:05}",
        "benchmark": "usmle",
        "subset": "4_options",
        "language": "en",
        "text": f"Which vitamin is missing in patient {number}?",
        "options": {letter: f"vitamin {letter}{number}" for letter in LETTERS},
        "gold": frozenset(LETTERS[number % 4]),
    }
    return Question(**settings | changes)


def sample(number: int, asked: Question, said: str, generated: bool = False) -> dict[str, Any]:
    """Return what lm-eval logs: the letters `said`, as "A" or "A, C", empty for none."""
    letters = [letter for letter in said.split(", ") if letter]
    choices = [] if generated else list(asked.options)
    if asked.several and not generated:
        choices = ["A.", "B.", "C.", "A, B.", "A, C.", "B, C.", "A, B, C."]
    doc = asked.to_doc() | {"protocol": "cot" if generated else "letters", "choices": choices}
    chosen = f"{said}." if asked.several else said
    read = json.dumps({"letters": letters, "outcome": "parsed", "rule": ""})
    text = f"I think that it is {said or 'all of them'}"
    return {
        "doc_id": number,
        "doc": doc,
        "resps": [[text]] if generated else [],
        "filtered_resps": [read] if generated else [
            [str(-1.0 if choice == chosen else -2.0), "False"] for choice in choices],
        "filter": "extract" if generated else "none",
        "metrics": ["acc"],
        "acc": float(set(letters) == asked.gold),
        "doc_hash": hashlib.sha256(json.dumps(doc, sort_keys=True).encode()).hexdigest(),
    }  # fmt: skip


def answered(
    asked: Sequence[Question], right: Iterable[object], generated: bool = False
) -> list[dict[str, Any]]:
    """Return samples in which the questions are answered right, or with the next letter."""
    samples = []
    for number, (one, is_right) in enumerate(zip(asked, right, strict=True)):
        gold = one.gold_letters[0]
        following = LETTERS[(LETTERS.index(gold) + 1) % 4]
        samples.append(sample(number, one, gold if is_right else following, generated))
    return samples


def write_run(
    folder: Path,
    tasks: Mapping[str, Sequence[Mapping[str, Any]]],
    model: str = "org/base",
    facts: Mapping[str, Any] | None = None,
    shots: int = 0,
    version: float = 1.0,
    **changes: Any,
) -> Path:
    """Write results, samples and facts of some tasks, and return the results file."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    for task, samples in tasks.items():
        path = folder / f"samples_{task}_{STAMP}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in samples), encoding="utf-8")
        value = sum(one["acc"] for one in samples) / len(samples)
        results[task] = {"sample_len": len(samples), f"acc,{samples[0]['filter']}": value}
    content: dict[str, Any] = {
        "results": results,
        "versions": dict.fromkeys(tasks, version),
        "n-shot": dict.fromkeys(tasks, shots),
        "config": {"model": "medbench-hf", "model_args": {"pretrained": model}},
        "date": 1e9,
    }
    if facts is not None:
        rows = {task: {"sha256": facts.get("sha256", "0" * 64)} for task in tasks}
        text = json.dumps({"extractor_version": 1, "backend": "hf", **facts, "tasks": rows})
        (folder / f"medbench_{STAMP}.json").write_text(text, encoding="utf-8")
    path = folder / f"results_{STAMP}.json"
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


QUESTIONS = [question(number) for number in range(100)]


def two_runs(folder: Path, **changes: Any) -> tuple[Path, Path]:
    """Write A, and B with some changes."""
    write_run(folder / "a", {"usmle": answered(QUESTIONS, BEFORE)}, facts={})
    settings: dict[str, Any] = {"model": "org/tuned", "facts": {}}
    write_run(folder / "b", {"usmle": answered(QUESTIONS, AFTER)}, **settings | changes)
    return folder / "a", folder / "b"


def refusal(a: Path, b: Path, cluster: str | None = None) -> str:
    """Return what is said against a comparison."""
    with pytest.raises(ResultError) as caught:
        compare_runs(a, b, cluster)
    return str(caught.value)
