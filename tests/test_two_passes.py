"""MedCare's two passes: a text, then the likeliest letter behind it, in lm-eval and in ours."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.api.registry import get_model

from medbench.engine import two_passes
from medbench.engine.backends import register
from medbench.engine.generation import Generation
from medbench.engine.plan import load_tasks, task_manager
from medbench.errors import TaskError

TASKS = ["mmedbench-medcare_chinese", "usmle-medcare"]
REQUEST = "Please format the final answer at the end of the response as: The answer is {answer}."


def run(folder: Path, kind: str, names: list[str], **settings: Any) -> dict[str, Any]:
    """Run lm-eval itself with one of its model classes, or ours."""
    register("hf")
    lm = get_model(kind)(pretrained=str(folder), device="cpu", batch_size=2)
    settings = {"apply_chat_template": True, "gen_kwargs": "max_gen_toks=8"} | settings
    found = simple_evaluate(
        lm, tasks=list(names), limit=2, task_manager=task_manager(), bootstrap_iters=0, **settings
    )
    assert found is not None
    return dict(found)


@pytest.fixture(scope="module")
def results(tiny_model: Path) -> dict[str, dict[str, Any]]:
    """The same questions through lm-eval's own class and through ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDBENCH_DATA", "sample")
        return {kind: run(tiny_model, kind, TASKS) for kind in ("hf", "medbench-hf")}


def test_the_letters_stand_behind_the_text(results: dict[str, dict[str, Any]]) -> None:
    for sample in results["medbench-hf"]["samples"]["usmle-medcare"]:
        (prompt, settings), *letters = sample["arguments"]
        assert prompt.startswith(
            "<|turn|>system\nYou are a helpful assistant.<|end|>\n<|turn|>user"
        )
        assert prompt.endswith(f"{REQUEST}<|end|>\n<|turn|>assistant\n")
        assert settings["max_gen_toks"] == 8 and settings["do_sample"] is False
        text = sample["resps"][0][0]
        closed = "" if text.strip().endswith(".") else "."
        assert {context for context, _ in letters} == {f"{prompt}{text}{closed} \nThe answer is"}
        assert [letter for _, letter in letters] == [" A", " B", " C", " D"]
    for sample in results["medbench-hf"]["samples"]["mmedbench-medcare_chinese"]:
        _, (context, letter), *_ = sample["arguments"]
        assert context.endswith("\n答案为") and letter == "A"


def test_ours_and_lm_evals_own_class_agree(results: dict[str, dict[str, Any]]) -> None:
    for task in TASKS:
        ours, theirs = (results[kind]["samples"][task] for kind in ("medbench-hf", "hf"))
        for one, other in zip(ours, theirs, strict=True):
            assert one["resps"][0] == other["resps"][0]
            assert one["arguments"] == other["arguments"]
            scores = [
                [float(letter[0][0]) for letter in each["resps"][1:]] for each in (one, other)
            ]
            assert scores[0] == pytest.approx(scores[1], abs=1e-3)
            assert one["acc"] == other["acc"]


def test_both_rules_are_scored(results: dict[str, dict[str, Any]]) -> None:
    for task in TASKS:
        scores = results["medbench-hf"]["results"][task]
        assert {"acc,extract", "acc,original", "unparsed,extract"} <= set(scores)
        for sample in results["medbench-hf"]["samples"][task]:
            letters = json.loads(sample["filtered_resps"][0])["letters"]
            assert sample["acc"] == float(letters == sample["doc"]["gold"])


def test_refusals_of_plain_lm_eval(tiny_model: Path) -> None:
    with pytest.raises(TaskError, match="asks a chat model in its own template"):
        run(tiny_model, "hf", ["usmle-medcare"], apply_chat_template=False)
    with pytest.raises(TaskError, match="name usmle-medcare first, or use `medbench eval`"):
        run(tiny_model, "hf", ["usmle", "usmle-medcare"])


def test_medbench_eval_asks_in_any_order(tiny_model: Path, tmp_path: Path, capsys: Any) -> None:
    from medbench.cli import main

    words = ["eval", str(tiny_model), "--tasks", "usmle,usmle-medcare", "--limit", "2"]
    main([*words, "--dry-run"])
    shown = " ".join(capsys.readouterr().out.split())
    assert re.search(r"usmle-medcare │ 2 │ 0 │ 10 │", shown)
    main([*words, "--gen-kwargs", "max_gen_toks=8", "--device", "cpu", "--output", str(tmp_path)])
    (file,) = tmp_path.rglob("results_*.json")
    assert {"usmle", "usmle-medcare"} <= set(json.loads(file.read_text())["results"])


LIKELY_C = [[(-3.0, False)], [(-2.0, False)], [(-1.0, True)], [(-2.5, False)]]


def document(**changes: Any) -> Any:
    """Return the task, and its first question with something else in it."""
    task = load_tasks(["usmle-medcare"], task_manager())["usmle-medcare"]
    return task, {**next(iter(task.test_docs())), **changes}


@pytest.mark.parametrize(
    ("text", "ours", "by_force", "is_right"),
    [
        ("So. The answer is B.", "B", False, True),  # the original reads the last line, C
        ("So. The answer is C.", "C", False, True),
        ("I cannot tell.", "C", True, True),
        ("", "C", True, True),
    ],
)
def test_readings(text: str, ours: str, by_force: bool, is_right: bool) -> None:
    _, doc = document(gold=["C"])
    resps = [[Generation(text, "stop")], *LIKELY_C] * 2
    read = two_passes.extract_twice(resps, [doc] * 10)
    assert read[1:5] == read[6:] == [one[0] for one in LIKELY_C]
    answer = json.loads(read[5])
    assert answer["letters"] == [ours] and answer["forced"] == "C"
    assert (answer["rule"] == "forced letter") == by_force
    theirs = json.loads(two_passes.original_twice(resps, [doc] * 10)[0])
    assert (theirs["letters"] == ["C"]) == is_right


@pytest.mark.parametrize("letters", ["AB", "ABCD", "ABCDE"])
def test_the_letters_are_those_of_this_question(letters: str) -> None:
    """The original looks for option E in the first question of a batch, and takes it for all."""
    task, doc = document(letters=list(letters), options=list(letters))
    settings = {"metadata": ("usmle-medcare", 0, 1), "apply_chat_template": True}
    requests = task.construct_requests(doc, "?", **settings)
    assert [one.arguments[1] for one in requests[1:]] == list(letters)
