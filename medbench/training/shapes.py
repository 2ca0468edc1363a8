"""Shapes of what an adapter trains, by the sizes of its model alone."""

from collections.abc import Iterable, Iterator
from itertools import chain

from medbench.recipe import Facts, Recipe

__all__ = ["adapter_shapes", "linear_shapes", "placed", "unsized", "widths"]

ALL_LINEAR = "all-linear"
OF_A_LAYER = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""What all-linear stands for."""


def adapter_shapes(recipe: Recipe, facts: Facts) -> Iterator[tuple[int, ...]]:
    """Yield the shape of every tensor of a low-rank adapter: A, B, DoRA's magnitudes, whole ones.

    Facts must tell the sizes of all its modules (`unsized`).
    """
    method, rank = recipe.method, recipe.method.rank or 0
    for inputs, outputs in placed(method.target_modules or (), facts):
        yield rank, inputs
        yield outputs, rank
        if method.name == "dora":
            yield (outputs,)
    for name in method.modules_to_save or ():
        for inputs, outputs in placed((name,), facts):
            yield (inputs, outputs) if name == "embed_tokens" else (outputs, inputs)


def unsized(recipe: Recipe, facts: Facts) -> list[str]:
    """Return the modules that a method names and facts do not tell the sizes of."""
    method, known = recipe.method, {ALL_LINEAR, *linear_shapes(facts), *outer_shapes(facts)}
    named = (method.target_modules, method.expert_modules, method.modules_to_save)
    return [one for one in chain.from_iterable(some or () for some in named) if one not in known]


def placed(names: Iterable[str], facts: Facts) -> list[tuple[int, int]]:
    """Return (in, out) of every layer that has one of these names."""
    inner, outer = linear_shapes(facts), outer_shapes(facts)
    names = OF_A_LAYER if ALL_LINEAR in (names := tuple(names)) else names
    found = ([outer[one]] if one in outer else [inner[one]] * facts.layers for one in names)
    return list(chain.from_iterable(found))


def widths(facts: Facts) -> tuple[int, int]:
    """Return the width of all query heads, and of all key heads."""
    size = facts.head_size or facts.hidden_size // facts.heads
    return facts.heads * size, facts.kv_heads * size


def linear_shapes(facts: Facts) -> dict[str, tuple[int, int]]:
    """Return (in, out) of a decoder layer's linear layers under the names that models give them."""
    query, key = widths(facts)
    width, inner = facts.hidden_size, facts.intermediate_size
    fused, back = (width, query + 2 * key), (query, width)
    return {
        "q_proj": (width, query),
        "k_proj": (width, key),
        "v_proj": (width, key),
        **dict.fromkeys(("query_key_value", "wqkv", "qkv_proj"), fused),
        **dict.fromkeys(("o_proj", "out_proj", "wo", "dense"), back),
        "gate_up_proj": (width, 2 * inner),
        **dict.fromkeys(("gate_proj", "up_proj", "w1", "w3", "dense_h_to_4h"), (width, inner)),
        **dict.fromkeys(("down_proj", "w2", "dense_4h_to_h"), (inner, width)),
    }


def outer_shapes(facts: Facts) -> dict[str, tuple[int, int]]:
    """Return (in, out) of what a model has once, outside of its layers."""
    width, words = facts.hidden_size, facts.vocabulary
    return {"embed_tokens": (words, width), "lm_head": (width, words)}
