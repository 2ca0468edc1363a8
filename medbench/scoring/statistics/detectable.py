"""How small a difference a benchmark can show: before a run, or beside "no difference shown"."""

from math import sqrt
from statistics import NormalDist

__all__ = ["paired_detectable", "unpaired_detectable"]


def unpaired_detectable(
    n: float, accuracy: float, power: float = 0.8, level: float = 0.05
) -> float:
    """Return the least difference of two models on n other questions each, within [0, 1].

    (z_level + z_power) · sqrt(2 p (1 - p) / n), two-sided (Fleiss, Levin and Paik, "Statistical
    methods for rates and proportions", 3rd edition, 2003, section 4.2, both variances taken at p).
    """
    assert n > 0 and 0 <= accuracy <= 1, f"n > 0 and a share, got {n}, {accuracy}"
    z, reserve = _quantiles(power, level)
    return min(1.0, (z + reserve) * sqrt(2 * accuracy * (1 - accuracy) / n))


def paired_detectable(
    n: float, discordant: float, power: float = 0.8, level: float = 0.05
) -> float:
    """Return the least difference of two models on the same n questions, within [0, 1].

    It solves d·sqrt(n) = z_level·sqrt(ψ) + z_power·sqrt(ψ - d²) (Connor, "Sample size for testing
    differences in proportions for the paired-sample design", Biometrics 43, 1987, pp. 207-211).
    A difference needs at least as many questions that change: ψ is never below d. 1 if not even a
    model that is always right could be told from one that never is.

    Args:
        n: Questions, or their effective number.
        discordant: ψ, the share of questions that just one of them gets right; 2 p (1 - p) for two
            models of accuracy p that err independently, less for related ones.
        power: The chance to see such a difference.
        level: Two-sided, of the test.
    """
    from scipy.optimize import brentq

    assert n > 0 and 0 <= discordant <= 1, f"n > 0 and a share, got {n}, {discordant}"
    z, reserve = _quantiles(power, level)

    def surplus(d: float) -> float:
        changing = max(discordant, d)
        return d * sqrt(n) - z * sqrt(changing) - reserve * sqrt(changing - d * d)

    if surplus(1.0) <= 0:
        return 1.0
    # at 0 a surplus of 0 is no solution, only the want of questions that change
    return float(brentq(surplus, 1e-9, 1.0))


def _quantiles(power: float, level: float) -> tuple[float, float]:
    assert 0.5 <= power < 1 and 0 < level < 1, f"shares, got {power}, {level}"
    normal = NormalDist()
    return normal.inv_cdf(1 - level / 2), normal.inv_cdf(power)
