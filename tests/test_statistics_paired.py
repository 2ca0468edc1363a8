"""Paired comparison: the exact test against scipy's, and how often its claims are false."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medbench.scoring.statistics.paired import compare, sign_flip_p, sign_flip_p_of_pairs

PAIRS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=200)


@pytest.mark.parametrize(
    ("fixed", "broken", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (6, 0, 0.03125), (0, 6, 0.03125), (8, 1, 0.0390625), (5, 5, 1.0)],
)
def test_mcnemar_of_known_counts(fixed: int, broken: int, p: float) -> None:
    before, after = [0] * fixed + [1] * broken + [1] * 9, [1] * fixed + [0] * broken + [1] * 9
    found = compare(before, after)
    assert found.p == pytest.approx(p)
    assert (found.n, found.fixed, found.broken) == (fixed + broken + 9, fixed, broken)
    assert found.difference.value == pytest.approx((fixed - broken) / found.n)


@settings(deadline=None)
@given(PAIRS)
def test_mcnemar_is_a_binomial_test(pairs: list[tuple[int, int]]) -> None:
    before, after = map(list, zip(*pairs, strict=True))
    found, back = compare(before, after), compare(after, before)
    changed = found.fixed + found.broken
    expected = stats.binomtest(found.fixed, changed).pvalue if changed else 1.0
    assert found.p == pytest.approx(expected)
    difference, mirrored = found.difference, back.difference
    assert -1 <= difference.low <= difference.value <= difference.high <= 1
    assert difference.low == pytest.approx(-mirrored.high)
    assert back.p == found.p


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_the_sign_flip_test_counts_all_signs(sums: list[int]) -> None:
    change = [np.sign(one) for one in sums for _ in range(abs(one))] + [0]
    clusters = [number for number, one in enumerate(sums) for _ in range(abs(one))] + [-1]
    flipped = [abs(np.dot(signs, sums)) for signs in product((-1, 1), repeat=len(sums))]
    expected = np.mean([one >= abs(sum(sums)) for one in flipped])
    assert sign_flip_p(change, clusters) == pytest.approx(expected)


def test_many_questions_are_quick_and_exact() -> None:
    change = np.repeat([1, -1, 0], [1100, 1000, 3000])
    assert sign_flip_p(change) == pytest.approx(stats.binomtest(1000, 2100).pvalue)


def test_bonett_and_price() -> None:
    """The interval of Agresti's opinion poll of 1,600 voters, with one added to each count."""
    before, after = np.repeat([0, 1, 1, 0], [86, 150, 794, 570]), np.repeat(
        [1, 0, 1, 0], [86, 150, 794, 570])  # fmt: skip
    found = compare(before, after).difference
    up, down = 87 / 1602, 151 / 1602
    half = 1.959964 * np.sqrt((up + down - (up - down) ** 2) / 1602)
    assert (found.low, found.high) == pytest.approx((up - down - half, up - down + half), abs=1e-6)
    assert found.value == pytest.approx(-0.04)


def test_pairs_of_other_questions_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="same questions"):
        compare([0, 1], [0, 1, 1])


def answers(
    random: np.random.Generator, runs: int, shape: tuple[int, int], gain: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Two models that find the same cases hard, shape (runs, cases · questions); B gains."""
    cases, questions = shape
    hard = random.uniform(0.1, 0.9 - gain, (runs, cases))
    a, b = np.clip(hard + random.uniform(-0.1, 0.1, (2, runs, cases)), 0, 1)
    draws = random.random((2, runs, cases * questions))
    return draws[0] < np.repeat(a, questions, 1), draws[1] < np.repeat(b + gain, questions, 1)


@pytest.mark.parametrize("shape", [(30, 1), (300, 1), (20, 5), (80, 5)])
@pytest.mark.parametrize("gain", [0.0, 0.1])
def test_few_claims_are_false_and_intervals_hold(shape: tuple[int, int], gain: float) -> None:
    random = np.random.default_rng(shape[0])
    before, after = answers(random, 1000, shape, gain)
    clusters = np.repeat(np.arange(shape[0]), shape[1]) if shape[1] > 1 else None
    found = [compare(a, b, clusters) for a, b in zip(before, after, strict=True)]
    holds = [one.difference.low <= gain <= one.difference.high for one in found]
    assert np.mean(holds) >= 0.94
    if gain == 0:
        claims = [one.p < 0.05 for one in found]
        better = [one.p < 0.05 and one.fixed > one.broken for one in found]
        assert np.mean(claims) <= 0.05
        assert np.mean(better) <= 0.03


def test_a_test_that_ignores_cases_claims_too_much() -> None:
    """Models whose strength differs by case: the questions of a case go together."""
    random = np.random.default_rng(1)
    a, b = random.integers(0, 2, (2, 1000, 40, 1)) * np.ones((1, 1, 1, 5), dtype=int)
    before, after = a.reshape(1000, 200), b.reshape(1000, 200)
    clusters = np.repeat(np.arange(40), 5)
    pairs = list(zip(before, after, strict=True))
    assert np.mean([sign_flip_p(y - x) < 0.05 for x, y in pairs]) > 0.3
    assert np.mean([sign_flip_p(y - x, clusters) < 0.05 for x, y in pairs]) <= 0.05


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 40), st.integers(1, 40))
def test_all_pairs_at_once_are_each_pair(seed: int, models: int, n: int, groups: int) -> None:
    random = np.random.default_rng(seed)
    right = random.integers(0, 2, (models, n))
    clusters = random.integers(0, groups, n)
    found = sign_flip_p_of_pairs(list(right), clusters)
    expected = [[sign_flip_p(b - a, clusters) for b in right] for a in right]
    assert found.tolist() == expected
