"""The originals' rules, faults included: each fault that a docstring names has a row here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import lm_eval.tasks
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.tasks._yaml_loader import load_yaml

from medbench.question import Question
from medbench.scoring import originals
from medbench.scoring.originals import Rule
from medbench.scoring.protocols import PROTOCOLS

FIVE = Question(
    id="1",
    benchmark="kormedmcqa",
    subset="doctor",
    language="ko",
    text="?",
    options=dict(zip("ABCDE", ("천식", "결핵", "폐렴", "폐암", "기흉"), strict=True)),
    gold=frozenset("B"),
)
FOUR = replace(FIVE, options=dict(zip("ABCD", "wxyz", strict=True)))
FRENCH = replace(FIVE, language="fr", several=True, gold=frozenset("AC"))
PUBMED = replace(FIVE, options={"A": "yes", "B": "no", "C": "maybe"})


def check(rule: Rule, output: str, question: Question, letters: str) -> None:
    assert "".join(sorted(rule(output, question))) == letters


@pytest.mark.parametrize(
    ("output", "question", "letters"),
    [
        ("###Answer: OPTION B IS CORRECT.", FIVE, "B"),
        ("###Answer: OPTION B IS CORRECT", FIVE, "B"),
        ("###Rationale: OPTION A?\n###Answer: OPTION B IS CORRECT.</s>", FIVE, "B"),
        ("###Answer: OPTION A IS CORRECT. ###Answer: OPTION C IS CORRECT.", FIVE, "C"),
        ("###Answer: OPTION A,C IS CORRECT.", FRENCH, "AC"),
        ("###Answer: OPTION C,A IS CORRECT.", FRENCH, "AC"),
        ("###Answer: OPTION A,C IS CORRECT.", FIVE, "AC"),  # one gold letter: wrong, as there
        ("B", FIVE, "B"),
        ("###Answer: OPTION A, C IS CORRECT.", FRENCH, ""),  # a blank after the comma
        ("###Answer: OPTION F IS CORRECT.", FIVE, ""),
        ("###Answer: OPTION b IS CORRECT.", FIVE, ""),
        ("###Answer: OPTION B IS CORRECT.<|im_end|>", FIVE, ""),  # only "</s>" is an end mark
        ("The answer is B.", FIVE, ""),
    ],
)
def test_mmedbench(output: str, question: Question, letters: str) -> None:
    check(originals.mmedbench, output, question, letters)


@pytest.mark.parametrize(
    ("output", "letters"),
    [
        ("정답: B", "B"),
        ("정답 B, 정답: C", "C"),  # the last match of a pattern
        ("정답은 C 입니다. A. 참고", "C"),
        ("d. 폐암", "D"),
        ("따라서, 정답은 (E) 입니다.", "E"),  # brackets: only the bare letter is read
        ("정답은 (E)입니다. A. 참고", "A"),  # and anything else comes before it
        ("정답\uff1aB", "B"),
        ("정답\uff1aB, C는 틀리다. vitamin D", "D"),  # a full-width colon: the same
        ("E입니다", ""),  # no boundary between a letter and Hangul
        ("답은 B입니다", ""),
        ("This is a patient", "A"),  # an English article
        ("환자는 e 항원 양성", "E"),
        ("결핵", ""),
    ],
)
def test_kormedmcqa(output: str, letters: str) -> None:
    check(originals.kormedmcqa, output, FIVE, letters)


def test_kormedmcqa_reads_no_letter_outside_the_options() -> None:
    check(originals.kormedmcqa, "정답: E", FOUR, "")


@pytest.mark.parametrize(
    ("output", "letters"),
    [
        ("B", "B"),
        ("(B) 결핵. C", "B"),  # cut at the full stop
        ("차근차근 생각해봅시다. 정답: B", ""),  # which makes a chain of thought impossible
        ("B\n\nC", "B"),
        ("B</s>C", "B"),
        ("B<|im_end|>C", "B"),
        ("B Q: C", "B"),
        ("Q: B", ""),
    ],
)
def test_kormedmcqa_direct(output: str, letters: str) -> None:
    check(originals.kormedmcqa_direct, output, FIVE, letters)


@pytest.fixture(scope="module")
def stock_filter() -> Any:
    """The answer filter of lm-eval's own `kormedmcqa`."""
    folder = Path(lm_eval.tasks.__file__).parent
    config = load_yaml(folder / "kormedmcqa/doctor.yaml", resolve_func=True)
    return config["filter_list"][0]["filter"][0]["function"]()


@given(output=st.text("AEbe정답은입니다 :\uff1a.()\n가x", max_size=12))
def test_kormedmcqa_is_the_rule_of_lm_eval(stock_filter: Any, output: str) -> None:
    check(originals.kormedmcqa, output, FIVE, stock_filter.apply([[output]], [{}])[0][0])


