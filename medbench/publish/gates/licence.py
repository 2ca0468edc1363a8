"""Gate `licence`: nothing is published that base or data forbid, or that nobody knows about."""

from medbench.publish.candidate import Candidate
from medbench.publish.gates.finding import Finding
from medbench.publish.licences import judge

__all__ = ["check"]


def check(candidate: Candidate) -> Finding:
    """Look base and data up."""
    verdict = judge(candidate.checkpoint.provenance, candidate.licence)
    lines = [
        f"{'data' if one.is_data else 'base'} {one.what}: {one.licence or 'licence unknown'}"
        f"{f' ({one.terms.source})' if one.terms else ''}"
        for one in verdict.bound
    ]
    if verdict.licence:
        lines.append(f"to be published under: {verdict.licence}")
    if verdict.is_non_commercial:
        lines.append("no commercial use: the card says so")
    if verdict.name:
        lines.append(f"the model's name begins with {verdict.name!r}")
    lines += [f"the card says: {notice}" for notice in verdict.notices]
    facts = {
        "licence": verdict.licence,
        "stated": bool(candidate.licence),
        "non_commercial": verdict.is_non_commercial,
        "name_begins_with": verdict.name,
        "notices": list(verdict.notices),
        "bound": {one.what: one.licence for one in verdict.bound},
    }
    return Finding("licence", not verdict.faults, "\n".join([*lines, *verdict.faults]), facts)
