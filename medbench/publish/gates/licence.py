"""Gate `licence`: nothing is published that base or data forbid, or that nobody knows about.

Whether a model is bound by the licence of the data that it saw is disputed; here it is taken to be,
since that wrongs nobody. This is a table, not a lawyer's advice.
"""

from collections.abc import Collection, Iterator

from medbench.checkpoint import CorpusPart
from medbench.data import dataset
from medbench.publish.candidate import Candidate
from medbench.publish.gates.finding import Finding
from medbench.publish.licences import known_licences, terms
from medbench.recipe import load

__all__ = ["check"]

WAY_OUT = "read its card, and say with --licence under which licence the model may be published"
OF_TEXTS = (
    "find out what they ask for, and say with --licence under which licence the model may be "
    "published"
)
Bound = dict[str, str]
"""The base, then data → licence, by the Hub's id, then texts; empty: unknown."""


def check(candidate: Candidate) -> Finding:
    """Look base and data up."""
    bound, stated, table = binding(candidate), candidate.licence, known_licences()
    base, *data = bound.values()
    found = terms(base, data)
    texts = {named(part) for part in candidate.checkpoint.provenance.texts}
    faults = [*(misused(bound, stated) if stated else unknown(bound, texts))]
    licence = stated or ("" if faults else found.id or "")
    lines = []
    for what, one in bound.items():
        where = f" ({table[one].link})" if one in table else ""
        lines.append(f"{what}: {one or 'licence unknown'}{where}")
    if licence:
        lines.append(f"to be published under: {stated or found.name}")
    if texts and stated:
        lines.append("the card says: what the texts ask for is not known, and the licence stated")
    if not found.commercial:
        lines.append("no commercial use: the card says so")
    known = [table[one] for one in dict.fromkeys(bound.values()) if one in table]
    lines += [f"the model's name begins with {one.begins!r}" for one in known if one.begins]
    lines += [f"the card says: {one.notice}" for one in known if one.notice]
    facts = {
        "licence": licence,
        "stated": bool(stated),
        "commercial": found.commercial,
        "begins": [one.begins for one in known if one.begins],
        "notices": [one.notice for one in known if one.notice],
        "bound": bound,
    }
    return Finding("licence", not faults, "\n".join([*lines, *faults]), facts)


def binding(candidate: Candidate) -> Bound:
    """Return the base, the data of the mixture, and other texts that were read, with licences."""
    checkpoint = candidate.checkpoint
    facts = load(checkpoint.recipe).model.facts
    stated = facts.licence if facts else ""
    found = {checkpoint.provenance.base.id: "" if stated == "other" else stated}
    for one in checkpoint.provenance.learnt_from:
        if one.use == "mixture":
            known = dataset(one.benchmark, one.subset)
            found[known.repo] = known.licence
    return found | {named(part): "" for part in checkpoint.provenance.texts}


def named(part: CorpusPart) -> str:
    """Return what texts are called."""
    return f"texts of {part.source}"


def unknown(bound: Bound, texts: Collection[str]) -> Iterator[str]:
    """Yield what nobody knows, and licences that do not go together."""
    table = known_licences()
    for what, licence in bound.items():
        if what in texts:
            yield f"{what}: nothing says under which licences they are; {OF_TEXTS}"
        elif not licence:
            yield f"{what}: its licence is unknown; {WAY_OUT}"
        elif licence not in table:
            yield f"{what}: what {licence} asks for is unknown; {WAY_OUT}"
        elif table[licence].unclear:
            yield f"{what}: {table[licence].unclear}; {WAY_OUT}"
    alike = {what: one for what, one in bound.items() if one in table and table[one].alike}
    if len(set(alike.values())) > 1:
        told = ", ".join(f"{what} ({licence})" for what, licence in alike.items())
        yield f"each of {told} asks for its own licence: one model cannot be under all"


def misused(bound: Bound, stated: str) -> Iterator[str]:
    """Yield what a stated licence must not be."""
    table = known_licences()
    for what, licence in bound.items():
        if licence not in table or licence == stated:
            continue
        if table[licence].alike:
            yield f"{what} is under {licence}, and so is what is made of it: not {stated}"
        elif not table[licence].commercial and stated in table and table[stated].commercial:
            yield f"{what} is under {licence}, which forbids commercial use; {stated} allows it"
