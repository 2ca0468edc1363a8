"""Who trains in a round, how fast, and on which rows; all of it follows from the recipe's seed."""

import random
import zlib
from collections.abc import Iterator
from math import cos, pi

from medbench.recipe import Federated, Recipe

__all__ = ["chosen", "learning_rate", "rows_of_turn", "seed_of_turn"]


def plan(recipe: Recipe) -> Federated:
    """Return the section that says how; a recipe that has none never comes here."""
    assert recipe.federated is not None
    return recipe.federated


def learning_rate(recipe: Recipe, number: int) -> float:
    """Return the highest rate of a round, numbered from 1: a cosine, as FlowerTune's template has.

    min + (max - min) / 2 * (1 + cos(pi * t / T)): the last round's is the lowest.
    """
    federated, highest = plan(recipe), recipe.training.learning_rate
    lowest = federated.min_learning_rate
    if lowest is None:
        return highest
    return lowest + (highest - lowest) / 2 * (1 + cos(pi * number / federated.rounds))


def chosen(recipe: Recipe, number: int) -> list[int]:
    """Return the clients of a round, numbered from 0, ascending."""
    federated = plan(recipe)
    source = random.Random(f"{recipe.training.seed}/round/{number}")
    return sorted(source.sample(range(federated.clients), federated.clients_per_round))


def seed_of_turn(recipe: Recipe, number: int, client: int) -> int:
    """Return the seed of a client's dropout in a round."""
    return zlib.crc32(f"{recipe.training.seed}/{number}/{client}".encode())


def rows_of_turn(recipe: Recipe, client: int, turn: int, size: int) -> list[int]:
    """Return the places, in a client's rows, of what it reads in a turn.

    It goes on where its last turn ended: all rows in one order, then all of them in another.

    Args:
        recipe: says how many steps a turn has, and of how many examples.
        client: its number.
        turn: how many it has finished before.
        size: how many rows it has.
    """
    wanted = (recipe.training.max_steps or 0) * recipe.training.global_batch
    places = order(f"{recipe.training.seed}/client/{client}", size, turn * wanted)
    return [next(places) for _ in range(wanted)]


def order(seed: str, size: int, start: int) -> Iterator[int]:
    """Yield places from 0 to size over and over, each pass in an order of its own."""
    number, skipped = divmod(start, size)
    while True:
        places = random.Random(f"{seed}/{number}").sample(range(size), size)
        yield from places[skipped:]
        number, skipped = number + 1, 0
