"""Every wording byte for byte, against literals and against lm-eval's own tasks."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import lm_eval.tasks
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

from medbench.data import dataset, source_from_environment
from medbench.data.load import members, read
from medbench.engine.plan import task_manager
from medbench.question import Question
from medbench.scoring import prompts
from medbench.scoring.prompts import option_sets, set_text
from medbench.scoring.protocols import PROTOCOLS

STOCK = Path(lm_eval.tasks.__file__).parent

WHY = "It lowers glucose."
TRIED = "We tried.\nIt did."
ENGLISH = Question(
    id="1",
    benchmark="usmle",
    subset="4_options",
    language="en",
    text="Which drug? ",  # blanks at the end are kept where the original keeps them
    options={"A": "Aspirin", "B": "Metformin", "C": "Ethanol", "D": "None of these"},
    gold=frozenset("B"),
    rationale=WHY,
)
FRENCH = replace(
    ENGLISH,
    benchmark="mmedbench",
    language="fr",
    text="Cochez :",
    options={"A": "os", "B": "œil", "C": "foie"},
    gold=frozenset("CA"),
    several=True,
    rationale="Parce que.",
)
JAPANESE = replace(FRENCH, language="ja", text="正しいのは。", options={"A": "骨", "B": "目"})
KOREAN = replace(
    ENGLISH,
    benchmark="kormedmcqa",
    language="ko",
    text=" 진단은? \n",
    options={"A": "천식", "B": "결핵", "C": "폐렴", "D": "폐암", "E": "기흉"},
    rationale="",
)
PUBMED = replace(
    ENGLISH,
    benchmark="pubmedqa",
    text="Does it work?",
    context=TRIED,
    options={"A": "yes", "B": "no", "C": "maybe"},
    gold=frozenset("C"),
)
SPANISH = replace(ENGLISH, benchmark="careqa", language="es", text="¿Cuál?")
FOUR = "A. Aspirin\nB. Metformin\nC. Ethanol\nD. None of these\n"
OFFICIAL = "진단은?\nA. 천식\nB. 결핵\nC. 폐렴\nD. 폐암\nE. 기흉\n정답\uff1a"
STEPS = (
    "Think step by step about which option is right. "
    'Then finish with one line: "The answer is (X)", where X is the letter of that option.'
)
PASOS = (
    "Razona paso a paso cuál es la opción correcta. "
    'Después termina con una línea: "La respuesta es (X)", donde X es la letra de esa opción.'
)
ALPACA = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n### Instruction:\n"
)
TREATMENT = " Which of the following is the best treatment for this patient? "
EXPERT = (
    "As an expert doctor in clinical science and medical knowledge, can you tell me if the "
    "following statement is correct? Answer yes, no, or maybe."
)
ENTRANCE = (
    "You are a medical doctor answering realworld medical entrance exam questions. Based on your "
    "understanding of basic and clinical science, medical knowledge, and mechanisms underlying "
    "health, disease, patient care, and modes of therapy, answer the following multiple-choice "
    "question. Select one correct answer from A to D. Base your answer on the current and standard "
    "practices referenced in medical guidelines."
)
CHATML = ("<|im_start|>question\n", "\nThe answer is:\n<|im_end|>\n<|im_start|>answer\n")
FORMAT = "Please format the final answer at the end of the response as: The answer is {answer}."
FORMAT_ZH = "请在回答的最后用以下格式回答：答案为{answer}。"


def native(language: str, text: str) -> Question:
    return replace(ENGLISH, benchmark="mmedbench", language=language, text=text)


UNEXPLAINED = replace(native("zh", "哪个？"), rationale="")


# protocol, question, prompt, answer
GOLDEN: list[tuple[str, Question, str, str]] = [
    ("letters", ENGLISH, f"Question: Which drug? \n{FOUR}Answer:", "B"),
    (
        "letters",
        replace(ENGLISH, benchmark="medmcqa"),
        f"Question: Which drug? \nChoices:\n{FOUR}Answer:",
        "B",
    ),
    ("letters", SPANISH, f"Question: ¿Cuál?\nChoices:\n{FOUR}Answer:", "B"),
    ("letters", PUBMED, f"Abstract: {TRIED}\nQuestion: Does it work?\nAnswer:", "maybe"),
    (
        "letters",
        FRENCH,
        "Question : Cochez :\nA. os\nB. œil\nC. foie\n"
        "(Une ou plusieurs réponses sont exactes ; donnez les lettres de toutes.)\nRéponse :",
        "A, C.",
    ),
    (
        "letters",
        JAPANESE,
        "問題：正しいのは。\nA. 骨\nB. 目\n"
        "（正しい選択肢は1つとは限らない。正しいものの記号をすべて答えよ。）\n答え：",
        "A.",
    ),
    ("letters", native("zh", "哪个？"), f"问题：哪个？\n{FOUR}答案：", "B"),
    ("letters", native("ru", "Что?"), f"Вопрос: Что?\n{FOUR}Ответ:", "B"),
    ("letters", native("es", "¿Cuál?"), f"Pregunta: ¿Cuál?\n{FOUR}Respuesta:", "B"),
    ("letters", KOREAN, OFFICIAL, "B"),
    ("direct", KOREAN, OFFICIAL, "B"),
    ("cot", replace(KOREAN, few_shot_cot="정답은 (B) 입니다."), OFFICIAL, "정답은 (B) 입니다."),
    (
        "sllm",
        replace(KOREAN, text="진단은?", rationale="기침."),
        "### 질문: 진단은?\n### 선택지\n- A: 천식\n- B: 결핵\n- C: 폐렴\n- D: 폐암\n- E: 기흉\n",
        "### 정답: B: 결핵\n### 설명: 기침.",
    ),
    (
        "paper",
        FRENCH,
        f"{ALPACA}You're a French doctor, kindly address the medical queries according to the "
        "patient's account. Answer with the best option directly.\n\n"
        f"### Input:\n###Question: Cochez :{TREATMENT}"
        "###Options: A. os B. œil C. foie \n\n### Response:",
        "###Answer: OPTION A,C IS CORRECT.",
    ),
    (
        "rationale",
        FRENCH,
        f"{ALPACA}You're a French doctor, kindly address the medical queries according to the "
        "patient's account in French. Let\u2019s solve this step-by-step. You should first give "
        "the reason in French for your choice. Then you should give the right answer index of the "
        f"question.\n\n### Input:\n###Question: Cochez :{TREATMENT}"
        "###Options: A. os B. œil C. foie \n\n### Response:",
        "###Rationale: Parce que.\n###Answer: OPTION A,C IS CORRECT.",
    ),
    ("cot", ENGLISH, f"Question: Which drug?\n{FOUR}\n{STEPS}", "The answer is (B)"),
    ("cot", SPANISH, f"Pregunta: ¿Cuál?\n{FOUR}\n{PASOS}", "La respuesta es (B)"),
    (
        "cot",
        PUBMED,
        f"Abstract: {TRIED}\nQuestion: Does it work?\n\n"
        "Think step by step about what the abstract shows. Then finish with one line: "
        '"The answer is yes", "The answer is no" or "The answer is maybe".',
        "The answer is maybe",
    ),
    ("flowertune", PUBMED, f"{CHATML[0]}{EXPERT}\n{TRIED}\nDoes it work?{CHATML[1]}", "maybe"),
    (
        "flowertune",
        replace(ENGLISH, benchmark="medmcqa", text="The drug is"),
        f"{CHATML[0]}{ENTRANCE}\nQuestion: The drug is?\n\nOptions:\n{FOUR.rstrip()}{CHATML[1]}",
        "B",
    ),
    ("medcare", ENGLISH, f"Which drug? \n{FOUR}\n{FORMAT}", f"{WHY}\n\nThe answer is B."),
    ("medcare", UNEXPLAINED, f"哪个？\n{FOUR}\n{FORMAT_ZH}", "答案为B。"),
]


@pytest.mark.parametrize(
    ("protocol", "question", "prompt", "answer"),
    GOLDEN,
    ids=[f"{q.benchmark}-{protocol}-{q.language}" for protocol, q, *_ in GOLDEN],
)
def test_golden(protocol: str, question: Question, prompt: str, answer: str) -> None:
    how = PROTOCOLS[question.benchmark][protocol]
    assert how.prompt(question) == prompt
    assert how.answer(question) == answer


def test_every_wording_has_a_golden_prompt() -> None:
    wanted = {how.prompt for protocols in PROTOCOLS.values() for how in protocols.values()}
    shown = {PROTOCOLS[question.benchmark][name].prompt for name, question, *_ in GOLDEN}
    assert shown == wanted


@pytest.mark.parametrize(("text", "shown"), [("Why?", "Why?"), ("It is.", "It is."), ("It", "It?")])
def test_flowertune_adds_a_question_mark(text: str, shown: str) -> None:
    prompt = prompts.flowertune(replace(ENGLISH, text=text))
    assert f"\nQuestion: {shown}\n\nOptions:\nA. " in prompt
    assert "select one correct answer from A to E." in prompt  # with four options, as the original


def lettered(count: int, gold: frozenset[str]) -> Question:
    options = {letter: f"option {letter}" for letter in "ABCDE"[:count]}
    return replace(FRENCH, options=options, gold=gold)


@given(st.integers(2, 5), st.data())
def test_option_sets(count: int, data: st.DataObject) -> None:
    gold = data.draw(st.frozensets(st.sampled_from("ABCDE"[:count]), min_size=1))
    sets = option_sets(lettered(count, gold))
    assert len(sets) == len(set(sets)) == 2**count - 1
    in_order = sorted(sets)  # a prefix would stand right in front of what it begins
    assert not any(later.startswith(earlier) for earlier, later in pairwise(in_order))
    letters = PROTOCOLS["mmedbench"]["letters"]
    assert sets[letters.gold_choice(lettered(count, gold))] == set_text(sorted(gold))


def test_five_options_have_31_sets() -> None:
    sets = option_sets(lettered(5, frozenset("A")))
    assert (sets[0], sets[5], sets[-1], len(sets)) == ("A.", "A, B.", "A, B, C, D, E.", 31)


def medqa_hf(row: dict[str, Any]) -> dict[str, Any]:
    """Turn a row of GBaker/MedQA-USMLE-4-options into one of its -hf twin."""
    endings = {f"ending{n}": row["options"][letter] for n, letter in enumerate("ABCD")}
    return {"sent1": row["question"], **endings, "label": "ABCD".index(row["answer_idx"])}


def bigbio(row: dict[str, Any]) -> dict[str, Any]:
    """Turn a row of qiaojin/PubMedQA into one of bigbio's."""
    names = {"QUESTION": "question", "final_decision": "final_decision"}
    return {"CONTEXTS": row["context"]["contexts"], **{new: row[old] for new, old in names.items()}}


