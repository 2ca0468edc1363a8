"""Whether a published checkpoint's weights are those that were merged, and measured."""

from collections.abc import Iterator, Mapping, Sequence

from medbench.checkpoint import Checkpoint, weight_digests
from medbench.leaderboard.measured import Measured
from medbench.publish.gates.results import other_weights

__all__ = ["compare_weights"]

Lines = tuple[str, ...]


def compare_weights(found: Checkpoint, runs: Sequence[Measured]) -> tuple[Lines, Lines]:
    """Compare digests of the weights that are here with those that are noted.

    Args:
        found: what was published.
        runs: of it, as it says.

    Returns:
        What is of other weights; then what cannot be compared, or only with an adapter's.
    """
    own, merged = weight_digests(found.path), found.provenance.merged_from or {}
    before: Mapping[str, str] = merged.get("adapter_sha256", {})
    others = list(unlike(own, merged.get("weights_sha256") or own))
    unsure = []
    if merged and not merged.get("weights_sha256"):
        unsure.append("its weights are not compared with the merge's, which noted no digest")
    for run in runs:
        if not (run.facts or {}).get("weights"):
            unsure.append(f"{run.name}: its weights are not compared, it does not say which it had")
        elif not (fault := other_weights(run, own)):
            continue
        elif other_weights(run, before):
            others.append(fault)
        else:
            unsure.append(f"{run.name}: measured as an adapter beside its base, before merging")
    return tuple(others), tuple(unsure)


def unlike(own: Mapping[str, str], merged: Mapping[str, str]) -> Iterator[str]:
    """Yield files that are not as a merge left them."""
    for name in sorted(own.keys() | merged.keys()):
        if name not in own:
            yield f"{name} is missing, which the merge wrote"
        elif name not in merged:
            yield f"{name} is none of the files that the merge wrote"
        elif own[name] != merged[name]:
            yield (
                f"{name} is not what was merged: its SHA-256 was {merged[name][:12]}, "
                f"here {own[name][:12]}"
            )
