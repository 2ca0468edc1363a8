"""The packaged sample: as many rows as promised, well formed, balanced, and nobody else's."""

import json
import os
from collections import Counter
from pathlib import Path

import datasets
import pytest

from medbench import paths
from medbench.data import DATASETS, Dataset, Rows
from medbench.data.load import read
from medbench.data.sources import Bundle
from medbench.errors import DataError
from medbench.question import Question

SAMPLE = Bundle(paths.sample(), "sample")


def there(source: Bundle) -> list[Rows]:
    """Every split that a bundle has."""
    found = []
    for one in DATASETS.values():
        for split in one.splits:
            try:
                found.append(read(source, one, split))
            except DataError:
                continue
    return found


SPLITS = there(SAMPLE)
QUESTIONS = [(rows, question) for rows in SPLITS for question in rows.questions]


def of(benchmark: str, *splits: str) -> list[Question]:
    return [
        question
        for rows, question in QUESTIONS
        if rows.dataset.benchmark == benchmark and (not splits or rows.split in splits)
    ]


def name(rows: Rows) -> str:
    return f"{rows.dataset.name} {rows.split}"


@pytest.mark.parametrize("rows", SPLITS, ids=name)
def test_no_row_is_malformed(rows: Rows) -> None:
    assert not rows.malformed


@pytest.mark.parametrize("one", DATASETS.values(), ids=lambda one: one.name)
def test_sizes(one: Dataset) -> None:
    sizes = {rows.split: rows.size for rows in SPLITS if rows.dataset is one}
    assert set(sizes) | {"dev"} >= set(one.splits)
    if one.benchmark == "mmedbench":
        assert min(sizes["train"], sizes["test"]) >= 12
    elif one.benchmark == "kormedmcqa":
        assert sizes["few_shot"] == 5 and sizes["test"] >= 3
    else:
        assert sizes.get("test", 12) >= 12 and sizes.get("train", 6) >= 6


def test_kormedmcqa_has_a_dozen_test_rows() -> None:
    assert len(of("kormedmcqa", "test")) >= 12


@pytest.mark.parametrize(
    "rows", [rows for rows in SPLITS if rows.dataset.benchmark == "mmedbench"], ids=name
)
def test_mmedbench_rationales(rows: Rows) -> None:
    assert all(len(question.rationale) > 40 for question in rows.questions)
    if rows.split == "test":
        checked = sum(question.rationale_checked for question in rows.questions)
        assert 6 <= checked < rows.size


@pytest.mark.parametrize("rows", SPLITS, ids=name)
def test_no_letter_wins(rows: Rows) -> None:
    """A model that always says the same letter is right in no more than half of the rows."""
    gold = [question.gold_letters[0] for question in rows.questions if len(question.gold) == 1]
    if gold:
        letter, most = Counter(gold).most_common(1)[0]
        assert most <= len(gold) / 2, f"{letter} is right in {most} of {len(gold)}"


def test_options_do_not_repeat() -> None:
    for _, question in QUESTIONS:
        shown = [option.strip().casefold() for option in question.options.values()]
        assert len(set(shown)) == len(shown), question.id


@pytest.mark.parametrize("subset", ["french", "japanese"])
def test_several_right_answers(subset: str) -> None:
    for split in ("train", "test"):
        rows = next(rows for rows in SPLITS if (rows.dataset.subset, rows.split) == (subset, split))
        several = [question for question in rows.questions if len(question.gold) > 1]
        assert 0 < len(several) < rows.size
        assert all(question.several for question in rows.questions)


def test_one_right_answer_elsewhere() -> None:
    for rows, question in QUESTIONS:
        if rows.dataset.has_options and not question.several:
            assert len(question.gold) == 1


def test_few_shot_rows_end_in_their_answer() -> None:
    rows = of("kormedmcqa", "few_shot")
    assert len(rows) == 20
    for question in rows:
        assert question.few_shot_cot.endswith(f"정답은 ({question.gold_letters[0]}) 입니다.")
        assert len(question.few_shot_cot) > 60
    assert not any(question.few_shot_cot for question in of("kormedmcqa", "train", "dev", "test"))


def test_no_question_repeats() -> None:
    """But what repeats in the original, too: few-shot rows in dev, MedQA with 4 and 5 options."""
    for benchmark in {rows.dataset.benchmark for rows in SPLITS}:
        places: dict[str, set[tuple[str, str]]] = {}
        for rows, question in QUESTIONS:
            if rows.dataset.benchmark == benchmark:
                place = (rows.dataset.subset, rows.split)
                seen = places.setdefault(" ".join(question.text.split()), set())
                assert place not in seen, f"{benchmark} {place}: {question.text}"
                seen.add(place)
        for text, seen in places.items():
            if benchmark == "kormedmcqa":
                assert len(seen) == 1 or {split for _, split in seen} == {"dev", "few_shot"}, text
            elif benchmark == "usmle":
                assert len({split for _, split in seen}) == 1, text
            else:
                assert len(seen) == 1, text


@pytest.mark.parametrize("rows", SPLITS, ids=name)
def test_round_trip(rows: Rows) -> None:
    """Nothing is lost in the table that lm-eval reads."""
    table = datasets.Dataset.from_list([question.to_doc() for question in rows.questions])
    assert tuple(map(Question.from_doc, table)) == rows.questions


def test_ids_are_unique() -> None:
    for rows in SPLITS:
        ids = [question.id for question in rows.questions]
        assert len(set(ids)) == len(ids)


def test_pubmedqa_ids_are_no_real_ones() -> None:
    questions = of("pubmedqa")
    assert len(questions) >= 18
    assert min(int(question.id) for question in questions) >= 90_000_001
    decisions = {question.id: question.options[min(question.gold)] for question in questions}
    path = paths.sample() / "qiaojin/PubMedQA/test_ground_truth.json"
    beside = json.loads(path.read_text(encoding="utf-8"))
    assert beside == {question.id: decisions[question.id] for question in of("pubmedqa", "test")}
    assert set(beside.values()) == {"yes", "no", "maybe"}


def test_nothing_else_lies_in_the_sample() -> None:
    files = {path.relative_to(paths.sample()) for path in paths.sample().rglob("*.*")}
    known = {
        SAMPLE.path(rows.dataset, split).relative_to(paths.sample())
        for rows in SPLITS
        for split in rows.dataset.splits
    }
    others = {"test_ground_truth.json", "general.jsonl", "medical.jsonl"}
    assert {path.name for path in files - known if path.suffix} == others


def test_no_real_row_is_in_the_sample() -> None:
    """Neither a question of the real data, nor a context or rationale of it."""
    if not (folder := os.environ.get("MEDBENCH_TEST_BUNDLE")):
        pytest.skip("MEDBENCH_TEST_BUNDLE names no bundle of real rows")
    real = [question for rows in there(Bundle(Path(folder))) for question in rows.questions]
    assert real
    for part in ("text", "context", "rationale", "few_shot_cot"):
        ours = {plain(getattr(question, part)) for _, question in QUESTIONS} - {""}
        assert not ours & {plain(getattr(question, part)) for question in real}


def plain(text: str) -> str:
    """Drop what an editor could change without writing anything new."""
    return "".join(character for character in text.casefold() if character.isalnum())
