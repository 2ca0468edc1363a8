"""FedProx: the term is really in the loss, by solutions that are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("flwr_datasets", reason="pip install 'medbench[federated]'")
from medbench.federated.proximal import proximal_term
from medbench.federated.worker import Turn, Worker, adapter, worker
from tests.federated_recipe import write_recipe

SGD = ("training.optimizer=sgd", "training.max_grad_norm=null", "method.dropout=0")


@pytest.mark.parametrize("mu", [0.0, 0.5, 1.0, 7.0])
def test_quadratic(mu: float) -> None:
    """The minimum of ½‖w − c‖² + μ/2‖w − w_t‖² is (c + μ·w_t) / (1 + μ)."""
    target, start = torch.tensor([3.0, -2.0]), [torch.tensor([1.0]), torch.tensor([5.0])]
    weights = [one.clone().requires_grad_() for one in start]
    for _ in range(200):
        loss = 0.5 * (torch.cat(weights) - target).square().sum()
        (loss + proximal_term(weights, start, mu)).backward()  # type: ignore[no-untyped-call]
        for one in weights:
            with torch.no_grad():
                one -= 0.1 * one.grad  # type: ignore[operator]
            one.grad = None
    expected = (target + mu * torch.cat(start)) / (1 + mu)
    assert torch.allclose(torch.cat(weights), expected, atol=1e-5)


@pytest.fixture
def own(tiny_model: Path, tmp_path: Path) -> Worker:
    """A client that steps by plain gradients, two batches to a step."""
    return worker(str(write_recipe(tiny_model, tmp_path)), SGD)


def train(own: Worker, steps: int, mu: float) -> Any:
    own.ready = replace(own.ready, recipe=shorter(own, steps))
    turn = Turn(client=1, number=1, turn=0, learning_rate=0.1, proximal_mu=mu)
    begun = {name: np.zeros_like(one) + 0.01 for name, one in adapter(own.model).items()}
    return own.train(begun, turn)


def shorter(own: Worker, steps: int) -> Any:
    """The same rows in as many steps: a turn reads what its first steps would."""
    return replace(own.recipe, training=replace(own.recipe.training, max_steps=steps))


def test_a_turn_takes_the_gradient_of_the_term(own: Worker) -> None:
    """Two steps with μ and without: they differ by what the second adds, η·μ·(w₁ − w_t).

    The first step is at w_t, where the term has no gradient. All rows are one, so that their order
    does not matter.
    """
    one = own.ready.examples[0]
    own.ready = replace(own.ready, examples=type(own.ready.examples)([stored(own)] * 18, []))
    assert own.ready.examples[5].input_ids == one.input_ids
    first, plain, near = (train(own, steps, mu) for steps, mu in ((1, 0.0), (2, 0.0), (2, 2.0)))
    for name, begun in ((name, np.float32(0.01)) for name in first.tensors):
        expected = plain.tensors[name] - 0.1 * 2.0 * (first.tensors[name] - begun)
        np.testing.assert_allclose(near.tensors[name], expected, atol=2e-7)
    assert near.metrics["distance"] < plain.metrics["distance"]
    moved = sum(np.square(one - 0.01).sum() for one in near.tensors.values()) ** 0.5
    assert near.metrics["distance"] == pytest.approx(moved, rel=1e-4)


def stored(own: Worker) -> Any:
    return own.ready.examples._stored[0]


def test_without_mu_nothing_changes_at_all(own: Worker) -> None:
    """Bit for bit; a worker's turns leave nothing behind for the next one."""
    turns = [train(own, 2, mu) for mu in (0.0, 3.0, 0.0)]
    for name, one in turns[0].tensors.items():
        assert np.array_equal(one, turns[2].tensors[name])
    assert any((one != turns[1].tensors[name]).any() for name, one in turns[0].tensors.items())
    assert turns[0].metrics["loss"] == turns[2].metrics["loss"]
