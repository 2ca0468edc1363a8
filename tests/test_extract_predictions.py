"""The answer extractor on real model outputs, which are not shipped with the project.

    MEDBENCH_PREDICTIONS=<bundle folder>/predictions pytest tests/test_extract_predictions.py

The rows (`hub/…`) lie in the same bundle folder, or where MEDBENCH_DATA says, if it names a folder
(conftest sets it to the packaged sample for all other tests).

MIRAGE's own rule falls back to "A" where an output names no single option ("None of the above", a
connection error), and its published accuracies count these. The extractor never guesses, so each
file has two numbers: ours, and the published one, which MIRAGE's rule must give on the raw outputs.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medbench.scoring.extract import extract

Row = dict[str, Any]
POLAR = {"A": "yes", "B": "no", "C": "maybe"}

# file, published %, ours %, outputs in which we read a letter
MIRAGE = [
    ("mirage__medqa__gpt-4-32k__cot.jsonl", 83.97, 82.88, 1245),
    ("mirage__medmcqa__gpt-4-32k__cot.jsonl", 69.88, 67.99, 3967),
    ("mirage__pubmedqa__gpt-4-32k__cot.jsonl", 39.60, 39.60, 500),
    ("mirage__medqa__gpt-35-turbo-16k__cot.jsonl", 64.89, 64.34, 1241),
]


def mirage_rule(output: str | None) -> str:
    """MIRAGE's reading (Teddy-XiongGZ/MIRAGE): the answer_choice's first letter, else A."""
    value = re.split(r'"?answer_choice"?\s*:\s*"?\s*', output or "")[-1]
    letter = re.match(r"\(?([A-D])(?=[\"'.,:;)\s]|$)", value)
    return letter[1] if letter else "A"


@pytest.mark.parametrize(("name", "published"), [(name, value) for name, value, *_ in MIRAGE])
def test_published_accuracies_by_the_original_rule(
    name: str, published: float, predictions: Path
) -> None:
    found = rows(predictions / name)
    correct = sum(mirage_rule(row["output"]) == row["gold"] for row in found)
    accuracy = round(100 * correct / len(found), 2)
    # six GPT-3.5 outputs are null; whether these count as "A" is worth .08 points
    assert accuracy == published or (published == 64.89 and 64.89 <= accuracy <= 65.04)


def rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def predictions() -> Path:
    value = os.environ.get("MEDBENCH_PREDICTIONS")
    if not value:
        pytest.skip("MEDBENCH_PREDICTIONS is not set: real outputs are not shipped")
    return Path(value)


@pytest.fixture(scope="module")
def data(predictions: Path) -> Path:
    for folder in (Path(os.environ.get("MEDBENCH_DATA", "")), predictions.parent):
        if (folder / "hub").is_dir():
            return folder
    pytest.skip("the rows of the outputs are not there: real rows are not shipped")


def mirage_options(name: str, data: Path) -> dict[str, dict[str, str]]:
    """Return the options of a MIRAGE file's questions by id."""
    if "__medqa__" in name:
        found = rows(data / "hub/GBaker/MedQA-USMLE-4-options/default/test.jsonl")
        return {f"{number:04}": row["options"] for number, row in enumerate(found)}
    if "__medmcqa__" in name:
        found = rows(data / "hub/openlifescienceai/medmcqa/default/validation.jsonl")
        return {row["id"]: {x: str(row[f"op{x.lower()}"]) for x in "ABCD"} for row in found}
    return {}


@pytest.mark.parametrize(("name", "published", "ours", "parsed"), MIRAGE)
def test_mirage(
    name: str, published: float, ours: float, parsed: int, predictions: Path, data: Path
) -> None:
    options = mirage_options(name, data)
    found = rows(predictions / name)
    read = [extract(row["output"] or "", options.get(row["id"], POLAR)) for row in found]
    letters = ["".join(answer.letters) for answer in read]
    assert sum(letter != "" for letter in letters) == parsed
    pairs = list(zip(letters, found, strict=True))
    assert [row["id"] for letter, row in pairs if letter not in ("", row["parsed"])] == []
    correct = sum(letter == row["gold"] for letter, row in pairs)
    assert round(100 * correct / len(found), 2) == ours
    correct = sum((letter or row["parsed"]) == row["gold"] for letter, row in pairs)
    assert round(100 * correct / len(found), 2) == published


def test_korean(predictions: Path, data: Path) -> None:
    """Of the outputs that state an answer, we differ from the recorded letter in two.

    Both were cut off: one last says "the answer is C" where the record has the last letter of the
    broken sentence (D), one says "I think the correct answer is C" where the record has none.
    """
    found = rows(predictions / "kormedmcqa_dev__qwen3-8b-lora__cot.jsonl")
    bundle = data / "hub/sean0042/KorMedMCQA"
    questions = {name: rows(bundle / name / "dev.jsonl") for name in ("dentist", "doctor")}
    agreed, differing, recorded_only = 0, [], []
    for row in found:
        question = questions[row["subset"]][row["sample_idx"]]
        options = {letter: str(question[letter]) for letter in "ABCDE"}
        letter = "".join(extract(row["output"], options, language="ko").letters)
        if letter and letter == row["predicted"]:
            agreed += 1
        elif letter:
            differing.append((row["subset"], row["sample_idx"], row["predicted"], letter))
        elif row["predicted"]:
            recorded_only.append((row["subset"], row["sample_idx"]))
    assert differing == [("dentist", 76, "D", "C"), ("dentist", 289, None, "C")]
    assert agreed == 395
    both = agreed + sum(recorded is not None for _, _, recorded, _ in differing)
    assert agreed / both >= 0.995
    assert len(recorded_only) == 13  # cut off before any answer, where the record guesses


def japanese_cases(predictions: Path) -> Iterator[tuple[Row, dict[str, str]]]:
    for row in rows(predictions / "igakuqa119__qwen2.5-72b.jsonl"):
        pairs = [re.match(r"([a-e])\.\s*(.*)", choice) for choice in row["choices"]]
        options = {pair[1].upper(): pair[2] for pair in pairs if pair}
        yield row, options or dict.fromkeys("ABCDE", "")


def test_japanese(predictions: Path) -> None:
    """All letter sets are read, and 78.50 % come out: 314 of all 400.

    Four questions ask for a number and are compared as they stand; 119E28 has two right answers of
    which one is asked for, and counts if either is given, as in the original grading.
    """
    correct = total = 0
    for row, options in japanese_cases(predictions):
        total += 1
        if row["answer"].isdigit():
            correct += row["answer"] == row["gold"]
            continue
        letters = extract(row["answer"], options, language="ja", several=True).letters
        assert letters == frozenset(re.findall("[A-E]", row["answer"].upper())), row["id"]
        gold = frozenset(row["gold"].upper())
        correct += letters <= gold if row["id"] == "119E28" else letters == gold
    assert (correct, total) == (314, 400)


def test_japanese_sentences(predictions: Path) -> None:
    """The same letters are read from the sentences that models write around them."""
    for row, options in japanese_cases(predictions):
        if row["answer"].isdigit():
            continue
        letters = frozenset(row["answer"].upper())
        for written in ("正解は%sです。", '{"答え": "%s"}', "よって、%sが正解である。"):
            output = f"解説する。\n{written % '、'.join(row['answer'])}"
            read = extract(output, options, language="ja", several=True)
            assert read.letters == letters, output
