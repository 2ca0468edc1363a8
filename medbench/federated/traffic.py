"""Bytes between server and clients: what a recipe will take, and FlowerTune's way to count them."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, prod

from medbench.recipe import Recipe
from medbench.training.shapes import adapter_shapes, unsized

__all__ = ["MIB", "Budget", "budget", "message_bytes"]

MIB = 2**20
FLOAT32 = 4
GROWTH_DIGITS = 21


@dataclass(frozen=True, slots=True)
class Budget:
    """MiB that a recipe's rounds take, counted over tensors as FlowerTune counts them."""

    message: float
    """Of one adapter in float32, one way."""
    published: float
    """What FlowerTune's boards show: P·C·(2T-1), for the last log line comes before the last
    adapters do."""
    total: float
    """What travels: P·C·2T."""


def budget(recipe: Recipe) -> Budget | None:
    """Return what a recipe's rounds will take, by its model's sizes; None: they are not known."""
    federated, facts = recipe.federated, recipe.model.facts
    assert federated is not None
    if facts is None or unsized(recipe, facts):
        return None
    message = message_bytes(adapter_shapes(recipe, facts)) / MIB
    clients, rounds = federated.clients_per_round, federated.rounds
    return Budget(message, message * clients * (2 * rounds - 1), message * clients * 2 * rounds)


def message_bytes(shapes: Iterable[tuple[int, ...]]) -> int:
    """Return the bytes of tensors in float32, as Flower writes them: NumPy's file format."""
    return sum(header_bytes(shape) + prod(shape) * FLOAT32 for shape in shapes)


def header_bytes(shape: tuple[int, ...]) -> int:
    """Return the bytes that NumPy's format puts in front of an array: a multiple of 64.

    Ten bytes of magic, version and length, then a mapping with room for the first axis to grow.
    """
    words = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    room = GROWTH_DIGITS - len(str(shape[0]))
    return ceil((10 + len(words) + room + 1) / 64) * 64
