"""Holm's correction, rank ranges, and how often a board of equal models names a winner."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.scoring.statistics.paired import compare
from medbench.scoring.statistics.standings import holm, standings

SHARES = st.lists(st.floats(0, 1), max_size=12)


@pytest.mark.parametrize(
    ("raw", "corrected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # Holm's own way, by hand
        ([0.5, 0.5, 0.5], [1.0, 1.0, 1.0]),
        ([0.02, 0.0], [0.02, 0.0]),
    ],
)
def test_holm(raw: list[float], corrected: list[float]) -> None:
    assert holm(raw) == pytest.approx(corrected)


@given(SHARES)
def test_holm_is_between_raw_and_bonferroni(raw: list[float]) -> None:
    corrected = holm(raw)
    for p, found in zip(raw, corrected, strict=True):
        assert p <= found <= min(1, p * len(raw))
    assert [p for _, p in sorted(zip(raw, corrected, strict=True))] == sorted(corrected)


def test_ranks_of_a_clear_and_an_unclear_board() -> None:
    right = {name: [1] * k + [0] * (200 - k) for name, k in [("b", 150), ("a", 152), ("c", 60)]}
    found = {one.model: (one.first, one.last, one.ties_best) for one in standings(right)}
    assert list(found) == ["a", "b", "c"]
    assert found == {"a": (1, 2, True), "b": (1, 2, True), "c": (3, 3, False)}


def test_boards_of_none_and_one() -> None:
    assert standings({}) == []
    (alone,) = standings({"a": [1, 0, 1]})
    assert (alone.first, alone.last, alone.ties_best) == (1, 1, True)


def test_clusters_widen_ranks() -> None:
    right = {"a": np.repeat([1, 1], [50, 50]), "b": np.repeat([1, 0], [50, 50])}
    assert [one.ties_best for one in standings(right)] == [True, False]
    few = np.repeat(np.arange(4), 25)
    assert [one.ties_best for one in standings(right, few)] == [True, True]


def test_equal_models_share_the_first_place() -> None:
    """Eight equal models on 150 questions, 150 boards: at most 5 % claim any difference."""
    random = np.random.default_rng(5)
    hard = random.uniform(0.2, 0.9, (150, 1, 150))
    boards = random.random((150, 8, 150)) < hard
    claims = [
        any(
            one.first > 1 or one.last < 8
            for one in standings(dict(zip("abcdefgh", b, strict=True)))
        )
        for b in boards
    ]
    assert np.mean(claims) <= 0.05


def test_the_ranges_of_ranks_hold() -> None:
    """Six models, two of them equal: the true ranks lie in all ranges in 95 % of the boards."""
    random = np.random.default_rng(6)
    strengths = np.array([0.75, 0.65, 0.62, 0.62, 0.5, 0.3])
    truth = {"a": (1, 1), "b": (2, 2), "c": (3, 4), "d": (3, 4), "e": (5, 5), "f": (6, 6)}
    boards = random.random((150, 6, 200)) < strengths[:, None]
    holds, narrow = [], []
    for board in boards:
        found = standings(dict(zip(truth, board, strict=True)))
        holds.append(all(one.first <= truth[one.model][0] and truth[one.model][1] <= one.last
                         for one in found))  # fmt: skip
        narrow.append(found[-1].first)
    assert np.mean(holds) >= 0.95
    assert np.mean(narrow) > 5


def test_eight_tasks_of_two_equal_models() -> None:
    """At most 5 % of such tables claim that one model is better in any task."""
    random = np.random.default_rng(8)
    hard = random.uniform(0.2, 0.9, (400, 8, 1, 120))
    answers = random.random((400, 8, 2, 120)) < hard
    tables = [[compare(before, after).p for before, after in table] for table in answers]
    assert np.mean([min(holm(table)) < 0.05 for table in tables]) <= 0.05
    assert np.mean([min(table) < 0.05 for table in tables]) > 0.15
