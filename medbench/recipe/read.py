"""YAML files and overrides → what they state, key by key, and where each key stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

__all__ = ["COMMAND_LINE", "Fault", "Stated", "override", "read"]

COMMAND_LINE = Path("command line")
INCLUDE = "include"


class Fault(NamedTuple):
    """One thing that is wrong with a recipe."""

    key: str
    """Dotted, as it stands in the YAML; empty: the file as a whole."""
    message: str
    """What is wrong with it, with the value, and the way out."""
    place: Path | None = None
    """The file; None: wherever the key was stated."""


@dataclass(slots=True)
class Stated:
    """The settings that a recipe and what it includes state."""

    values: dict[str, Any] = field(default_factory=dict)
    """Nested, as YAML gives them."""
    places: dict[str, Path] = field(default_factory=dict)
    """Dotted key of each value → the file that stated it last."""
    faults: list[Fault] = field(default_factory=list)
    """What could not be read."""

    def put(self, other: "Stated") -> None:
        """Put other settings over these: sections merge, all else is replaced."""
        merge(self.values, other.values)
        places = self.places | other.places
        self.places = {key: places[key] for key, _ in leaves(self.values)}
        self.faults += other.faults

    def place(self, key: str) -> Path | None:
        """Return where a key was stated, or the nearest section above it."""
        while key:
            inside = [one for one in self.places if one == key or one.startswith(f"{key}.")]
            if inside:
                return self.places[inside[-1]]
            key = key.rpartition(".")[0]
        return None


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of all that is not a section."""
    for name, value in values.items():
        key = f"{above}{name}"
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{key}.")
        else:
            yield key, value


def merge(base: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Put values over a base, section by section."""
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            merge(base[name], value)
        elif isinstance(value, dict):
            base[name] = {}
            merge(base[name], value)
        else:
            base[name] = value


def settings(values: dict[str, Any], place: Path) -> Stated:
    """Return what one place states."""
    return Stated(values, {key: place for key, _ in leaves(values)})


def read(path: Path, chain: Sequence[Path] = ()) -> Stated:
    """Read a file and what it includes; its own settings come last."""
    stated = Stated()
    values = mapping(path, stated.faults)
    parents = values.pop(INCLUDE, [])
    for name in parents if isinstance(parents, list) else [parents]:
        parent = (path.parent / str(name)).resolve()
        if parent in (*chain, path):
            circle = " → ".join(one.name for one in (*chain, path, parent))
            stated.faults.append(Fault(INCLUDE, f"goes in a circle: {circle}", path))
        elif not parent.is_file():
            stated.faults.append(Fault(INCLUDE, f"there is no {name} here", path))
        else:
            stated.put(read(parent, (*chain, path)))
    stated.put(settings(values, path))
    return stated


def mapping(path: Path, faults: list[Fault]) -> dict[str, Any]:
    """Return a file's settings; what is no recipe becomes a fault."""
    text = path.read_text(encoding="utf-8")
    try:
        tree, values = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        faults.append(Fault("", f"is not YAML: {' '.join(str(error).split())}", path))
        return {}
    if not isinstance(values, dict):
        faults.append(Fault("", "holds no settings", path))
        return {}
    faults += [Fault(key, message, path) for key, message in oddities(tree)]
    return values


def oddities(tree: yaml.Node | None, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield (key, what is odd): keys that stand twice, of which YAML drops one, and no names."""
    if isinstance(tree, yaml.SequenceNode):
        for number, item in enumerate(tree.value):
            yield from oddities(item, f"{above}{number}.")
    if not isinstance(tree, yaml.MappingNode):
        return
    seen = set()
    for name, value in tree.value:
        key = f"{above}{name.value}"
        if name.value in seen:
            yield key, f"stands twice, again in line {name.start_mark.line + 1}"
        if name.tag != "tag:yaml.org,2002:str":
            yield key, "is no name for YAML; put it in quotes"
        seen.add(name.value)
        yield from oddities(value, f"{key}.")


def override(text: str) -> Stated:
    """Return what one `key=value` of the command line states."""
    key, sign, value = (part.strip() for part in text.partition("="))
    if not sign or not all(key.split(".")):
        fault = Fault("", f"{text!r} must look like section.key=value", COMMAND_LINE)
        return Stated(faults=[fault])
    try:
        setting = yaml.safe_load(value)
    except yaml.YAMLError:
        setting = value
    for name in reversed(key.split(".")):
        setting = {name: setting}
    return settings(setting, COMMAND_LINE)
