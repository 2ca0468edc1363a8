"""Gate `results`: what is to be published as the checkpoint's scores was measured with its weights.

`medbench eval` notes the SHA-256 of the adapter, or of the local model, that it loaded.
"""

from collections.abc import Mapping

from medbench.checkpoint import weight_digests
from medbench.leaderboard.measured import Measured, measured_runs
from medbench.publish.candidate import Candidate
from medbench.publish.gates.finding import Finding

__all__ = ["check", "other_weights"]

SHOWN = 12
"""Digits of a digest."""


def check(candidate: Candidate) -> Finding:
    """Compare digests."""
    own = weight_digests(candidate.checkpoint.path)
    runs = measured_runs(list(candidate.results)) if candidate.results else []
    base = measured_runs(list(candidate.base_results)) if candidate.base_results else []
    foreign = [told for run in runs if (told := other_weights(run, own))]
    lines = [f"results of these weights: {len(runs) - len(foreign)} of {len(runs)}", *foreign]
    if not runs:
        lines = ["no results are given"]
    before = weight_digests(candidate.adapter.path) if candidate.adapter else {}
    twice = [
        f"{run.name} is of the checkpoint, and given as its base's (--base-results)"
        for run in base
        if not other_weights(run, own | before)
    ]
    facts = {"runs": len(runs), "weights": own}
    return Finding("results", not (foreign or twice), "\n".join([*lines, *twice]), facts)


def other_weights(run: Measured, own: Mapping[str, str]) -> str:
    """Return why a run is not known to be of these weights; empty: it is.

    Args:
        run: results with what lies beside them.
        own: file → SHA-256.
    """
    noted: Mapping[str, str] = (run.facts or {}).get("weights") or {}
    if not noted:
        return (
            f"{run.name} does not say with which weights it was measured: score the checkpoint "
            "with `medbench eval`"
        )
    for name, digest in noted.items():
        if own.get(name) != digest:
            here = own[name][:SHOWN] if name in own else "there is none"
            return (
                f"{run.name} was measured with other weights: {name} had the SHA-256 "
                f"{digest[:SHOWN]}, here {here}; score the checkpoint again"
            )
    return ""
