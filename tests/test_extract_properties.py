"""The answer extractor's outcomes, and what holds for any text at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.scoring.extract import EXTRACTOR_VERSION, Extraction, extract

DRUGS = {"A": "Aspirin", "B": "Metformin", "C": "Insulin", "D": "Warfarin", "E": "Vitamin C"}
LONG = "The kidney clears the drug slowly. " * 20

# (output, finish reason, outcome, letters)
ENDINGS = [
    ("The answer is B.", "length", "parsed", "B"),
    ('{"answer": "B", "why": "the', "length", "parsed", "B"),
    ("OPTION B IS CORRECT.", "length", "parsed", "B"),
    ("I think the answer is B. But let us check again: the", "length", "truncated", ""),
    ("B. Metformin", "length", "truncated", ""),
    ("The drug of choice is metformin.", "length", "truncated", ""),
    ("Option A is correct because it", "length", "truncated", ""),
    ("", "length", "truncated", ""),
    ("", "stop", "unparsed", ""),
    ("<think>The answer is B. But", None, "truncated", ""),
    ("<think>The answer is B. But", "stop", "truncated", ""),
    ('{"thinking": "The drug', None, "truncated", ""),
    ("지금까지의 설명\ufffd", None, "truncated", ""),
    (LONG + "It follows that the best", None, "truncated", ""),
    (LONG + "It follows that the best", "stop", "unparsed", ""),
    (LONG + "\nB. Metformin", None, "parsed", "B"),
    ("Nothing is known", None, "unparsed", ""),
]

# Pieces of statements, from which hypothesis builds outputs
PIECES = (
    "the answer is |정답은 |答案是|正解は|La réponse est |Ответ: |Respuesta: |A|B|C|D|а|В|2|③|yes"
    "|нет|Metformin|aspirin|a|or |and |, |.|\n| |(|)|**|not |가 아니라 |<think>|</think>|<answer>"
    '|</answer>|{"answer": "|"}|\\boxed{|}|\\u0041|\u0130|\ufffd|\ud800|is correct|が正解'
)
# What a pattern without a bound could choke on
ENDLESS = (
    "answer: |the answer is |answer is A, |answer B>|answer metformin |A, B, |answer to |the |so "
    "|(|)|\"|'| |\n|_|<|*|a|.|A. Aspirin |A. Aspirin\n|\\boxed{|\\boxed{{|\\u0041|\ufdfa|\nbut "
    '|\'answer\': \'|"answer": "|"answer": "\\|"answer": [|<think>|</think>|<answer>|best x |más '
    "|정답|정답은 |가 정답|가장 |选|答案|が正解|ответ |réponse à |is correct |B is correct "
    "|metformin is the answer |if |A. C. |Yes. |B\n|不能选"
)


@pytest.mark.parametrize(("output", "finish_reason", "outcome", "letters"), ENDINGS)
def test_cut_off(output: str, finish_reason: str | None, outcome: str, letters: str) -> None:
    found = extract(output, DRUGS, finish_reason=finish_reason)
    assert (found.outcome, found.letters) == (outcome, frozenset(letters)), found


@pytest.mark.parametrize(
    ("output", "rule"),
    [
        (r"\boxed{B}", "structure"),
        ("The answer is B.", "statement"),
        ("Option B is correct.", "praise"),
        ("B.", "line"),
        ("Metformin", "text"),
        ("I am not sure.", ""),
        ("The answer is A or B.", "statement"),
    ],
)
def test_rule(output: str, rule: str) -> None:
    assert extract(output, DRUGS).rule == rule


def test_rule_of_words() -> None:
    assert extract("Yes.", {"A": "yes", "B": "no"}).rule == "word"


def test_version() -> None:
    assert EXTRACTOR_VERSION == 2


def read(output: str, options: dict[str, str], language: str, several: bool) -> list[Extraction]:
    return [
        extract(output, options, language=language, several=several, finish_reason=reason)
        for reason in (None, "stop", "length")
    ]


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(PIECES.split("|")), max_size=12).map("".join)),
    st.one_of(
        st.just(DRUGS),
        st.dictionaries(st.one_of(st.sampled_from("ABC"), st.text(max_size=3)), st.text()),
    ),
    st.sampled_from(["en", "zh", "ja", "fr", "ru", "es", "ko", "xx"]),
    st.booleans(),
)
def test_any_text(output: str, options: dict[str, str], language: str, several: bool) -> None:
    found = read(output, options, language, several)
    for one in found:
        assert one.letters <= options.keys()
        assert (one.outcome == "parsed") == bool(one.letters)
        assert several or len(one.letters) <= 1
        assert one.rule or one.outcome != "parsed"
    assert found[2].outcome != "unparsed"
    assert read(f" \n{output}\t\n ", options, language, several) == found


@pytest.mark.parametrize("piece", ENDLESS.split("|"))
def test_long_outputs_end(piece: str) -> None:
    """100,000 characters: a pattern that backtracks without a bound would never come back."""
    output = piece * (100_000 // len(piece))
    for several, ending in ((True, ""), (False, "\nThe answer is B.")):
        found = extract(output + ending, DRUGS, language="ko", several=several)
        assert found.letters <= DRUGS.keys()
