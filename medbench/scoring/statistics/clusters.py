"""Questions that are not independent: several about one case, one text, one exam.

A model that misreads a case misses all of its questions. Intervals that count each of them as news
are too short (Miller, "Adding error bars to evals", 2024, arXiv 2411.00640, section 2.2).
"""

from collections.abc import Hashable, Iterable
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medbench.scoring.statistics.intervals import Estimate, wilson

__all__ = ["cluster_sums", "clustered_stderr", "effective_size", "numbered", "share"]


def numbered(names: Iterable[Hashable]) -> NDArray[np.intp]:
    """Return a number for each name, equal where names are equal: clusters as arrays need them."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.intp)


def cluster_sums(values: ArrayLike, clusters: ArrayLike | None) -> NDArray[np.float64]:
    """Return the sum of the values in each cluster, shape (G,); the values if there are none."""
    array = np.asarray(values, dtype=np.float64)
    if clusters is None:
        return array
    numbers = np.unique(np.asarray(clusters), return_inverse=True)[1]
    assert numbers.shape == array.shape, f"{array.size} values, {numbers.size} clusters"
    return np.bincount(numbers, weights=array).astype(np.float64)


def clustered_stderr(values: ArrayLike, clusters: ArrayLike | None = None) -> float:
    """Return the standard error of a mean of values that come in clusters.

    sqrt(G/(G-1) · Σ_g (Σ_i (x_gi - mean))²) / n: the clustered error of Miller 2024, corrected for
    few clusters (Cameron and Miller, "A practitioner's guide to cluster-robust inference", Journal
    of Human Resources 50, 2015, pp. 317-372). With one value a cluster it is the ordinary
    standard error. Less than two clusters tell nothing: infinity.
    """
    array = np.asarray(values, dtype=np.float64)
    assert array.size, "a standard error needs values"
    sums = cluster_sums(array - array.mean(), clusters)
    if sums.size < 2:
        return float("inf")
    return sqrt(sums.size / (sums.size - 1) * float(sums @ sums)) / array.size


def effective_size(
    values: ArrayLike, clusters: ArrayLike | None = None, confidence: float = 0.95
) -> float:
    """Return how many independent questions would tell as much: between 1 and n.

    n / deff · (z/t)², where deff is the clustered variance over the independent one and t has G-1
    degrees of freedom (Korn and Graubard, "Confidence intervals for proportions with small expected
    number of positive counts estimated from survey data", Survey Methodology 24, 1998).

    Where nearly all values are equal, deff comes out too small for want of clusters that differ. So
    two clusters are added in which all is alike: simulated intervals of 15 clusters then cover 94 %
    and more, without them 92 % (`tests/test_statistics_clusters.py`).
    """
    from scipy import stats

    array = np.asarray(values, dtype=np.float64)
    n = array.size
    sizes = cluster_sums(np.ones(n), clusters)
    groups = sizes.size
    if groups == n:
        return float(n)
    if groups == 1:
        return 1.0
    alike = float(sizes @ sizes) / n
    independent = clustered_stderr(array)
    deff = (clustered_stderr(array, clusters) / independent) ** 2 if independent else alike
    deff = max(1.0, deff, (groups * deff + 2 * alike) / (groups + 2))
    quantile = (1 + confidence) / 2
    shrink = NormalDist().inv_cdf(quantile) / float(stats.t.ppf(quantile, groups - 1))
    return max(1.0, n / deff * shrink**2)


def share(
    correct: ArrayLike, clusters: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate:
    """Return an accuracy with its clustered standard error and Wilson's interval.

    The interval is taken at the effective sample size, which keeps its coverage where p ± 2 se does
    not (Dean and Pagano, "Evaluating confidence interval methods for binomial proportions in
    clustered surveys", Journal of Survey Statistics and Methodology 3, 2015, pp. 484-503).
    """
    array = np.asarray(correct, dtype=np.float64)
    assert array.size, "an accuracy needs questions"
    value = float(array.mean())
    size = effective_size(array, clusters, confidence)
    low, high = wilson(min(value * size, size), size, confidence)
    return Estimate(value, clustered_stderr(array, clusters), low, high)
