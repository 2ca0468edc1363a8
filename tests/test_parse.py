"""Every parser on rows with the quirks that real ones have, and on rows that nobody has seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.data import DATASETS, Dataset, Rows, dataset
from medbench.data.load import read
from medbench.data.parse import Row
from medbench.data.sources import official_test_ids
from medbench.question import Question

FRENCH = dataset("mmedbench", "french")
ENGLISH = dataset("mmedbench", "english")
FIVE = dataset("usmle", "5_options")
KOREAN = dataset("kormedmcqa", "nurse")
MEDMCQA = dataset("medmcqa", "validation")
CAREQA = dataset("careqa", "en")
PUBMEDQA = dataset("pubmedqa", "labeled")
CARDS = dataset("flashcards", "anki")

OPTIONS = {"A": "one", "B": "two", "C": "three", "D": "four", "E": "five"}
GOOD: dict[str, dict[str, Any]] = {
    "mmedbench": {"question": "How many?", "options": OPTIONS, "answer_idx": "B"},
    "usmle": {"question": "How many?", "options": OPTIONS, "answer": "B"},
    "kormedmcqa": {"question": "몇 개?", **OPTIONS, "answer": 2, "year": 2022, "period": 1}
    | {"q_number": 7, "cot": ""},
    "medmcqa": {"id": "m1", "question": "How many?", "cop": 1}
    | {"opa": "one", "opb": "two", "opc": "three", "opd": "four"},
    "careqa": {"unique_id": "c1", "question": "How many?", "cop": 2, "year": 2020, "exam_id": 3}
    | {"op1": "one", "op2": "two", "op3": "three", "op4": "four", "category": "Nursing"},
    "pubmedqa": {"pubid": 1, "question": "Is it?", "final_decision": "no"}
    | {"context": {"contexts": ["It was studied.", "It is not."]}},
    "flashcards": {"input": "How many?", "output": "Two."},
}


@dataclass(frozen=True)
class Given:
    """A source of hand-written rows."""

    raw: tuple[Row, ...]
    name: str = "hand"

    def __hash__(self) -> int:
        return id(self)

    def rows(self, dataset: Dataset, split: str) -> Iterator[Row]:
        yield from self.raw

    def archive(self, dataset: Dataset) -> Path:
        raise AssertionError("hand-written rows have no archive")

    def pubmedqa_test_ids(self) -> frozenset[str]:
        return official_test_ids()


def parse(one: Dataset, *rows: Row) -> Rows:
    return read(Given(rows), one, next(iter(one.splits)))


def question(one: Dataset, **changes: object) -> Question:
    rows = parse(one, GOOD[one.benchmark] | changes)
    assert not rows.malformed
    return rows.questions[0]


def reason(one: Dataset, row: Row) -> str:
    rows = parse(one, GOOD[one.benchmark], row)
    assert len(rows.questions) == 1 and rows.malformed[0].row == 2
    return rows.malformed[0].reason


@pytest.mark.parametrize("one", DATASETS.values(), ids=lambda one: one.name)
def test_a_plain_row(one: Dataset) -> None:
    made = question(one)
    assert (made.benchmark, made.subset, made.language) == (one.benchmark, one.subset, one.language)
    assert made.gold == (frozenset("B") if one.has_options else frozenset())
    assert made.several is (one.language in ("fr", "ja"))
    assert made.id in ("m1", "c1", "1", f"{next(iter(one.splits))}-00001")
    assert not made.rationale_checked


@pytest.mark.parametrize(
    ("gold", "letters"),
    [
        ("A", "A"),
        ("A,C", "AC"),
        ("C, A", "AC"),
        (["A"], "A"),
        (["A", "C"], "AC"),
        (["E", "A", "A"], "AE"),
        ("b", "B"),
        (" d ", "D"),
        ([" a", "E\n"], "AE"),
        ("A,,B,", "AB"),
    ],
)
def test_gold_letters(gold: object, letters: str) -> None:
    for row in ({"answer_idx": gold}, {"answer_idx": None, "answer": gold}):
        assert question(FRENCH, **row).gold_letters == list(letters)


@pytest.mark.parametrize(
    ("one", "field", "first"), [(KOREAN, "answer", 1), (MEDMCQA, "cop", 0), (CAREQA, "cop", 1)]
)
def test_gold_numbers(one: Dataset, field: str, first: int) -> None:
    letters = "ABCDE" if one is KOREAN else "ABCD"
    for index, letter in enumerate(letters):
        for number in (index + first, str(index + first), float(index + first)):
            assert question(one, **{field: number}).gold == {letter}
    for number in (first - 1, first - 2, len(letters) + first, 99):
        message = reason(one, GOOD[one.benchmark] | {field: number})
        assert f"{field} is {number}" in message or "is outside the options A, B" in message
    for value in (None, "", "B", True, 1.5, [1], {"a": 1}, "1e3", float("nan"), 10**40):
        message = reason(one, GOOD[one.benchmark] | {field: value})
        assert "not the number of an option" in message or "is no text" in message


def test_fields_that_may_be_missing() -> None:
    bare = question(ENGLISH)
    assert (bare.rationale, bare.context, bare.few_shot_cot) == ("", "", "")
    assert bare.tags == {"subject": ""}
    full = {"meta_info": "step1", "rationale": "Two.", "problem_id": "S1", "answer": "two"}
    made = question(ENGLISH, **full, human_checked=1, human_check_passed=1)
    assert (made.id, made.tags, made.rationale) == ("S1", {"subject": "step1"}, "Two.")
    assert made.rationale_checked is True
    for unchecked in (0, None, False, "0", "no", [1]):
        assert question(ENGLISH, human_check_passed=unchecked).rationale_checked is False
    assert question(ENGLISH, human_check_passed=True).rationale_checked is True
    assert question(MEDMCQA, id=None, exp=None, topic_name=None).id == "train-00001"
    assert question(MEDMCQA, exp="So.", subject_name="Skin").rationale == "So."
    assert question(KOREAN, cot="정답은 (B) 입니다.").few_shot_cot == "정답은 (B) 입니다."
    assert question(KOREAN).tags == {"year": "2022", "exam": "2022-1", "number": "7"}
    assert question(CAREQA).tags == {"subject": "Nursing", "year": "2020", "number": "3"}


def test_options() -> None:
    assert question(FIVE, options=OPTIONS | {"C": "", "D": None, "E": " "}).options == {
        "A": "one",
        "B": "two",
    }
    assert list(question(FIVE, options={"B": "2", "A": "1"}).options) == ["A", "B"]
    assert question(FIVE, options={"A": 0, "B": 2.5}).options == {"A": "0", "B": "2.5"}
    assert question(FIVE, options={"A": " one ", "B": "two\n"}).options["A"] == " one "
    assert question(CAREQA, op1=0).options["A"] == "0"


def test_pubmedqa() -> None:
    for decision, letter in {"yes": "A", "no": "B", "maybe": "C"}.items():
        made = question(PUBMEDQA, final_decision=decision, long_answer="Because.")
        assert made.gold == {letter} and list(made.options.values()) == ["yes", "no", "maybe"]
        assert made.context == "It was studied.\nIt is not." and made.rationale == "Because."


EMPTY = "the question is empty"


@pytest.mark.parametrize(
    ("one", "changes", "expected"),
    [
        (CAREQA, {"question": None}, EMPTY),
        (ENGLISH, {"question": " \n"}, EMPTY),
        (ENGLISH, {"question": ["What?"]}, "['What?'] is no text"),
        (ENGLISH, {"question": "\ud83d"}, "surrogates not allowed"),
        (ENGLISH, {"options": OPTIONS | {"C": ""}}, "option C is empty"),
        (ENGLISH, {"options": OPTIONS | {"A": None, "C": " "}}, "option A, C is empty"),
        (ENGLISH, {"options": {"A": "x", "C": "y"}}, "lettered 'AC', not A, B, C"),
        (ENGLISH, {"options": {"a": "x", "b": "y"}}, "lettered 'ab', not A, B, C"),
        (ENGLISH, {"options": {"A": "x"}, "answer_idx": "A"}, "1 options, at least 2 are needed"),
        (ENGLISH, {"options": {}}, "0 options, at least 2 are needed"),
        (ENGLISH, {"options": None}, "options is None, not an object"),
        (ENGLISH, {"options": ["x", "y"]}, "options is ['x', 'y'], not an object"),
        (ENGLISH, {"options": OPTIONS | {"A": {}}}, "{} is no text"),
        (ENGLISH, {"answer_idx": "F"}, "gold F is outside the options A, B, C, D, E"),
        (ENGLISH, {"answer_idx": ["A", "G", "F"]}, "gold F, G is outside the options"),
        (ENGLISH, {"answer_idx": None, "answer": "two"}, "gold TWO is outside the options"),
        (ENGLISH, {"answer_idx": ""}, "no gold answer"),
        (ENGLISH, {"answer_idx": []}, "no gold answer"),
        (ENGLISH, {"answer_idx": 1}, "gold is 1, neither letters nor a list of letters"),
        (ENGLISH, {"answer_idx": {"A": 1}}, "neither letters nor a list"),
        (ENGLISH, {"answer_idx": ["A", 2]}, "neither letters nor a list"),
        (ENGLISH, {"answer_idx": None, "answer": None}, "neither letters nor a list"),
        (FIVE, {"options": OPTIONS | {"E": ""}, "answer": "E"}, "gold E is outside the options"),
        (KOREAN, {"E": None}, "option E is empty"),
        (MEDMCQA, {"opb": ""}, "option B is empty"),
        (MEDMCQA, {"cop": -1}, "cop is -1, which is no option (the first one is 0)"),
        (PUBMEDQA, {"final_decision": "Yes"}, "final_decision is 'Yes', not yes, no or maybe"),
        (PUBMEDQA, {"final_decision": None}, "final_decision is '', not yes, no or maybe"),
        (PUBMEDQA, {"context": "It was."}, "context is 'It was.', not an object"),
        (PUBMEDQA, {"context": {"contexts": "It was."}}, "contexts are 'It was.', not a list"),
        (PUBMEDQA, {"context": {}}, "field 'contexts' is missing"),
        (CARDS, {"output": ""}, "the answer is empty"),
        (CARDS, {"input": None}, EMPTY),
    ],
)
def test_malformed(one: Dataset, changes: dict[str, object], expected: str) -> None:
    assert expected in reason(one, GOOD[one.benchmark] | changes)


@pytest.mark.parametrize("benchmark", GOOD)
def test_missing_fields(benchmark: str) -> None:
    """Whatever field a row lacks, it is a question without it or malformed by its name."""
    one = next(one for one in DATASETS.values() if one.benchmark == benchmark)
    for field in GOOD[benchmark]:
        row = {name: value for name, value in GOOD[benchmark].items() if name != field}
        if field in ("id", "unique_id", "pubid", "cot"):
            assert parse(one, row).size == 1
        else:
            missing = "answer" if field == "answer_idx" else field
            assert reason(one, row) == f"field '{missing}' is missing"


TEXTS = st.text(max_size=8)
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just("\ud800")
LETTERS = st.sampled_from(["A", "B", "a", "F", "", "A,B"])
VALUES = st.recursive(
    ATOMS | LETTERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LETTERS | TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@pytest.mark.parametrize("benchmark", GOOD)
@given(data=st.data())
def test_any_row_is_a_question_or_malformed(benchmark: str, data: st.DataObject) -> None:
    """Good rows with some fields replaced or lost, among rows that are anything at all."""
    good = GOOD[benchmark]
    changes = st.dictionaries(st.sampled_from(sorted(good)), VALUES, max_size=3)
    lost = st.sets(st.sampled_from(sorted(good)), max_size=1)
    some = st.builds(
        lambda new, gone: {name: (good | new)[name] for name in good if name not in gone},
        changes,
        lost,
    )
    rows = data.draw(st.lists(some | st.dictionaries(TEXTS, VALUES, max_size=3), max_size=6))
    one = next(one for one in DATASETS.values() if one.benchmark == benchmark)
    made = {split: read(Given(tuple(rows)), one, split) for split in one.splits}
    for split, found in made.items():
        assert found.size == len(found.questions) + len(found.malformed)
        assert benchmark == "pubmedqa" or found.size == len(rows)
        assert all(wrong.reason and str(wrong).startswith(one.name) for wrong in found.malformed)
        assert found.digest == read(Given(tuple(rows)), one, split).digest
        docs = [question.to_doc() for question in found.questions]
        back = datasets.Dataset.from_list(docs) if docs else []
        assert tuple(map(Question.from_doc, back)) == found.questions
    if benchmark == "pubmedqa":
        assert sum(found.size for found in made.values()) == len(rows)
