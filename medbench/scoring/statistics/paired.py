"""Two models on the same questions: what B fixed, what B broke, and whether that is chance.

Questions that both got right or wrong tell nothing about a difference. The rest decides: with
`fixed` questions that only B got right and `broken` ones that only A did, McNemar's exact test asks
how often a fair coin is as uneven ("Note on the sampling error of the difference between correlated
proportions or percentages", Psychometrika 12, 1947, pp. 153-157).
"""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medbench.scoring.statistics.clusters import cluster_sums, clustered_stderr, effective_size
from medbench.scoring.statistics.intervals import Estimate

__all__ = ["Paired", "compare", "sign_flip_p", "sign_flip_p_of_pairs"]

Floats = NDArray[np.floating]


class Paired(NamedTuple):
    """B against A on n questions."""

    n: int
    """Questions that both answered."""
    fixed: int
    """Only B was right."""
    broken: int
    """Only A was right."""
    difference: Estimate
    """B's accuracy minus A's, within [-1, 1]."""
    p: float
    """Two-sided and exact."""
    effective_n: float
    """How many independent questions would tell as much about the difference."""


def compare(
    a: ArrayLike, b: ArrayLike, clusters: ArrayLike | None = None, confidence: float = 0.95
) -> Paired:
    """Compare two models on the same questions.

    The interval is Bonett and Price's ("Adjusted Wald confidence interval for a difference of
    binomial proportions based on paired data", Journal of Educational and Behavioral Statistics 37,
    2012, pp. 479-488), at the effective sample size; it and the test may disagree at the margin.

    Args:
        a: Zeros and ones, shape (n,).
        b: The same questions in the same order.
        clusters: What questions have in common, shape (n,).
        confidence: Two-sided coverage of the interval.
    """
    before, after = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    assert before.shape == after.shape and before.size, "pairs need the same questions"
    change: Floats = after - before
    fixed, broken, n = int((change > 0).sum()), int((change < 0).sum()), change.size
    size = effective_size(change, clusters, confidence)
    up, down = ((count * size / n + 1) / (size + 2) for count in (fixed, broken))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    half = z * sqrt((up + down - (up - down) ** 2) / (size + 2))
    low, high = max(-1.0, up - down - half), min(1.0, up - down + half)
    stderr = clustered_stderr(change, clusters)
    difference = Estimate((fixed - broken) / n, stderr, low, high)
    return Paired(n, fixed, broken, difference, sign_flip_p(change, clusters), size)


def sign_flip_p(change: ArrayLike, clusters: ArrayLike | None = None) -> float:
    """Return the exact two-sided p that changes of -1, 0 and 1 are chance.

    If the models are alike, each cluster's sum was as likely with the other sign; p is the share of
    all 2^G signs that lead at least as far from zero (Fisher, "The design of experiments", 1935,
    section 21). One question a cluster: this is McNemar's exact test. The sums are whole numbers,
    so that the distribution is a product of binomials, with no sampling.
    """
    sums = np.rint(cluster_sums(change, clusters)).astype(int)
    return _chance(tuple(np.bincount(np.abs(sums))[1:].tolist()), abs(int(sums.sum())))


def sign_flip_p_of_pairs(right: Sequence[ArrayLike], clusters: ArrayLike | None = None) -> Floats:
    """Return `sign_flip_p` of all pairs of models, shape (m, m), each pair in both places.

    A pair's p depends on how many clusters change by 1, 2, … and on the whole change; products of
    matrices count them for all pairs at once.

    Args:
        right: Of each of m models zeros and ones, shape (n,), of the same questions.
        clusters: What questions have in common, shape (n,).
    """
    sums = np.rint([cluster_sums(one, clusters) for one in right]).astype(np.int32)
    is_single = sums.max(axis=0) <= 1
    single, several = sums[:, is_single].astype(np.float64), sums[:, ~is_single]
    total = sums.sum(axis=1)
    changed = np.add.outer(single.sum(axis=1), single.sum(axis=1)) - 2 * single @ single.T
    most = int(several.max(initial=0))
    p_values = np.ones((len(sums), len(sums)))
    for place in range(len(sums) - 1):
        others = slice(place + 1, None)
        steps = np.abs(several[others] - several[place])
        counts = np.stack([(steps == size).sum(axis=1) for size in range(1, max(most, 1) + 1)], 1)
        counts[:, 0] += changed[place, others].astype(int)
        reached = np.abs(total[others] - total[place])
        found = map(_chance, map(tuple, counts.tolist()), reached.tolist())
        p_values[place, others] = p_values[others, place] = list(found)
    return p_values


@lru_cache(maxsize=2**17)
def _chance(counts: tuple[int, ...], reached: int) -> float:
    """Return how often random signs lead as far from zero: `counts` of steps of 1, 2, …."""
    chances: Floats = np.ones(1)  # of -total, …, total in steps of 2
    for size, count in enumerate(counts, 1):
        if count:
            steps = np.zeros(size * count + 1)
            steps[::size] = _coins(count)
            chances = np.convolve(chances, steps)
    total = chances.size - 1
    away = np.abs(2 * np.arange(total + 1) - total) >= reached
    return min(1.0, float(chances[away].sum()))


@lru_cache(maxsize=2**11)
def _coins(count: int) -> Floats:
    """Return the chances of 0, 1, …, count heads."""
    from scipy import stats

    return np.asarray(stats.binom.pmf(np.arange(count + 1), count, 0.5))
