"""What the task YAML calls: rows, few-shots, filters and grades."""

import copy
import json
import logging
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from medbench import data, paths
from medbench.engine import tasks
from medbench.engine.generation import Generation, finish_reason
from medbench.engine.plan import task_manager
from medbench.engine.tasks import FirstShots
from medbench.errors import DataError, MissingExtra, TaskError
from medbench.scoring import rationale

FRENCH = {"benchmark": "mmedbench", "subset": "french"}
ENGLISH = {"benchmark": "mmedbench", "subset": "english"}


def load(**where: str) -> list[dict[str, Any]]:
    return list(tasks.load(**where)["test"])


def task(name: str) -> Any:
    return task_manager().load([name])["tasks"][name]


def test_documents_carry_all_that_is_asked() -> None:
    loaded = tasks.load(**FRENCH, protocol="letters", pretrained="model", config_source="x")
    assert list(loaded) == ["test", "few_shot"]
    doc = loaded["test"][0]
    assert doc["prompt"].endswith("Réponse :")
    assert (len(doc["choices"]), doc["choices"][doc["target"]]) == (31, "A, B, D, E.")
    assert doc["answer"] == "A, B, D, E."
    assert (doc["gold"], doc["several"], doc["protocol"]) == (["A", "B", "D", "E"], True, "letters")
    assert [doc["id"] for doc in loaded["test"]] == [
        question.id for question in data.load("mmedbench", "french", "test").questions
    ]


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ({**FRENCH, "protocol": "cot"}, TaskError, "'cot'; it has letters, paper, rationale"),
        ({"benchmark": "usmle", "subset": "x", "protocol": "cot"}, DataError, "usmle/x"),
    ],
)
def test_load_refuses(where: dict[str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tasks.load(**where)


@pytest.mark.parametrize(
    ("where", "split"),
    [
        ({"benchmark": "kormedmcqa", "subset": "doctor", "protocol": "cot"}, "few_shot"),
        ({"benchmark": "medmcqa", "subset": "validation", "protocol": "letters"}, "train"),
        ({"benchmark": "careqa", "subset": "es", "protocol": "letters"}, "test"),
    ],
)
def test_examples_are_a_pointer_until_asked_for(where: dict[str, str], split: str) -> None:
    pointer = tasks.load(**where)["few_shot"]
    assert pointer == [{**where, "split": split}]
    shots = FirstShots(pointer).sample(3)
    first = data.load(where["benchmark"], where["subset"], split).questions[:3]
    assert [shot["id"] for shot in shots] == [question.id for question in first]
    assert all(shot["prompt"] and shot["answer"] for shot in shots)


def test_training_rows_are_not_read_for_zero_shots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validation = Path("openlifescienceai/medmcqa/default/validation.jsonl")
    (tmp_path / validation).parent.mkdir(parents=True)
    shutil.copy(paths.sample() / validation, tmp_path / validation)
    monkeypatch.setenv("MEDBENCH_DATA", str(tmp_path))
    loaded = task("medmcqa-letters")
    doc = loaded.test_docs()[0]
    assert loaded.fewshot_context(doc, num_fewshot=0) == doc["prompt"]
    with pytest.raises(DataError, match=r"default/train\.jsonl"):
        loaded.fewshot_context(doc, num_fewshot=1)


def test_first_shots_keep_their_order_and_leave_the_question_out() -> None:
    docs = load(benchmark="careqa", subset="en", protocol="letters")
    sampler = FirstShots(docs)
    assert sampler.sample(0) == []
    assert sampler.sample(3) == sampler.sample(3) == docs[:3]
    assert sampler.sample(3, eval_doc=docs[1]) == [docs[0], docs[2], docs[3]]
    assert sampler.sample(3, eval_doc=docs[9]) == docs[:3]
    with pytest.raises(TaskError, match=f"{len(docs)} few-shot examples .* there are 11"):
        sampler.sample(len(docs), eval_doc=docs[0])


def test_too_few_examples_is_a_task_error() -> None:
    loaded = task("kormedmcqa-letters_doctor")
    with pytest.raises(TaskError, match="6 few-shot examples are asked for, there are 5"):
        loaded.fewshot_context(loaded.test_docs()[0], num_fewshot=6)


def test_official_chain_of_thought_prompt() -> None:
    """Five chains in the order of the few-shot split, then the question."""
    loaded = task("kormedmcqa-cot_doctor")
    examples = data.load("kormedmcqa", "doctor", "few_shot").questions
    assert len(examples) == loaded.config.num_fewshot == 5
    doc = loaded.test_docs()[0]
    prompt = loaded.fewshot_context(doc, num_fewshot=5)
    places = [prompt.index(f"정답： {one.few_shot_cot}\n\n") for one in examples]
    assert places == sorted(places)
    assert all(one.few_shot_cot.startswith("차근차근 생각해봅시다.") for one in examples)
    assert prompt.endswith(f"\n\n{doc['prompt']}")
    assert prompt.startswith(f"{examples[0].text.strip()}\nA. ")


@pytest.mark.parametrize(
    "name",
    [
        "usmle",
        "mmedbench_japanese",
        "mmedbench-paper_french",
        "kormedmcqa-sllm_nurse",
        "pubmedqa-letters",
    ],
)
def test_all_prompts_of_a_task_begin_alike(name: str) -> None:
    loaded = task(name)
    beginnings = set()
    for doc in loaded.test_docs():
        prompt = loaded.fewshot_context(doc, num_fewshot=3)
        assert prompt.endswith(doc["prompt"])
        beginnings.add(prompt.removesuffix(doc["prompt"]))
    assert len(beginnings) == 1
    assert beginnings != {""}


@pytest.mark.parametrize(
    ("answer", "gold", "scores"),
    [
        ({"letters": ["B"]}, ["B"], {"acc": 1.0}),
        ({"letters": ["A"]}, ["B"], {"acc": 0.0}),
        ({"letters": []}, ["B"], {"acc": 0.0}),
        ({"letters": ["C", "A"]}, ["A", "C"], {"acc": 1.0}),
        ({"letters": ["A"]}, ["A", "C"], {"acc": 0.0}),
        ({"letters": ["A", "B", "C"]}, ["A", "C"], {"acc": 0.0}),
        (
            {"letters": ["B"], "outcome": "parsed"},
            ["B"],
            {"acc": 1.0, "unparsed": 0.0, "truncated": 0.0},
        ),
        (
            {"letters": [], "outcome": "unparsed"},
            ["B"],
            {"acc": 0.0, "unparsed": 1.0, "truncated": 0.0},
        ),
        (
            {"letters": [], "outcome": "truncated"},
            ["B"],
            {"acc": 0.0, "unparsed": 0.0, "truncated": 1.0},
        ),
    ],
)
def test_grade(answer: dict[str, Any], gold: list[str], scores: dict[str, float]) -> None:
    assert tasks.grade({"gold": gold}, [json.dumps(answer)]) == scores


def test_extract_answer_says_what_it_read_and_how() -> None:
    docs = load(**ENGLISH, protocol="paper")[:4]
    outputs = [
        Generation("###Answer: OPTION B IS CORRECT.", "stop"),
        Generation("Let us think about", "length"),
        Generation("I do not know.", "stop"),
        "The answer is A.",
    ]
    read = [json.loads(one) for one in tasks.extract_answer([[one] for one in outputs], docs)]
    assert [one["letters"] for one in read] == [["B"], [], [], ["A"]]
    assert [one["outcome"] for one in read] == ["parsed", "truncated", "unparsed", "parsed"]
    assert [one["finish_reason"] for one in read] == ["stop", "length", "stop", None]
    assert [bool(one["rule"]) for one in read] == [True, False, False, True]


def test_original_answer_is_the_protocols_own_rule() -> None:
    french = load(**FRENCH, protocol="paper")[:2]
    resps = [["###Answer: OPTION A,C IS CORRECT.</s>"], ["The answers are A and C."]]
    assert tasks.original_answer(resps, french) == ['{"letters": ["A", "C"]}', '{"letters": []}']
    korean = load(benchmark="kormedmcqa", subset="pharm", protocol="direct")[:1]
    assert tasks.original_answer([["(D) x. (A)"]], korean) == ['{"letters": ["D"]}']
    with pytest.raises(AssertionError, match="no rule of its own"):
        tasks.original_answer([["A"]], load(**FRENCH, protocol="letters")[:1])


def rationale_outputs() -> tuple[list[dict[str, Any]], list[list[str]]]:
    """Two English rows, the first human-checked, the second not, and perfect answers."""
    docs = load(**ENGLISH, protocol="rationale")
    pair = [next(doc for doc in docs if doc["rationale_checked"] is want) for want in (True, False)]
    return pair, [[Generation(doc["answer"], "stop")] for doc in pair]


def test_rationales_are_compared_where_a_human_checked() -> None:
    docs, resps = rationale_outputs()
    filtered = tasks.extract_rationale(resps, docs)
    checked, unchecked = (json.loads(one) for one in filtered)
    assert checked["rationale"] == docs[0]["rationale"].strip()
    assert checked["similarity"] == dict.fromkeys(("bleu1", "bleu4", "rouge1", "rougeL"), 1.0)
    assert "similarity" not in unchecked
    accuracy = {"acc": 1.0, "unparsed": 0.0, "truncated": 0.0}
    assert tasks.grade_rationale(docs[0], filtered[:1]) == accuracy | checked["similarity"]
    assert tasks.grade_rationale(docs[1], filtered[1:]) == accuracy


class HalfScorer:
    """A BERTScore of one half."""

    def score(self, candidates: list[str], references: list[str]) -> list[float]:
        assert len(candidates) == len(references) == 1  # the checked row only
        return [0.5]


def test_bertscore_joins_the_similarities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "bert_scorer", HalfScorer)
    docs, resps = rationale_outputs()
    checked, _ = (json.loads(one) for one in tasks.extract_rationale(resps, docs))
    assert checked["similarity"]["bertscore"] == 0.5


def test_bertscore_that_cannot_be_had_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("MEDBENCH_BERTSCORE", str(tmp_path / "none"))
    tasks.bert_scorer.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert tasks.bert_scorer() is None
    tasks.bert_scorer.cache_clear()
    assert "BERTScore will be missing" in caplog.text


def test_missing_metrics_are_told_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    rationale._cutter.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(MissingExtra, match=r"medbench\[rationale\]"):
        task("mmedbench-rationale_chinese")


@pytest.mark.parametrize("reason", ["stop", "length", None])
def test_generation_is_a_string_that_remembers(reason: Any) -> None:
    text = Generation("정답: B", reason)
    assert text == "정답: B"
    assert isinstance(text, str)
    for copied in (text, pickle.loads(pickle.dumps(text)), copy.deepcopy(text)):
        assert (copied, finish_reason(copied)) == ("정답: B", reason)
    assert finish_reason(str(text)) is None
    assert finish_reason(text.strip()) is None
