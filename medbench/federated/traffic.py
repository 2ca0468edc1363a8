"""Bytes between server and clients: what a recipe will take, and FlowerTune's way to count them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, prod

from medbench.recipe import Facts, Recipe
from medbench.training.memory import linear_shapes

__all__ = ["MIB", "Budget", "adapter_shapes", "budget", "message_bytes"]

MIB = 2**20
FLOAT32 = 4
GROWTH_DIGITS = 21
ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


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


def budget(recipe: Recipe, facts: Facts) -> Budget:
    """Return what a recipe's rounds will take, of its model's sizes alone."""
    federated = recipe.federated
    assert federated is not None
    message = message_bytes(adapter_shapes(recipe, facts)) / MIB
    clients, rounds = federated.clients_per_round, federated.rounds
    return Budget(message, message * clients * (2 * rounds - 1), message * clients * 2 * rounds)


def adapter_shapes(recipe: Recipe, facts: Facts) -> Iterator[tuple[int, ...]]:
    """Yield the shape of every tensor of an adapter: A, B, and DoRA's magnitudes."""
    shapes, method = linear_shapes(facts), recipe.method
    targets, rank = method.target_modules or (), method.rank or 0
    for name in ALL_LINEAR if "all-linear" in targets else targets:
        inputs, outputs = shapes[name]
        for _ in range(facts.layers):
            yield rank, inputs
            yield outputs, rank
            if method.name == "dora":
                yield (outputs,)


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
