"""Many models on the same questions: no order where there is none to be seen.

Of twenty equal models one is first by chance. Each pair is tested, the p-values are corrected for
their number, and a model's rank is the range that the remaining differences leave open.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from medbench.scoring.statistics.clusters import share
from medbench.scoring.statistics.intervals import Estimate
from medbench.scoring.statistics.paired import sign_flip_p_of_pairs

__all__ = ["Standing", "holm", "standings"]


class Standing(NamedTuple):
    """One model's place."""

    model: str
    share: Estimate
    """Its accuracy."""
    first: int
    """The best rank that it may have, from 1: one more than the models shown to be better."""
    last: int
    """The worst rank that it may have: all but the models shown to be worse."""
    ties_best: bool
    """Not shown to be worse than the model with the highest accuracy."""


def holm(p_values: ArrayLike) -> list[float]:
    """Return p-values so corrected that any false claim among them is as rare as one alone.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 1979, pp. 65-70: the smallest times m, the next times m - 1, never decreasing.
    """
    array = np.asarray(p_values, dtype=np.float64)
    assert not np.isnan(array).any(), "a p-value is a number"
    order = np.argsort(array, kind="stable")
    steps = np.maximum.accumulate(array[order] * np.arange(array.size, 0, -1))
    corrected = np.empty_like(array)
    corrected[order] = np.minimum(1, steps)
    return [float(p) for p in corrected]


def standings(
    correct: Mapping[str, ArrayLike], clusters: ArrayLike | None = None, level: float = 0.05
) -> list[Standing]:
    """Rank models as far as the questions allow, the highest accuracy first.

    All pairs are tested, not only those with the best: which model comes out best is chance too.
    The ranges of all ranks hold together with probability 1 - level (Al Mohamad, Goeman and van
    Zwet, "Simultaneous confidence intervals for ranks with application to ranking institutions",
    Biometrics 78, 2022, pp. 238-247; the pairs are Tukey's there, Holm's here).

    Args:
        correct: By model, zeros and ones of the same questions, shape (n,).
        clusters: What questions have in common, shape (n,).
        level: The chance of any false claim.
    """
    if not correct:
        return []
    shares = {model: share(scores, clusters) for model, scores in correct.items()}
    models = sorted(shares, key=lambda model: (-shares[model].value, model))
    better, worse = np.triu_indices(len(models), 1)
    p_values = sign_flip_p_of_pairs([correct[model] for model in models], clusters)
    shown = np.zeros((len(models), len(models)), dtype=bool)
    shown[better, worse] = [p < level for p in holm(p_values[better, worse])]
    above, below = shown.sum(axis=0).tolist(), shown.sum(axis=1).tolist()
    return [
        Standing(
            model,
            shares[model],
            1 + above[place],
            len(models) - below[place],
            not shown[0, place],
        )
        for place, model in enumerate(models)
    ]
