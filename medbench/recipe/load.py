"""A recipe from its file, and back: `load` and `to_yaml`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from medbench import paths
from medbench.errors import RecipeError
from medbench.recipe.build import build
from medbench.recipe.read import COMMAND_LINE, Fault, Stated, override, read
from medbench.recipe.rules import contradictions, idle
from medbench.recipe.schema import Recipe

__all__ = ["find", "load", "recipes", "to_yaml"]


def recipes(folder: Path | None = None) -> list[Path]:
    """Return every recipe that can be run: all of the zoo, or those of one folder."""
    found = (folder or paths.folder("adapters")).rglob("*.yaml")
    return sorted(path for path in found if not is_default(path))


def is_default(path: Path) -> bool:
    """Tell whether a file only serves to be included."""
    return path.name.startswith("_")


def load(path: Path | str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe: a file, or a name in the zoo such as mmedbench/mistral_7b/lora.

    Overrides look like `training.learning_rate=1e-4` and are read as YAML.

    Raises:
        RecipeError: everything that is wrong with it.
    """
    file = find(Path(path))
    stated = read(file)
    for text in overrides:
        stated.put(override(text))
    faults = list(stated.faults)
    recipe = build(stated.values, faults)
    if all(fault.place is COMMAND_LINE for fault in stated.faults):
        faults += judge(recipe, stated, {fault.key for fault in faults if fault.key})
    if faults:
        raise RecipeError(listing(file, faults, stated))
    return replace(build(dict(used(recipe)), []), name=recipe.name or name(file))


def find(path: Path, folder: Path = Path()) -> Path:
    """Return a recipe's file: a path from a folder, with or without .yaml, or a name in the zoo.

    Raises:
        RecipeError: there is none, or it only serves to be included.
    """
    zoo = paths.folder("adapters")
    for file in (folder / path, folder / f"{path}.yaml", zoo / path, zoo / f"{path}.yaml"):
        if file.is_file():
            if is_default(file):
                raise RecipeError(f"{file} holds defaults, which recipes include; it cannot be run")
            return file.resolve()
    raise RecipeError(f"there is no recipe {path}, neither as a file nor in {zoo}")


def name(file: Path) -> str:
    """Return a recipe's name: its path in the zoo, the file's own name elsewhere."""
    zoo = paths.folder("adapters").resolve()
    return (
        file.relative_to(zoo).with_suffix("").as_posix() if file.is_relative_to(zoo) else file.stem
    )


def judge(recipe: Recipe, stated: Stated, faulty: set[str]) -> Iterator[Fault]:
    """Yield what does not go together, or does nothing though the recipe itself states it."""
    for keys, message in contradictions(recipe):
        if not any(key.startswith(bad) or bad.startswith(key) for key in keys for bad in faulty):
            yield Fault(keys[0], message)
    for key, place in stated.places.items():
        if not is_default(place) and key not in faulty and (reason := idle(recipe, key)):
            yield Fault(key, f"changes nothing: {reason}")


def listing(file: Path, faults: list[Fault], stated: Stated) -> str:
    """Write all faults down, with the file that each one stands in."""
    lines = [f"{shown(file)} has {len(faults)} fault{'s' * (len(faults) > 1)}:"]
    for fault in faults:
        place = fault.place or stated.place(fault.key) or file
        where = "" if place == file else f" [{shown(place)}]"
        lines.append(f"  {fault.key or 'the file'}: {fault.message}{where}")
    return "\n".join(lines)


def shown(path: Path) -> str:
    """Return a path as short as it can be."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def used(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """Yield (key, plain value) of all settings that have an effect."""
    return plain(recipe, recipe, "")


def plain(recipe: Recipe, part: Any, above: str) -> Iterator[tuple[str, Any]]:
    """Yield (key, plain value) of a part's settings that have an effect."""
    for one in fields(part):
        key, value = f"{above}{one.name}", getattr(part, one.name)
        if is_dataclass(value):
            section = dict(plain(recipe, value, f"{key}."))
            if section:
                yield one.name, section
        elif idle(recipe, key) is None and (value is not None or one.default is not None):
            yield one.name, simple(value)


def simple(value: Any) -> Any:
    """Return lists and mappings for tuples and dataclasses."""
    if isinstance(value, tuple):
        return [simple(one) for one in value]
    if isinstance(value, Mapping):
        return {key: simple(one) for key, one in value.items()}
    if is_dataclass(value):
        return {one.name: simple(getattr(value, one.name)) for one in fields(value)}
    return value


def to_yaml(recipe: Recipe) -> str:
    """Return a recipe with all that it includes, as `load` reads it again."""
    return yaml.safe_dump(dict(used(recipe)), sort_keys=False, allow_unicode=True, width=100)
