"""What files state → a typed `Recipe`, with every fault instead of the first."""

import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from medbench.recipe.bounds import Bounds
from medbench.recipe.read import Fault
from medbench.recipe.schema import Recipe

__all__ = ["build"]

NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
STAND_INS: dict[Any, Any] = {str: "", int: 1, float: 1.0, bool: False, Mapping: {}}


def build(values: Mapping[str, Any], faults: list[Fault]) -> Recipe:
    """Return the recipe; what cannot be read is a fault, and its default stands in for it."""
    recipe = section(Recipe, values, "", faults)
    assert isinstance(recipe, Recipe)
    return recipe


def section(kind: type, values: Any, key: str, faults: list[Fault]) -> Any:
    """Return a dataclass made from a mapping."""
    if not isinstance(values, Mapping):
        faults.append(Fault(key, f"{values!r} must be a mapping"))
        values = {}
    hints = get_type_hints(kind, include_extras=True)
    above = f"{key}." if key else ""
    names = [one for one in values if isinstance(one, str)]  # other keys are faults already
    faults += [Fault(f"{above}{one}", unknown(one, hints)) for one in names if one not in hints]
    given = {}
    for one in fields(kind):
        if one.name in values:
            given[one.name] = convert(
                hints[one.name], values[one.name], f"{above}{one.name}", faults
            )
        elif one.default is MISSING and one.default_factory is MISSING:
            faults.append(Fault(f"{above}{one.name}", "is missing"))
            given[one.name] = stand_in(hints[one.name])
    return kind(**given)


def unknown(name: str, known: Iterable[str]) -> str:
    """Say that a key does not exist, and which one may be meant."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    elsewhere = [key for key in keys(Recipe) if key.rpartition(".")[2] == name]
    if near or elsewhere:
        return f"no such key; did you mean {' or '.join(near or elsewhere)}?"
    return f"no such key; there are {', '.join(known)}"


def keys(kind: type, above: str = "") -> Iterator[str]:
    """Yield the dotted key of everything that a recipe can say, lists and free names aside."""
    for name, hint in get_type_hints(kind).items():
        inner = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
        if isinstance(inner, type) and get_origin(hint) not in (tuple, Mapping):
            yield from keys(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def stand_in(hint: Any) -> Any:
    """Return some value of a type, so that the rest can still be checked."""
    inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if isinstance(inner, type) and is_dataclass(inner):
        return section(inner, {}, "", [])
    return STAND_INS[get_origin(inner) or inner]


def convert(hint: Any, value: Any, key: str, faults: list[Fault]) -> Any:
    """Return a value as its field wants it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        number = convert(inner[0], value, key, faults)
        return number if within(inner[1], number, key, faults) else stand_in(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else convert(inner[0], value, key, faults)
    if origin is Literal:
        return choice(inner, value, key, faults)
    if origin is tuple:
        items = value if isinstance(value, list) else [value]
        return tuple(convert(inner[0], one, f"{key}.{i}", faults) for i, one in enumerate(items))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            faults.append(Fault(key, f"{value!r} must be a mapping"))
            return {}
        return {str(k): convert(inner[1], one, f"{key}.{k}", faults) for k, one in value.items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return section(hint, value, key, faults)
    return scalar(hint, value, key, faults)


def within(bounds: Bounds, number: float, key: str, faults: list[Fault]) -> bool:
    """Tell whether a number keeps its bounds."""
    if not bounds.hold(number):
        faults.append(Fault(key, f"{number} must be {bounds.words}"))
    return bounds.hold(number)


def choice(known: tuple[Any, ...], value: Any, key: str, faults: list[Fault]) -> Any:
    """Return one of a list of values; YAML reads a bare on and off as true and false."""
    if isinstance(value, bool):
        value = "on" if value else "off"
    if value in known:
        return value
    near = get_close_matches(str(value), [str(one) for one in known], n=1)
    hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(map(str, known))}"
    faults.append(Fault(key, f"{value} is unknown; {hint}"))
    return known[0]


def scalar(kind: Any, value: Any, key: str, faults: list[Fault]) -> Any:
    """Return text, a number or a truth value; YAML 1.1 reads 1e-6 as text."""
    if kind is float and isinstance(value, str | int) and not isinstance(value, bool):
        with suppress(ValueError):
            value = float(value)
    if type(value) is not kind or (kind is float and not isfinite(value)):
        quotes = "; put it in quotes" if kind is str and not isinstance(value, dict | list) else ""
        faults.append(Fault(key, f"{value!r} must be {NAMES[kind]}{quotes}"))
        return STAND_INS[kind]
    return value
