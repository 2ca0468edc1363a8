"""Clustered errors: what they are without clusters, with copies, and how often intervals hold."""

from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.scoring.statistics import wilson
from medbench.scoring.statistics.clusters import clustered_stderr, effective_size, numbered, share

ANSWERS = st.lists(st.integers(0, 1), min_size=2, max_size=60)


def test_numbered_names() -> None:
    assert numbered(["b", "a", "b", ("c", 1)]).tolist() == [0, 1, 0, 2]
    assert numbered([]).tolist() == []


@settings(deadline=None)
@given(ANSWERS)
def test_questions_on_their_own(answers: list[int]) -> None:
    """Without clusters, or with one question in each, everything is as ever."""
    ordinary = np.std(answers, ddof=1) / sqrt(len(answers))
    alone = np.arange(len(answers))
    for clusters in (None, alone):
        assert clustered_stderr(answers, clusters) == pytest.approx(ordinary)
        assert effective_size(answers, clusters) == len(answers)
        found = share(answers, clusters)
        assert (found.low, found.high) == pytest.approx(wilson(sum(answers), len(answers)))


@settings(deadline=None)
@given(ANSWERS, st.integers(2, 5))
def test_copies_are_no_news(answers: list[int], copies: int) -> None:
    """Each question asked several times is worth as much as asked once, and not more."""
    clusters = np.repeat(np.arange(len(answers)), copies)
    repeated = np.repeat(answers, copies)
    assert clustered_stderr(repeated, clusters) == pytest.approx(clustered_stderr(answers))
    assert 1 <= effective_size(repeated, clusters) <= len(answers) * 1.03
    once, many = share(answers), share(repeated, clusters)
    assert many.value == pytest.approx(once.value)
    assert 0 <= many.low <= many.value <= many.high <= 1


def test_millers_formula() -> None:
    """As it is written there: the independent part and the covariances within clusters."""
    scores, clusters = np.array([1, 1, 0, 0, 1, 0, 1.0]), np.array([0, 0, 0, 1, 1, 2, 2])
    centred = scores - scores.mean()
    same = clusters[:, None] == clusters[None, :]
    written = sqrt((centred[:, None] * centred[None, :] * same).sum()) / scores.size
    assert clustered_stderr(scores, clusters) == pytest.approx(written * sqrt(3 / 2))


def test_one_cluster_tells_nothing() -> None:
    assert clustered_stderr([0, 1, 1], [5, 5, 5]) == inf
    assert effective_size([0, 1, 1], [5, 5, 5]) == 1
    assert share([0, 1, 1], [5, 5, 5]).high > 0.97


@pytest.mark.parametrize("call", [lambda: clustered_stderr([]), lambda: share([], [])])
def test_no_questions_are_a_mistake(call: object) -> None:
    assert callable(call)
    with pytest.raises(AssertionError, match="needs"):
        call()


def test_clusters_of_another_length_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="3 values, 2 clusters"):
        share([1, 0, 1], [1, 2])


@pytest.mark.parametrize("groups", [15, 60])
@pytest.mark.parametrize("accuracy", [0.3, 0.6, 0.9])
def test_intervals_hold(groups: int, accuracy: float) -> None:
    """Cases of four questions; how hard a case is follows a beta distribution."""
    random = np.random.default_rng(groups)
    clusters = np.repeat(np.arange(groups), 4)
    runs, spread = 1000, 2.0  # correlation within a case: 1 / (1 + spread)
    hard = random.beta(spread * accuracy, spread * (1 - accuracy), (runs, groups))
    answers = random.random((runs, groups * 4)) < np.repeat(hard, 4, axis=1)
    clustered = [share(one, clusters) for one in answers]
    naive = [wilson(int(one.sum()), one.size) for one in answers]
    assert np.mean([one.low <= accuracy <= one.high for one in clustered]) >= 0.94
    assert np.mean([low <= accuracy <= high for low, high in naive]) < 0.88
