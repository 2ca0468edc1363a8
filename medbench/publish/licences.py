"""What base and data ask of whoever publishes a model made with them; no advice of a lawyer.

Whether a model is bound by the licence of the data that it saw is disputed; here it is taken to be,
since that is the side on which nobody is wronged.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from medbench.checkpoint import Provenance
from medbench.data import dataset

__all__ = ["Bound", "Terms", "Verdict", "judge", "name_fault", "terms"]

TABLE = Path(__file__).with_name("licences.yaml")
OTHER = "other"
"""The Hub's word for a licence that has no name of its own there."""
WAY_OUT = "read its card, and say with --licence under which licence the model may be published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a licence asks for."""

    source: str
    """Where it stands."""
    non_commercial: bool = False
    """No commercial use of what is made."""
    share_alike: bool = False
    """What is made is published under the same licence."""
    own_terms: bool = False
    """What is made stays under this very licence, which travels with it."""
    name: str = ""
    """With what the model's name must begin."""
    notice: str = ""
    """What the card must say."""
    unclear: str = ""
    """Why nobody can tell what is allowed."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The base, or data that was trained on."""

    what: str
    """Hub id or folder."""
    is_data: bool
    licence: str
    """The Hub's name of it; empty: unknown."""

    @property
    def terms(self) -> Terms | None:
        """What the licence asks for; None: unknown."""
        return terms().get(self.licence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether, and how, a model may be published."""

    licence: str
    """As stated, else what base and data ask for, by the Hub's name; empty: nobody can tell."""
    bound: tuple[Bound, ...]
    """The base first."""
    faults: tuple[str, ...]
    """What stands against publishing."""
    notices: tuple[str, ...]
    """What the card must say."""
    name: str
    """With what the model's name must begin."""
    is_non_commercial: bool


@functools.cache
def terms() -> dict[str, Terms]:
    """Return every known licence, by the Hub's name."""
    return {name: Terms(**one) for name, one in _table()["licences"].items()}


@functools.cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    loaded: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(TABLE.read_text("utf-8"))
    return loaded


def judge(provenance: Provenance, stated: str = "") -> Verdict:
    """Return what the table says of a checkpoint's base and data.

    Args:
        provenance: names both.
        stated: the licence that the publisher gives, by the Hub's name.
    """
    base = provenance.base.id
    licence = str(_table()["bases"].get(base, ""))
    used = dict.fromkeys(
        (one.benchmark, one.subset) for one in provenance.data if one.use == "mixture"
    )
    repositories = {dataset(*name).repo: dataset(*name).licence for name in used}
    bound = (
        Bound(base, False, licence),
        *(Bound(repository, True, one) for repository, one in repositories.items()),
    )
    known = [one.terms for one in bound if one.terms]
    faults = tuple([*_unknown(bound, stated), *_broken(bound, stated)])
    return Verdict(
        licence=stated or ("" if faults else _asked_for(bound)),
        bound=bound,
        faults=faults,
        notices=tuple(dict.fromkeys(one.notice for one in known if one.notice)),
        name=next((one.name for one in known if one.name), ""),
        is_non_commercial=any(one.non_commercial for one in known),
    )


def name_fault(verdict: Verdict, repository: str) -> str:
    """Return what is wrong with a model's name, or the empty string."""
    own = repository.rpartition("/")[2]
    if own.lower().startswith(verdict.name.lower()):
        return ""
    return (
        f"{verdict.bound[0].licence} asks that the model's name begins with {verdict.name!r}; "
        f"{own!r} does not"
    )


def _unknown(bound: Sequence[Bound], stated: str) -> list[str]:
    """Return what nothing is known of; a stated licence answers for it."""
    if stated:
        return []
    faults = []
    for one in bound:
        if not one.licence:
            faults.append(f"{one.what}: its licence is unknown; {WAY_OUT}")
        elif one.terms is None:
            faults.append(f"{one.what}: the terms of {one.licence} are unknown; {WAY_OUT}")
        elif one.terms.unclear:
            faults.append(f"{one.what}: {one.terms.unclear}; {WAY_OUT}")
    return faults


def _broken(bound: Sequence[Bound], stated: str) -> list[str]:
    """Return what a stated licence must not be, and terms that do not go together."""
    faults = []
    for one in bound:
        asked = one.terms
        if asked is None or not stated or stated == one.licence:
            continue
        given = terms().get(stated)
        if asked.own_terms or asked.share_alike:
            faults.append(f"{one.what} is under {one.licence}, and so is what is made of it: "
                          f"not {stated}")  # fmt: skip
        elif asked.non_commercial and given and not given.non_commercial:
            faults.append(f"{one.what} is under {one.licence}, which forbids commercial use; "
                          f"{stated} would allow it")  # fmt: skip
    closed = [one for one in bound if one.terms and (one.terms.own_terms or one.terms.share_alike)]
    if not stated and len({one.licence for one in closed}) > 1:
        told = ", ".join(f"{one.what} ({one.licence})" for one in closed)
        faults.append(f"each of {told} asks for its own licence: no model can be under all")
    return faults


def _asked_for(bound: Sequence[Bound]) -> str:
    """Return the licence that satisfies all: the closed one, else the strictest of the others.

    A base under terms of its own with data that forbid commercial use is neither of the two:
    `other`, and the card tells both.
    """
    held = [(one.licence, one.terms) for one in bound if one.terms]
    non_commercial = [name for name, one in held if one.non_commercial]
    closed = [name for name, one in held if one.own_terms or one.share_alike]
    if closed:
        return closed[0] if not non_commercial or closed[0] in non_commercial else OTHER
    return max(non_commercial) if non_commercial else held[0][0]
