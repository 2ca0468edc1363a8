"""Why a recipe cannot start from another one: told before the first of them is trained."""

from collections.abc import Iterator

from medbench.recipe import VIRTUAL_TOKENS, Recipe

__all__ = ["EXPERTS_FROM", "START", "misfits"]

START = "model.start.recipe"
EXPERTS_FROM = "method.experts_from"
OF_EXPERTS = ("rank", "alpha", "rslora", "shared_experts", "expert_modules")
"""Settings in which shared experts and what starts as they do are alike."""


def misfits(key: str, recipe: Recipe, other: Recipe) -> Iterator[str]:
    """Yield what keeps a recipe from starting from another one.

    Args:
        key: where the one names the other, `START` or `EXPERTS_FROM`.
        recipe: what starts.
        other: what it starts from.
    """
    if other.kind == "baseline":
        yield f"{key}: {other.name} is a baseline: it leaves no checkpoint"
        return
    if other.model.id != recipe.model.id:
        yield (
            f"model.id: {recipe.model.id}, and {other.name}, which it starts from, is made of "
            f"{other.model.id}"
        )
    yield from (unmergeable if key == START else other_experts)(recipe, other)


def unmergeable(recipe: Recipe, other: Recipe) -> Iterator[str]:
    """Yield why nothing of a checkpoint can be merged as the recipe wants it."""
    part, method = recipe.model.start and recipe.model.start.merge, other.method.name
    if method in VIRTUAL_TOKENS:
        yield f"{START}: {other.name} trains {method}, vectors that are no part of any weight"
    elif part and method == "full":
        yield f"model.start.merge: {part}, and {other.name} trains every weight: no adapter"
    elif part in ("attention", "shared") and method != "molora":
        yield f"model.start.merge: {part}; {other.name} trains {method}, which has no parts"
    elif part == "shared" and not other.method.shared_experts:
        yield f"model.start.merge: {part}; {other.name} has no shared experts"
    elif part in (None, "all") and method == "molora":
        yield (
            f"model.start.merge: which experts {other.name} sends a token to depends on the token, "
            "so it cannot be merged as a whole; say attention or shared"
        )


def other_experts(recipe: Recipe, other: Recipe) -> Iterator[str]:
    """Yield in what the experts of a mixture are not those that the recipe starts as."""
    if other.method.name != "molora" or not other.method.shared_experts:
        yield f"{EXPERTS_FROM}: {other.name} trains {other.method.name}, without shared experts"
        return
    for name in OF_EXPERTS:
        own, theirs = getattr(recipe.method, name), getattr(other.method, name)
        if own != theirs:
            yield f"method.{name}: {own}, and the experts of {other.name} have {theirs}"
