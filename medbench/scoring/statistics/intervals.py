"""Intervals and means of accuracies, in closed form.

The interval is Wilson's ("Probable inference, the law of succession, and statistical inference",
Journal of the American Statistical Association 22, 1927, pp. 209-212): unlike p ± 2 se it stays
within [0, 1] and keeps its coverage for the small n and extreme p of exam questions.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

__all__ = ["Estimate", "macro_mean", "normal_interval", "weighted_mean", "wilson"]


class Estimate(NamedTuple):
    """A mean with its standard error and interval."""

    value: float
    stderr: float
    low: float
    high: float


def wilson(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of k successes in n trials.

    Args:
        k: Correct answers; a fraction where n is an effective sample size.
        n: Questions.
        confidence: Two-sided coverage.

    Returns:
        The bounds, within [0, 1].
    """
    assert 0 <= k <= n and n > 0, f"wilson needs 0 <= k <= n and n > 0, got k={k}, n={n}"
    z = _z(confidence)
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At k = 0 and k = n the bound is exactly 0 or 1; rounding would leave 1e-17 there. p itself is
    # inside by definition, also where 4·10^15 trials make the half width vanish.
    low = 0.0 if k == 0 else max(0.0, min(p, centre - half))
    high = 1.0 if k == n else min(1.0, max(p, centre + half))
    return low, high


def normal_interval(value: float, stderr: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return value ± z·stderr, not clipped."""
    half = _z(confidence) * stderr
    return value - half, value + half


def macro_mean(
    values: Sequence[float], stderrs: Sequence[float], confidence: float = 0.95
) -> Estimate:
    """Return the plain mean of independent values, with se = sqrt(Σ se²)/k.

    Args:
        values: One for each member; if all are shares, the interval is clipped to [0, 1].
        stderrs: Their standard errors.
        confidence: Two-sided coverage of the normal interval.

    Returns:
        The mean, its standard error and its interval.
    """
    assert values and len(values) == len(stderrs), "macro_mean needs one stderr for each value"
    value = sum(values) / len(values)
    stderr = sqrt(sum(se * se for se in stderrs)) / len(values)
    low, high = normal_interval(value, stderr, confidence)
    if all(0 <= v <= 1 for v in values):
        low, high = max(0.0, low), min(1.0, high)
    return Estimate(value, stderr, low, high)


def weighted_mean(values: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the mean in which each item of each member weighs the same."""
    assert len(values) == len(sizes) and sum(sizes) > 0, "weighted_mean needs sizes above 0"
    return sum(value * n for value, n in zip(values, sizes, strict=True)) / sum(sizes)


def _z(confidence: float) -> float:
    assert 0 < confidence < 1, f"a confidence is within (0, 1), got {confidence}"
    return NormalDist().inv_cdf((1 + confidence) / 2)
