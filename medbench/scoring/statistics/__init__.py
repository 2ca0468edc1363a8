"""Statistics of accuracies: intervals, clusters, paired models, boards, and what can be seen.

Shapes: n questions, G clusters. Scores are arrays (n,) of zeros and ones; `clusters` (n,) numbers
what questions have in common, a case, a text or an exam; without it each is on its own.

The closed forms are here; what needs numpy and scipy stays in its module, since a board does not.
"""

from medbench.scoring.statistics.intervals import (
    Estimate,
    macro_mean,
    normal_interval,
    weighted_mean,
    wilson,
)

__all__ = ["Estimate", "macro_mean", "normal_interval", "weighted_mean", "wilson"]
