"""Samples as arrays: the same verdicts as the full reading, in whatever form the lines are."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.errors import ResultError
from medbench.leaderboard.measured import compressed
from medbench.report.compare.samples import in_common, own_scores, read_answers
from medbench.report.grades import read_clusters, read_grades
from medbench.results import Score, read_results
from medbench.scoring.statistics.clusters import numbered
from tests.compared_runs import BEFORE, QUESTIONS, STAMP, answered, question, write_run

TASK = "usmle"


def written(folder: Path, samples: list[dict[str, Any]]) -> tuple[Score, Path]:
    """Write a run; return its score and its samples file."""
    write_run(folder, {TASK: samples})
    (score,) = own_scores(read_results([folder]).scores)
    return score, folder / f"samples_{TASK}_{STAMP}.jsonl"


@pytest.mark.parametrize("generated", [False, True])
def test_grades_are_those_of_the_full_reading(tmp_path: Path, generated: bool) -> None:
    asked = [question(number, context=f"Case\n {number // 3}") for number in range(100)]
    samples = answered(asked, BEFORE, generated)
    other = [one | {"filter": "original", "acc": 0.0} for one in samples]
    score, _ = written(tmp_path, [*reversed(samples), *other])
    grades, items = read_grades(score), read_answers(score).items
    assert grades.numbers.tolist() == sorted(items)
    assert grades.right.tolist() == [items[number].is_right for number in sorted(items)]
    assert grades.hashes.astype(str).tolist() == [items[one].doc_hash for one in sorted(items)]
    asked_of = [3, 4, 5, 6, 50]
    expected = numbered(in_common(items[number].question) for number in asked_of)
    assert read_clusters(score, asked_of).tolist() == expected.tolist() == [0, 0, 0, 1, 2]
    assert grades.at(np.array(asked_of)).tolist() == asked_of


def test_a_number_that_strict_json_has_not(tmp_path: Path) -> None:
    samples = answered(QUESTIONS, BEFORE)
    samples[7]["bertscore"] = float("nan")
    score, path = written(tmp_path, samples)
    assert "NaN" in path.read_text()
    assert read_grades(score).right.sum() == 40


def test_compressed_samples(tmp_path: Path) -> None:
    """Whole ones are as good; those of a leaderboard can be graded, but not asked about."""
    samples = answered(QUESTIONS, BEFORE)
    score, path = written(tmp_path, samples)
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert read_grades(score).right.sum() == 40
    assert len(read_answers(score).items) == len(read_clusters(score, range(100))) == 100
    packed.write_bytes(compressed(tuple(samples)))
    assert read_grades(score).right.sum() == 40
    for read in (read_answers, lambda score: read_clusters(score, range(100))):
        with pytest.raises(
            ResultError, match=r"the questions are left out, as `medbench add` does"
        ):
            read(score)
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(ResultError, match="cannot be read"):
        read_grades(score)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "ValidationError: Expected `object`, got `array`"),
        ('{"filter": "none", "doc_id": 0, "acc": 1.0}', "required field `doc_hash`"),
        ('{"filter": "none", "doc_id": 0, "acc": "1", "doc_hash": ""}', "got `str` - at `$.acc`"),
        ('{"filter": "none", "doc_id": -1, "acc": 1, "doc_hash": ""}', "Expected `int` >= 0"),
        (b"\xff", "UnicodeDecodeError"),
    ],
)
def test_broken_samples(tmp_path: Path, line: str | bytes, fault: str) -> None:
    score, path = written(tmp_path, answered(QUESTIONS, BEFORE))
    path.write_bytes(path.read_bytes() + (line.encode() if isinstance(line, str) else line))
    with pytest.raises(ResultError) as caught:
        read_grades(score)
    assert str(caught.value).startswith(f"{path}, line 101: not a sample of medbench's tasks")
    assert fault in str(caught.value)


def test_no_samples_of_the_filter(tmp_path: Path) -> None:
    score, path = written(tmp_path, answered(QUESTIONS, BEFORE))
    path.write_text(json.dumps(answered(QUESTIONS, BEFORE)[0] | {"filter": "original"}))
    with pytest.raises(ResultError, match="no samples of the filter none"):
        read_grades(score)