EXAMS = ("doctor", "nurse", "pharm", "dentist")
PARITY: list[tuple[str, str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
    ("usmle", "medqa/medqa.yaml", medqa_hf),
    ("medmcqa-letters", "medmcqa/medmcqa.yaml", dict),
    ("pubmedqa-letters", "pubmedqa/pubmedqa.yaml", bigbio),
    ("careqa-letters_en", "careqa/careqa_en.yaml", dict),
    ("careqa-letters_es", "careqa/careqa_es.yaml", dict),
    *((f"kormedmcqa-direct_{exam}", f"kormedmcqa/{exam}.yaml", dict) for exam in EXAMS),
]


def raw_rows(task: Any, split: str, convert: Callable[[dict[str, Any]], Any]) -> datasets.Dataset:
    """Read the source's own rows, those that are no question left out."""
    source = source_from_environment()
    where = dataset(task.config.metadata["benchmark"], task.config.dataset_kwargs["subset"])
    malformed = {one.row for one in read(source, where, split).malformed}
    rows = [convert(row) for n, row in members(source, where, split) if n not in malformed]
    return datasets.Dataset.from_list(rows)


def requests(task: Any, shots: int) -> Iterator[Any]:
    """Yield what a model is asked: contexts, and continuations if there are any."""
    task.set_config(key="num_fewshot", value=shots)
    task.build_all_requests(limit=None, rank=0, world_size=1)
    for one in task.instances:
        yield one.args if one.request_type == "loglikelihood" else one.args[0]


@pytest.mark.parametrize("rows", ["sample", "bundle"])
@pytest.mark.parametrize(("name", "stock", "convert"), PARITY, ids=[name for name, *_ in PARITY])
def test_parity(
    name: str,
    stock: str,
    convert: Callable[[dict[str, Any]], Any],
    rows: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """lm-eval's own task asks exactly the same questions of the same rows, shots included."""
    if rows == "bundle":
        if not os.environ.get("MEDBENCH_TEST_BUNDLE"):
            pytest.skip("MEDBENCH_TEST_BUNDLE names no bundle of real rows")
        if name.startswith("careqa"):
            pytest.skip("no real CareQA rows could be had")
        monkeypatch.setenv("MEDBENCH_DATA", os.environ["MEDBENCH_TEST_BUNDLE"])
    ours = task_manager().load([name])["tasks"][name]
    test = raw_rows(ours, "test", convert)
    splits = dict.fromkeys(("train", "validation", "test"), test)
    shots = 0
    if name.startswith("kormedmcqa"):
        splits["fewshot"], shots = raw_rows(ours, "few_shot", convert), 5
    config = load_yaml(STOCK / stock, resolve_func=True)
    theirs = ConfigurableTask(config={**config, "custom_dataset": lambda **_: splits})
    for count in {0, shots}:
        assert list(requests(ours, count)) == list(requests(theirs, count))
    golds = [task.doc_to_target(doc) for task in (ours, theirs) for doc in task.test_docs()]
    if name == "pubmedqa-letters":  # theirs is the word, ours its index
        golds = [gold if isinstance(gold, str) else ["yes", "no", "maybe"][gold] for gold in golds]
    assert golds[: len(test)] == golds[len(test) :]
