"""Which licence a trained model may carry: that of its base, bound further by those of its data."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

__all__ = ["Licence", "Terms", "known_licences", "name_fault", "terms"]

FILE = Path(__file__).with_name("licences.yaml")


@dataclass(frozen=True, slots=True)
class Licence:
    """One licence, as `licences.yaml` has it."""

    id: str
    """As the Hub writes it."""
    name: str
    """For readers."""
    link: str
    """Where its text stands."""
    commercial: bool = True
    """Commercial use is not forbidden."""
    alike: bool = False
    """What is derived must carry the same terms."""
    on_hub: bool = True
    """The Hub knows it under this id; else it is `other` with a name there."""
    begins: str = ""
    """With what the name of a derived model must begin."""
    notice: str = ""
    """What the card of a derived model must say."""
    unclear: str = ""
    """Why nobody can tell what is allowed."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What binds one model."""

    binding: tuple[Licence, ...]
    """The licences that cover all of it; none: the base's, or that of some data, is not known."""
    base: Licence | None
    """None: it is not stated, or not in our table."""
    data: tuple[Licence, ...]
    """Of the training data, each once."""
    unknown: tuple[str, ...]
    """Ids that are not in our table."""

    @property
    def id(self) -> str | None:
        """The Hub's word for it; `other`: several licences, or one that it has no word for."""
        if not self.binding:
            return None
        is_plain = len(self.binding) == 1 and self.binding[0].on_hub
        return self.binding[0].id if is_plain else "other"

    @property
    def name(self) -> str:
        """The same for readers."""
        return " and ".join(one.name for one in self.binding)

    @property
    def commercial(self) -> bool:
        """Nothing that is known forbids commercial use."""
        return all(one.commercial for one in (self.base, *self.data) if one)


@cache
def known_licences() -> dict[str, Licence]:
    """Return the table, by id."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {id: Licence(id, **facts) for id, facts in content.items()}


def terms(base: str, data: Iterable[str]) -> Terms:
    """Return what binds a model that was trained on data.

    A base with plain attribution terms gives way to stricter data; terms that must be passed on
    stay beside those of the data, and the Hub's word for two licences at once is `other`.

    Args:
        base: the base's licence; empty: not stated.
        data: licences of the training data; empty: not known.
    """
    table = known_licences()
    stated = list(dict.fromkeys(data))
    own, found = table.get(base), tuple(table[one] for one in stated if one in table)
    unknown = tuple(one for one in filter(None, [base, *stated]) if one not in table)
    strict = [one for one in found if not one.commercial or one.alike]
    if own is None or "" in stated:
        return Terms((), own, found, unknown)
    if not own.commercial:
        strict = [one for one in strict if one.alike]  # the base forbids the same by itself
    keeps_own = own.alike or not own.commercial or not strict
    binding = dict.fromkeys(([own] if keeps_own else []) + strict)
    return Terms(tuple(binding), own, found, unknown)


def name_fault(licences: Iterable[Licence], repository: str) -> str:
    """Return what a repository's name must be under these licences and is not; empty: it is."""
    own = repository.rpartition("/")[2]
    for one in licences:
        if not own.lower().startswith(one.begins.lower()):
            return f"{one.name} asks for a name that begins with {one.begins!r}; {own!r} does not"
    return ""
