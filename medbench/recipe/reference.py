"""The table of all that a recipe can say, generated from the schema (adapters/README.md)."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tabulate import tabulate

from medbench.recipe.schema import Recipe

__all__ = ["reference"]

HEADERS = ["key", "default", "meaning"]
MANY = {tuple: "[]", Mapping: ".NAME"}


def reference(style: str = "github") -> str:
    """Return key, default and meaning of every setting."""
    return tabulate(list(rows(Recipe, "")), HEADERS, style, disable_numparse=True)


def rows(kind: type, above: str) -> Iterator[tuple[str, str, str]]:
    """Yield the settings of a section and of those inside it."""
    hints, meanings = get_type_hints(kind), docstrings(kind)
    for one in fields(kind):
        key, hint = f"{above}{one.name}", hints[one.name]
        inner = section(hint)
        if inner:
            yield from rows(inner, f"{key}{MANY.get(get_origin(hint), '')}.")
        else:
            yield f"`{key}`", default(one), f"{meanings[one.name]}{choices(hint)}"


def section(hint: Any) -> type | None:
    """Return the dataclass that a field holds, or holds several of."""
    for one in (hint, *get_args(hint)):
        if isinstance(one, type) and is_dataclass(one):
            return one
    return None


def docstrings(kind: type) -> dict[str, str]:
    """Return each field's one-line string, which stands under it."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                found[name] = words
    return found


def default(one: "Field[Any]") -> str:
    """Show a field's default."""
    if one.default is MISSING:
        return "required" if one.default_factory is MISSING else ""
    if one.default is None or one.default in ("", ()):
        return ""
    return str(one.default).lower() if isinstance(one.default, bool) else str(one.default)


def choices(hint: Any) -> str:
    """Show what a field may be, where that is a list of words."""
    for one in (hint, *get_args(hint)):
        if get_origin(one) is Literal:
            return f" [{', '.join(map(str, get_args(one)))}]"
    return ""