@pytest.mark.parametrize(
    ("output", "question", "letters"),
    [
        ("B", FOUR, "B"),
        ("b. metformin", FOUR, "B"),
        ("\n(c)", FOUR, "C"),
        ("→ D", FOUR, "D"),
        ("so\n## b) x\nmore", FOUR, "B"),
        ("answer: b", FOUR, "A"),  # the first character counts, whatever follows
        ("Definitely b", FOUR, "D"),
        ("The answer is B", FOUR, ""),
        ("E", FOUR, ""),
        ("Yes, it does.", PUBMED, "A"),
        ("no", PUBMED, "B"),
        ("yesyes", PUBMED, "A"),
        ("nono", PUBMED, "B"),
        ("yesno", PUBMED, "A"),
        ("noyes", PUBMED, "B"),
        ("maybe", PUBMED, "C"),
        ("Maybe", PUBMED, "C"),
        ("maybe.", PUBMED, ""),  # only as the whole raw output
        ("maybe\n", PUBMED, ""),
        ("The answer is yes", PUBMED, ""),  # the first word stands for the first tokens
        ("결핵", FOUR, ""),
    ],
)
def test_flowertune(output: str, question: Question, letters: str) -> None:
    check(originals.flowertune, output, question, letters)


@pytest.mark.parametrize(
    ("output", "letters"),
    [
        ("### 정답: B: 결핵\n### 설명: 기침.", "B"),
        ("Answer: b", "B"),
        ("정답: 3", "C"),
        ("정답은 5번이다", "E"),
        ("모르겠다\n정답: D", "D"),
        ("정답 없음\n정답: D", "D"),
        ("정답: C, A는 아니다 (A)", "A"),  # A wins wherever it stands
        ("정답: C (1번)", "A"),  # its number too
        ("정답: 12", "A"),
        ("Answer: D (asthma)", "A"),  # a word that ends in a letter is one
        ("C", ""),
        ("정답:\nC", ""),
        ("정답: 결핵", ""),
    ],
)
def test_sllm(output: str, letters: str) -> None:
    check(originals.sllm, output, FIVE, letters)


ENGLISH = replace(FOUR, language="en", benchmark="mmedbench", gold=frozenset("B"))
USMLE = replace(ENGLISH, benchmark="usmle")
TWO = replace(USMLE, gold=frozenset("AB"))
CHINESE = replace(ENGLISH, language="zh")


@pytest.mark.parametrize(
    ("output", "question", "is_right"),
    [
        ("It is so. The answer is B. \nThe answer is C", ENGLISH, True),  # the first one counts
        ("the ANSWER is (B) x B. yes", ENGLISH, True),
        ("The answer is C. \nThe answer is B", ENGLISH, False),
        ("I wonder. \nThe answer is B", ENGLISH, False),  # no full stop behind the second pass
        ("The answer is AB. \nThe answer is C", ENGLISH, True),  # any text that ends in "B."
        ("The answer is\nB", ENGLISH, False),
        ("The answer is C. \nThe answer is B", USMLE, True),  # only the last line counts
        ("The answer is B. \nThe answer is C", USMLE, False),
        ("The answer is A B C D", USMLE, True),  # all letters pass where one is right
        ("The answer is A B C D", TWO, False),
        ("The answer is B and A", TWO, True),
        ("the answer is B", USMLE, False),
        ("答案为C。 \n答案为B", CHINESE, True),
        ("答案为B。 \n答案为C", CHINESE, False),
        ("答案为BC", CHINESE, False),
        ("答案为B\n\n\n答案为C", CHINESE, True),  # what follows two empty lines is cut off
        ("A错，B对\n\n\n答案为C", CHINESE, True),  # and then phrases are read
        ("A对，B对\n\n\n答案为B", CHINESE, False),
        ("B错，为本题正确答案，A对", CHINESE, True),
        ("B", CHINESE, False),
    ],
)
def test_medcare(output: str, question: Question, is_right: bool) -> None:
    gold = "".join(sorted(question.gold))
    check(originals.medcare, output, question, gold if is_right else "")


RULES = sorted(
    {how.rule for of in PROTOCOLS.values() for how in of.values() if how.rule},
    key=lambda rule: rule.__name__,
)


@pytest.mark.parametrize("output", ["", " \n", "</s>", "."])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_empty_output_is_unread(rule: Rule, output: str) -> None:
    for question in (FIVE, FRENCH, PUBMED):
        check(rule, output, question, "")


def test_rules_in_use() -> None:
    names = [name for name in originals.__all__ if name != "Rule"]
    assert {getattr(originals, name) for name in names} == set(RULES)
