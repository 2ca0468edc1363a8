"""Raw rows to `Question`, one small function per dataset, each with the quirks that real rows have.

A parser raises `ValueError` or `KeyError` on a row that it cannot read; `check` then tells whether
what it made is a question. Both become a `Malformed` entry, never a silent drop.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from medbench.question import Question

__all__ = [
    "Identity",
    "Parser",
    "Row",
    "careqa",
    "check",
    "flashcards",
    "kormedmcqa",
    "lettered",
    "medmcqa",
    "pubmedqa",
]

Row = Mapping[str, Any]


class Identity(NamedTuple):
    """The first four fields of `Question`, for a row that has no id of its own."""

    id: str
    benchmark: str
    subset: str
    language: str


Parser = Callable[[Row, Identity], Question]

LETTERS = "ABCDEFGHIJ"
SEVERAL_ANSWERS = {"fr", "ja"}  # FrenchMedMCQA and IgakuQA ask for all that is right


def letters_in(value: object) -> frozenset[str]:
    """Read a gold field: "B", "A,C" or ["A", "C"]."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError(f"gold is {value!r:.60}, neither letters nor a list of letters")
    return frozenset(part.strip().upper() for part in parts if part.strip())


def letter_at(row: Row, field: str, *, first: int) -> frozenset[str]:
    """Turn the number of an option into a gold set; `first` is the number of option A."""
    written = text(row[field]).strip()
    if not re.fullmatch(r"-?[0-9]{1,3}(\.0)?", written):
        raise ValueError(f"{field} is {written!r:.60}, not the number of an option")
    index = int(float(written)) - first
    if not 0 <= index < len(LETTERS):
        raise ValueError(f"{field} is {written}, which is no option (the first one is {first})")
    return frozenset(LETTERS[index])


def text(value: object) -> str:
    """Return a string as it is, blanks included (prompts must match others' byte for byte)."""
    if isinstance(value, bool | list | dict):
        raise ValueError(f"{value!r:.60} is no text")
    written = "" if value is None else str(value)
    written.encode()  # refuses half of a surrogate pair, which JSON can hold and files cannot
    return written


def fields(row: Row, field: str) -> Mapping[str, Any]:
    """Return an object inside a row."""
    value = row[field]
    if not isinstance(value, Mapping):
        raise ValueError(f"{field} is {value!r:.60}, not an object")
    return value


def by_letter(values: Sequence[object]) -> dict[str, str]:
    """Letter the options in order."""
    return {letter: text(value) for letter, value in zip(LETTERS, values, strict=False)}


def without_padding(options: Mapping[str, str]) -> dict[str, str]:
    """Leave out the empty options at the end; one in the middle stays, for `check` to name."""
    letters = list(options)
    while letters and not options[letters[-1]].strip():
        letters.pop()
    return {letter: options[letter] for letter in letters}


def lettered(row: Row, identity: Identity) -> Question:
    """MMedBench and MedQA: options by letter; gold in `answer_idx`, or a letter in `answer`.

    French and Japanese gold is a list even for one answer; `human_checked*` are integers; the
    five-option MedQA copy pads its options with empty strings and keeps the letter in `answer`.
    """
    options = {letter: text(value) for letter, value in sorted(fields(row, "options").items())}
    gold = row["answer_idx"] if row.get("answer_idx") is not None else row["answer"]
    return Question(
        *identity._replace(id=text(row.get("problem_id")) or identity.id),
        text=text(row["question"]),
        options=without_padding(options),
        gold=letters_in(gold),
        several=identity.language in SEVERAL_ANSWERS,
        rationale=text(row.get("rationale")),
        rationale_checked=row.get("human_check_passed") in (1, "1"),
        tags={"subject": text(row.get("meta_info"))},
    )


def kormedmcqa(row: Row, identity: Identity) -> Question:
    """KorMedMCQA: five columns A–E, a 1-based `answer`, `cot` in the few-shot rows."""
    return Question(
        *identity,
        text=text(row["question"]),
        options={letter: text(row[letter]) for letter in "ABCDE"},
        gold=letter_at(row, "answer", first=1),
        few_shot_cot=text(row.get("cot")),
        tags={
            "year": text(row["year"]),
            "exam": f"{text(row['year'])}-{text(row['period'])}",
            "number": text(row["q_number"]),
        },
    )


def medmcqa(row: Row, identity: Identity) -> Question:
    """MedMCQA: columns opa–opd, a 0-based `cop` (−1 in the unlabelled test split)."""
    return Question(
        *identity._replace(id=text(row.get("id")) or identity.id),
        text=text(row["question"]),
        options=by_letter([row["opa"], row["opb"], row["opc"], row["opd"]]),
        gold=letter_at(row, "cop", first=0),
        rationale=text(row.get("exp")),
        tags={"subject": text(row.get("subject_name")), "topic": text(row.get("topic_name"))},
    )


def careqa(row: Row, identity: Identity) -> Question:
    """CareQA: columns op1–op4, a 1-based `cop`; one English row has no question."""
    return Question(
        *identity._replace(id=text(row.get("unique_id")) or identity.id),
        text=text(row["question"]),
        options=by_letter([row["op1"], row["op2"], row["op3"], row["op4"]]),
        gold=letter_at(row, "cop", first=1),
        tags={
            "subject": text(row["category"]),
            "year": text(row["year"]),
            "number": text(row["exam_id"]),
        },
    )


PUBMEDQA_OPTIONS = {"A": "yes", "B": "no", "C": "maybe"}


def pubmedqa(row: Row, identity: Identity) -> Question:
    """PubMedQA: yes, no or maybe (options A, B, C), with the abstract as the context."""
    decisions = {decision: letter for letter, decision in PUBMEDQA_OPTIONS.items()}
    decision = text(row["final_decision"])
    if decision not in decisions:
        raise ValueError(f"final_decision is {decision!r:.60}, not yes, no or maybe")
    contexts = fields(row, "context")["contexts"]
    if not isinstance(contexts, list):
        raise ValueError(f"contexts are {contexts!r:.60}, not a list")
    return Question(
        *identity._replace(id=text(row.get("pubid")) or identity.id),
        text=text(row["question"]),
        context="\n".join(map(text, contexts)),
        options=PUBMEDQA_OPTIONS,
        gold=frozenset(decisions[decision]),
        rationale=text(row.get("long_answer")),
    )


def flashcards(row: Row, identity: Identity) -> Question:
    """Medical flashcards: an open question (`input`) whose answer is the rationale."""
    return Question(
        *identity,
        text=text(row["input"]),
        options={},
        gold=frozenset(),
        rationale=text(row["output"]),
    )


def check(question: Question, *, has_options: bool) -> str:
    """Return why this is no usable question, or the empty string."""
    if not question.text.strip():
        return "the question is empty"
    if not has_options:
        return "" if question.rationale.strip() else "the answer is empty"
    letters = "".join(question.options)
    if not LETTERS.startswith(letters):
        return f"the options are lettered {letters!r:.60}, not A, B, C, …"
    if len(question.options) < 2:
        return f"{len(question.options)} options, at least 2 are needed"
    if empty := [letter for letter, option in question.options.items() if not option.strip()]:
        return f"option {', '.join(empty)} is empty"
    if not question.gold:
        return "no gold answer"
    if outside := sorted(question.gold - set(question.options)):
        return f"gold {', '.join(outside)} is outside the options {', '.join(question.options)}"
    return ""
