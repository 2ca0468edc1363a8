"""What is checked before anything is uploaded."""

from collections.abc import Sequence

from medbench.publish.candidate import Candidate
from medbench.publish.gates.finding import Finding

__all__ = ["Finding", "run_gates"]


def run_gates(candidate: Candidate, skip: Sequence[str]) -> tuple[Finding, ...]:
    """Return what the gates found."""
    return ()
