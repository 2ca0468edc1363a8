"""Gate `alive`: what was trained changes what the base says."""

from medbench.publish.gates.finding import Finding
from medbench.publish.gates.forms import Forms

__all__ = ["LEAST", "check"]

LEAST = 1e-3
"""Nats a token; ten times what the order of a float32 sum moves a log-probability, and a tenth of
what a few steps of training do."""


def check(forms: Forms) -> Finding:
    """Compare base and checkpoint on the canaries."""
    base, own = forms.read("base").canaries, forms.read("own").canaries
    moved = [abs(b - a) for a, b in zip(base, own, strict=True)]
    largest = max(moved)
    passed = largest >= LEAST
    report = (
        f"{len(moved)} canaries: log-probabilities move by up to {largest:.3g} nats a token "
        f"against the base, {sum(moved) / len(moved):.3g} on average (at least {LEAST:g} is needed)"
    )
    if not passed:
        report += (
            ". The checkpoint says what its base says: it was not trained, or its weights are not "
            "loaded; look at the loss curve, and at what `tensors` found"
        )
    facts = {"largest": largest, "needed": LEAST, "moved": moved}
    return Finding("alive", passed, report, facts)
