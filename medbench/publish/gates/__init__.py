"""What is checked before anything is uploaded."""

from collections.abc import Callable, Collection

from medbench.errors import MedbenchError, ModelError
from medbench.publish.candidate import Candidate
from medbench.publish.gates.finding import Finding

__all__ = ["GATES", "Finding", "run_gates"]

GATES = ("tensors", "licence", "results", "overlap", "alive", "stop", "equivalent")
"""The cheapest first."""


def run_gates(candidate: Candidate, skip: Collection[str] = ()) -> tuple[Finding, ...]:
    """Run every gate, one after another; a fault of one does not keep the others from running.

    Args:
        candidate: what is to be published.
        skip: gates that are not run; their findings say so.

    Raises:
        ModelError: `skip` names what is no gate.
    """
    if unknown := sorted(set(skip) - set(GATES)):
        raise ModelError(f"--skip {', '.join(unknown)}: no such gate; there are {', '.join(GATES)}")
    from medbench.publish.gates import alive, equivalent, licence, overlap, results, stop, tensors
    from medbench.publish.gates.forms import Forms

    forms = Forms(candidate)
    checks: dict[str, Callable[[], Finding]] = {
        "tensors": lambda: tensors.check(candidate),
        "licence": lambda: licence.check(candidate),
        "results": lambda: results.check(candidate),
        "overlap": lambda: overlap.check(candidate),
        "alive": lambda: alive.check(forms),
        "stop": lambda: stop.check(forms),
        "equivalent": lambda: equivalent.check(forms),
    }
    with forms:
        return tuple(
            Finding(name, False, "not looked at: skipped by name", is_skipped=True)
            if name in skip
            else finding(name, checks[name])
            for name in GATES
        )


def finding(name: str, check: Callable[[], Finding]) -> Finding:
    """Run a gate; what keeps it from looking is a fault, too little memory or disk as well."""
    try:
        return check()
    except (MedbenchError, RuntimeError, OSError) as error:
        return Finding(name, False, f"could not be looked at: {error}")
