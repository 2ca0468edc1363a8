"""Means of products: stacked they are exact; cut to the rank they are the nearest there is."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.federated.low_rank import Factors, error, factor_pairs, stack, truncate


def factors(clients: int, rank: int, seed: int, *, same_a: bool = False) -> list[Factors]:
    """Random factors of a layer with 30 inputs and 20 outputs."""
    source = np.random.default_rng(seed)
    shared = source.normal(size=(rank, 30))
    return [
        (
            shared if same_a else source.normal(size=(rank, 30)),
            source.normal(size=(20, rank)),
        )
        for _ in range(clients)
    ]


def exact(found: list[Factors], weights: list[float]) -> Any:
    """The mean of the products as a matrix."""
    return sum(w * b @ a for (a, b), w in zip(found, weights, strict=True))


cases = st.tuples(st.integers(1, 5), st.integers(1, 8), st.integers(0, 1000))


@given(cases)
def test_stacked_factors_are_the_mean(case: tuple[int, int, int]) -> None:
    clients, rank, _ = case
    found, weights = factors(*case), [1 / clients] * clients
    a, b = stack(found, weights)
    assert a.shape == (clients * rank, 30) and b.shape == (20, clients * rank)
    np.testing.assert_allclose(b @ a, exact(found, weights), atol=1e-12)


@given(cases)
def test_cut_factors_are_the_nearest_of_their_rank(case: tuple[int, int, int]) -> None:
    """Against NumPy's decomposition of the whole matrix."""
    clients, rank, _ = case
    weights = [1 / clients] * clients
    whole = stack(factors(*case), weights)
    matrix = whole[1] @ whole[0]
    a, b = truncate(whole, rank, 3.0)
    best = np.linalg.svd(matrix, compute_uv=False)[rank:]
    assert a.shape == (rank, 30) and b.shape == (20, rank)
    assert np.linalg.norm(matrix - b @ a) == pytest.approx(np.linalg.norm(best), abs=1e-4)
    np.testing.assert_allclose(a @ a.T, np.eye(rank) * 9 / rank, atol=1e-4)
    missing, norm = error(whole, (a, b))
    assert missing**0.5 == pytest.approx(np.linalg.norm(matrix - b @ a), abs=1e-4)
    assert norm**0.5 == pytest.approx(np.linalg.norm(matrix))


def test_the_mean_of_factors_is_another_matrix_unless_a_is_fixed() -> None:
    weights = [0.5, 0.3, 0.2]
    for same_a in (False, True):
        found = factors(3, 4, 0, same_a=same_a)
        means: Any = [
            sum(w * one[place] for one, w in zip(found, weights, strict=True)) for place in (0, 1)
        ]
        missing, norm = error(stack(found, weights), (means[0], means[1]))
        assert (missing / norm < 1e-12) == same_a


def test_a_new_adapter_has_no_product_and_keeps_its_size() -> None:
    """B starts as zeros; so does what comes of it, and A may not vanish."""
    source = np.random.default_rng(0)
    whole = stack([(source.normal(size=(4, 30)), np.zeros((20, 4)))] * 2, [0.5, 0.5])
    a, b = truncate(whole, 4, 2.0)
    assert np.abs(b).max() < 1e-12 and np.linalg.norm(a) == pytest.approx(2.0)


def test_pairs() -> None:
    names = ["m.q_proj.lora_A.weight", "m.q_proj.lora_B.weight", "m.q_proj.lora_magnitude_vector"]
    assert list(factor_pairs(names)) == [(names[0], names[1])]
