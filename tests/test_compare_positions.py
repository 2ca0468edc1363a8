"""Answers by letter, option sets and words, and letters against written answers."""

import re
from pathlib import Path

import pytest

from medbench.report.compare.comparison import compare_runs
from medbench.report.compare.document import document
from tests.compared_runs import AFTER, BEFORE, QUESTIONS, answered, question, sample, write_run


def test_positions(tmp_path: Path) -> None:
    """A always says A; B finds all but C."""
    write_run(tmp_path / "a", {"usmle": [sample(n, q, "A") for n, q in enumerate(QUESTIONS)]})
    found = [sample(n, q, "D" if n % 4 == 2 else "ABCD"[n % 4]) for n, q in enumerate(QUESTIONS)]
    write_run(tmp_path / "b", {"usmle": found})
    places = compare_runs(tmp_path / "a", tmp_path / "b").tasks[0].positions
    assert [tuple(one) for one in places.letters] == [
        ("A", 0.25, 1.0, 0.25, 1.0, 1.0),
        ("B", 0.25, 0.0, 0.25, 0.0, 1.0),
        ("C", 0.25, 0.0, 0.0, 0.0, 0.0),
        ("D", 0.25, 0.0, 0.5, 0.0, 1.0),
    ]
    assert tuple(places.a) == (0.75, "A", 0)
    assert tuple(places.b) == (0.25, "D", 0)
    silent = [sample(n, q, "", generated=True) for n, q in enumerate(QUESTIONS)]
    write_run(tmp_path / "c", {"usmle-cot": silent})
    places = compare_runs(tmp_path / "c", tmp_path / "c").tasks[0].positions
    assert tuple(places.a) == (0.0, "", 100)


def test_option_sets_and_words(tmp_path: Path) -> None:
    """French rows are answered with sets, PubMedQA's with words."""
    sets = [question(n, options={"A": "a", "B": "b", "C": "c"}, gold=frozenset("AC"), several=True)
            for n in range(12)]  # fmt: skip
    a, b = ([sample(n, one, said) for n, one in enumerate(sets)] for said in ("A, C", "B"))
    words = []
    for number, one in enumerate(QUESTIONS[:12]):
        new = sample(number, one, "B")
        new["doc"]["choices"] = list(one.options.values())
        words.append(new)
    write_run(tmp_path / "a", {"mmedbench_french": a, "pubmedqa-letters": words})
    write_run(tmp_path / "b", {"mmedbench_french": b, "pubmedqa-letters": words})
    french, english = compare_runs(tmp_path / "a", tmp_path / "b").tasks
    assert (french.contrast.verdict, french.contrast.paired.broken) == ("worse", 12)
    assert [one.gold for one in french.positions.letters] == [0.5, 0, 0.5]
    assert [one.a for one in english.positions.letters] == [0, 1, 0, 0]


def test_letters_against_written_answers(tmp_path: Path) -> None:
    written = answered(QUESTIONS, AFTER, generated=True)
    written[99] = sample(99, QUESTIONS[99], "", generated=True)
    tasks = {"usmle": answered(QUESTIONS, BEFORE), "usmle-cot": written}
    write_run(tmp_path / "a", tasks)
    found = compare_runs(tmp_path / "a", tmp_path / "a")
    assert [one.side for one in found.agreements] == ["A", "B"]
    one = found.agreements[0]
    assert (one.letters_task, one.generated_task, one.n) == ("usmle", "usmle-cot", 100)
    assert one.same.value == pytest.approx(0.64)  # 35 changed, one was not read
    assert (one.letters_right, one.generated_right, one.unread) == (0.4, 0.65, 1)
    text = document(found, 0)
    assert "| A  | usmle, usmle-cot | 100 |" in re.sub(" +", " ", text).replace("| A ", "| A  ")
