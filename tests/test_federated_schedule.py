"""Who trains in a round, how fast, on which rows: all of it follows from the seed."""

from collections import Counter
from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.federated.schedule import chosen, learning_rate, rows_of_turn, seed_of_turn
from medbench.recipe import Data, Federated, Method, Mixed, Model, Recipe, Training


def recipe(**federated: object) -> Recipe:
    return Recipe(
        model=Model(id="x"),
        data=Data(mixture=(Mixed(benchmark="pubmedqa"),)),
        method=Method(name="lora", rank=2, alpha=4.0, target_modules=("q_proj",)),
        training=Training(max_steps=6, global_batch=16, learning_rate=5e-5),
        federated=Federated(**federated),  # type: ignore[arg-type]
    )


def test_learning_rates_of_the_published_run() -> None:
    found = [learning_rate(recipe(rounds=10, min_learning_rate=1e-6), t) for t in range(1, 11)]
    assert found == pytest.approx(
        [4.88e-5, 4.53e-5, 3.99e-5, 3.31e-5, 2.55e-5, 1.79e-5, 1.11e-5, 5.68e-6, 2.20e-6, 1e-6],
        rel=2e-3,
    )
    assert learning_rate(recipe(rounds=10), 7) == 5e-5


@given(st.integers(1, 40), st.floats(0.01, 1), st.integers(0, 2**32))
def test_the_clients_of_a_round(clients: int, fraction: float, seed: int) -> None:
    one = recipe(clients=clients, fraction=fraction)
    one = replace(one, training=replace(one.training, seed=seed))
    found = [chosen(one, number) for number in range(1, 6)]
    assert found == [chosen(one, number) for number in range(1, 6)]
    for clients_now in found:
        assert len(clients_now) == len(set(clients_now)) == max(1, int(clients * fraction + 1e-9))
        assert clients_now == sorted(clients_now) and set(clients_now) <= set(range(clients))


def test_three_of_twenty_and_not_always_the_same() -> None:
    one = recipe(clients=20, fraction=0.15)
    found = {tuple(chosen(one, number)) for number in range(1, 11)}
    assert {len(clients) for clients in found} == {3} and len(found) > 5


@given(st.integers(1, 300), st.integers(1, 8))
def test_a_client_goes_on_where_it_stopped(size: int, turns: int) -> None:
    """After so many turns, no row has been read twice more often than another."""
    one = recipe()
    read = [row for turn in range(turns) for row in rows_of_turn(one, 3, turn, size)]
    counts = Counter(read)
    assert len(read) == turns * 96
    assert set(counts) <= set(range(size))
    assert max(counts.values()) <= ceil(len(read) / size)
    assert len(counts) == size or max(counts.values()) == 1
    assert rows_of_turn(one, 3, turns - 1, size) == read[-96:]


def test_orders_and_seeds_are_a_client_s_own() -> None:
    one = recipe()
    assert rows_of_turn(one, 1, 0, 200) != rows_of_turn(one, 2, 0, 200)
    assert rows_of_turn(one, 1, 0, 48)[:48] != rows_of_turn(one, 1, 0, 48)[48:]
    assert len({seed_of_turn(one, number, client) for number in (1, 2) for client in (0, 1)}) == 4
