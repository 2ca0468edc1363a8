"""Which runs are compared: what is refused, all at once, and what is said loudly."""

from pathlib import Path
from typing import Any

import pytest

from medbench.report.compare.comparison import compare_runs
from medbench.report.compare.document import document
from tests.compared_runs import (
    AFTER,
    BEFORE,
    QUESTIONS,
    STAMP,
    answered,
    question,
    refusal,
    two_runs,
    write_run,
)


def test_only_questions_that_both_answered_are_paired(tmp_path: Path) -> None:
    first = answered(QUESTIONS[:80], BEFORE[:80])
    write_run(tmp_path / "a", {"usmle": first, "medmcqa-letters": first}, facts={})
    write_run(tmp_path / "b", {"usmle": answered(QUESTIONS, AFTER)}, facts={})
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert [task.contrast.paired.n for task in found.tasks] == [80]
    assert (found.tasks[0].task.only_a, found.tasks[0].task.only_b) == (0, 20)
    assert found.notes == (
        "only A has medmcqa-letters: left out.",
        "20 questions that only B answered are left out.",
    )


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"chat_template": "x"}, "chat template on for B, off for A: a difference may be the"),
        ({"facts": None}, "no medbench_*.json beside one of the runs: rows are compared question"),
        ({"facts": {"quantization": "nf4"}}, "quantization: A none, B nf4."),
        ({"facts": {"backend": "vllm"}}, "backend: A hf, B vllm."),
        ({"config": {"gen_kwargs": "x=1"}}, "generation settings: A none, B x=1."),
    ],
)
def test_what_is_fair_is_said(tmp_path: Path, changes: dict[str, Any], note: str) -> None:
    found = compare_runs(*two_runs(tmp_path, **changes))
    assert [one for one in found.notes if one.startswith(note)]
    assert "**Note:**" in document(found, 0)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"shots": 5}, "usmle: shots differ: A 0, B 5"),
        ({"version": 2.0}, "usmle: task versions differ: A 1, B 2"),
        ({"facts": {"sha256": "1" * 64}}, "usmle: other rows: SHA-256 000000000000 in A, 1111"),
        (
            {"configs": {"usmle": {"metadata": {"benchmark": "usmle", "protocol": "cot"}}}},
            "usmle: protocols differ: A , B cot",
        ),
    ],
)
def test_another_experiment_is_refused(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    assert fault in refusal(*two_runs(tmp_path, **changes))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path, shots=5, version=2.0)
    told = refusal(a, b)
    assert told.startswith("A and B cannot be compared:\n  usmle: ")
    assert "shots differ" in told and "task versions differ" in told
    for folder in (a, b):
        next(folder.glob("samples_*")).unlink()
    told = refusal(a, b)
    assert told.count("samples_usmle_") == 2
    assert "--log_samples" in told
    assert refusal(tmp_path / "x", tmp_path / "y").count("cannot be opened") == 2


def test_other_words_are_found_without_facts(tmp_path: Path) -> None:
    changed = [question(0, text="Which one now?"), *QUESTIONS[1:]]
    write_run(tmp_path / "a", {"usmle": answered(QUESTIONS, BEFORE)})
    write_run(tmp_path / "b", {"usmle": answered(changed, BEFORE)})
    told = refusal(tmp_path / "a", tmp_path / "b")
    assert "usmle: 1 of 100 questions were not the same, or not put the same way" in told


def test_another_extractor_is_refused_where_it_read(tmp_path: Path) -> None:
    for generated, task in ((False, "usmle"), (True, "usmle-cot")):
        samples = {task: answered(QUESTIONS, BEFORE, generated)}
        write_run(tmp_path / task / "a", samples, facts={})
        write_run(tmp_path / task / "b", samples, facts={"extractor_version": 2})
    assert compare_runs(tmp_path / "usmle/a", tmp_path / "usmle/b").notes == ()
    told = refusal(tmp_path / "usmle-cot/a", tmp_path / "usmle-cot/b")
    assert "usmle-cot: answers were read by extractor 1 in A, 2 in B" in told


def test_a_folder_of_two_models(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path)
    assert refusal(tmp_path, b) == f"{tmp_path}: holds 2 models (base, tuned); name one"
    write_run(tmp_path / "c", {"pubmedqa-letters": answered(QUESTIONS, BEFORE)})
    assert refusal(a, tmp_path / "c").startswith("no task is in both: ")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "JSONDecodeError"),
        ('{"filter": "none", "doc_id": 0, "doc": {"question": "Q"}}', "KeyError: 'id'"),
        ("[]", "TypeError"),
    ],
)
def test_broken_samples(tmp_path: Path, line: str, fault: str) -> None:
    a, b = two_runs(tmp_path)
    path = b / f"samples_usmle_{STAMP}.jsonl"
    path.write_text(path.read_text() + line + "\n")
    told = refusal(a, b)
    assert f"{path}, line 101: not a sample of medbench's tasks" in told
    assert fault in told
