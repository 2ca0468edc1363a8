"""Wilson's interval against scipy's, and the means of a group."""

from math import isclose, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.scoring.statistics import macro_mean, normal_interval, weighted_mean, wilson

COUNTS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 12, 0.1933, 0.6805),
        (1, 1, 0.2065, 1.0),
        (637, 1273, 0.4730, 0.5278),
    ],
)
def test_wilson_of_known_counts(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(COUNTS, st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_wilson_is_scipys(count: tuple[int, int], confidence: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.binomtest(*count).proportion_ci(confidence, method="wilson")
    assert wilson(*count, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@settings(deadline=None)
@given(COUNTS)
def test_wilson_contains_the_share_and_stays_within_bounds(count: tuple[int, int]) -> None:
    k, n = count
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert low < high
    assert isclose(1 - high, wilson(n - k, n)[0], abs_tol=1e-12)  # right and wrong are symmetric


@settings(deadline=None)
@given(COUNTS, st.integers(2, 50))
def test_wilson_shrinks_with_n_and_grows_with_confidence(count: tuple[int, int], by: int) -> None:
    def width(interval: tuple[float, float]) -> float:
        return interval[1] - interval[0]

    k, n = count
    assert width(wilson(k * by, n * by)) < width(wilson(k, n))
    assert width(wilson(k, n, 0.5)) < width(wilson(k, n, 0.95))


@pytest.mark.parametrize(("k", "n", "confidence"), [(1, 0, 0.95), (3, 2, 0.95), (1, 2, 1.0)])
def test_wilson_of_impossible_counts_is_a_mistake(k: int, n: int, confidence: float) -> None:
    with pytest.raises(AssertionError, match=r"wilson needs|confidence is within"):
        wilson(k, n, confidence)


def test_macro_mean_weighs_members_the_same() -> None:
    mean = macro_mean([0.2, 0.4, 0.9], [0.03, 0.04, 0.0])
    assert mean.value == pytest.approx(0.5)
    assert mean.stderr == pytest.approx(sqrt(0.03**2 + 0.04**2) / 3)
    assert (mean.low, mean.high) == pytest.approx(normal_interval(0.5, mean.stderr))
    assert mean.high - mean.value == pytest.approx(1.959964 * mean.stderr)


@settings(deadline=None)
@given(SHARES.flatmap(lambda v: st.tuples(st.just(v), st.lists(
    st.floats(0, 0.5), min_size=len(v), max_size=len(v)))))  # fmt: skip
def test_macro_mean_of_shares_is_a_share(members: tuple[list[float], list[float]]) -> None:
    mean = macro_mean(*members)
    assert 0 <= mean.low <= mean.value + 1e-9
    assert mean.value - 1e-9 <= mean.high <= 1


def test_macro_mean_of_other_values_is_not_clipped() -> None:
    assert macro_mean([30.0, 50.0], [1.0, 1.0]).high > 40


def test_weighted_mean_weighs_items_the_same() -> None:
    assert weighted_mean([0.5, 1.0], [300, 100]) == pytest.approx(0.625)


@pytest.mark.parametrize("call", [lambda: weighted_mean([0.1], [0]), lambda: macro_mean([], [])])
def test_a_mean_of_nothing_is_a_mistake(call: object) -> None:
    assert callable(call)
    with pytest.raises(AssertionError, match="needs"):
        call()
