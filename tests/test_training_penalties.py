"""Terms of the loss: their gradients are real, they count once, whatever divides the step.

Flaws of the original that are looked at here: the orthogonal term's gradient is detached under
ZeRO (`test_gradients_are_those_of_finite_differences`, and with processes in
`test_training_medcare.py`); λ₂ is never read (`test_every_weight_counts`).
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model

from medbench.errors import TrainingError
from medbench.molora import MoloraConfig
from medbench.recipe import load
from medbench.training.batches import Collator
from medbench.training.loss import supervised_loss
from medbench.training.methods import attach
from medbench.training.model import load_model
from medbench.training.penalties import Penalties, balance, watch
from tests.mixtures import ORTHOGONAL, mixture_checkpoint
from tests.test_molora import EVERYWHERE, shake
from tests.tiny_models import EXAMPLES, ITEMS, build
from tests.training_runs import write_recipe

BATCH = Collator(0, False)(EXAMPLES)


def loss_with(model: Any, share: float = 1.0) -> torch.Tensor:
    """Return the batch's loss and its terms."""
    penalties = Penalties.of(model)
    assert penalties is not None
    return penalties.join(supervised_loss(model, BATCH, ITEMS), share)


@pytest.fixture
def balanced() -> Any:
    """A mixture with a load balance."""
    config = MoloraConfig(r=2, lora_alpha=4, experts=4, **EVERYWHERE)
    model = get_peft_model(build("Llama"), config)
    shake(model)
    watch(model, 0.5, Penalties.on(model))
    return model.train()


@pytest.fixture
def pairs(wide_model: Path, tmp_path: Path) -> Any:
    """Orthogonal pairs beside a mixture's shared experts."""
    source = mixture_checkpoint(wide_model, tmp_path / "mixture")
    overrides = [*ORTHOGONAL, f"method.experts_from={source}", "method.l2=0.3"]
    recipe = load(write_recipe(wide_model, tmp_path), overrides)
    model = attach(load_model(recipe, "sdpa"), recipe)
    torch.manual_seed(4)
    for name, one in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(one, std=0.05)
    return model.double().train()


def by_hand(model: Any, orthogonality: float, l2: float) -> torch.Tensor:
    """Return the pairs' terms, module by module."""
    total = torch.zeros((), dtype=torch.float64)
    for name, one in model.named_parameters():
        if "lora_A" in name:
            base, own = one.chunk(2)
            total = total + orthogonality * (base @ own.T).abs().sum() + l2 * own.norm()
        if "lora_B" in name:
            total = total + l2 * one.chunk(2, dim=1)[1].norm()
    return total


@pytest.mark.parametrize("kind", ["balanced", "pairs"])
def test_gradients_are_those_of_finite_differences(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Along the gradient itself the loss grows by its length; a part that is detached would not."""
    model = request.getfixturevalue(kind)
    loss_with(model).backward()
    learnt = {name: p for name, p in model.named_parameters() if ".layers.1.mlp.up" in name}
    for name in [one for one, p in learnt.items() if p.requires_grad]:
        weight, gradient = learnt[name], learnt[name].grad
        assert gradient is not None
        length = gradient.norm()
        around = []
        for step in (1e-3, -1e-3):
            with torch.no_grad():
                weight += step * gradient / length
                around.append(float(loss_with(model)))
                weight -= step * gradient / length
        slope = (around[0] - around[1]) / 2e-3  # of a loss whose softmax is in float32
        assert slope == pytest.approx(float(length), rel=0.02, abs=5e-4), name


def without(model: Any) -> torch.Tensor:
    """Return the batch's loss without terms, as a held-out loss has none."""
    model.eval()
    loss = supervised_loss(model, BATCH, ITEMS)
    model.train()
    return loss


def test_every_weight_counts(pairs: Any) -> None:
    """λ₁ and λ₂ in the loss and in the gradients, module by module as the formula says."""
    learnt = [one for one in pairs.parameters() if one.requires_grad]
    wanted = without(pairs) + by_hand(pairs, 1.0, 0.3)
    expected = torch.autograd.grad(wanted, learnt)
    found = loss_with(pairs)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0, check_dtype=False)
    for one, other in zip(torch.autograd.grad(found, learnt), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 1024.0])
def test_whatever_scales_the_loss_scales_the_term(pairs: Any, factor: float) -> None:
    """A gradient scaler multiplies the loss; accumulation and processes divide it."""
    learnt = [one for one in pairs.parameters() if one.requires_grad]
    plain = torch.autograd.grad(without(pairs) * factor, learnt)
    whole = torch.autograd.grad(loss_with(pairs) * factor, learnt)
    quarter = torch.autograd.grad(loss_with(pairs, 0.25) * factor, learnt)
    for bare, one, part in zip(plain, whole, quarter, strict=True):
        torch.testing.assert_close(4 * (part - bare), one - bare, rtol=1e-4, atol=1e-5 * factor)


def test_a_term_that_was_not_joined_stops(pairs: Any) -> None:
    loss_with(pairs).backward()
    with pytest.raises(AssertionError, match="was not joined with its terms"):
        supervised_loss(pairs, BATCH, ITEMS).backward()


@pytest.mark.parametrize("is_reentrant", [False, True])
@pytest.mark.parametrize("kind", ["balanced", "pairs"])
def test_checkpointing_counts_a_term_once(
    kind: str, is_reentrant: bool, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(kind)
    learnt = [one for one in model.parameters() if one.requires_grad]
    plain = loss_with(model)
    wanted = torch.autograd.grad(plain, learnt)
    how = {"use_reentrant": is_reentrant}
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=how)
    model.enable_input_require_grads()
    for _ in range(2):
        model.zero_grad()
        found = loss_with(model)
        torch.testing.assert_close(found, plain)
        found.backward()
        for one, other in zip(learnt, wanted, strict=True):
            torch.testing.assert_close(one.grad, other)


def test_a_held_out_loss_has_no_term(balanced: Any) -> None:
    balanced.eval()
    supervised_loss(balanced, BATCH, ITEMS)
    with pytest.raises(TrainingError, match="and no layer computed it"):
        loss_with(balanced)


def test_load_balance() -> None:
    """1 where all experts get the same, up to E / K where K of them get everything."""
    even = torch.zeros(2, 6, 3)
    assert balance(even, torch.arange(12).view(2, 6, 1) % 3) == pytest.approx(1.0)
    one_sided = torch.tensor([50.0, 0, 0, 0]).repeat(8, 1)
    assert balance(one_sided, torch.zeros(8, 1, dtype=torch.int64)) == pytest.approx(4.0)
    both = torch.tensor([50.0, 50, 0, 0]).repeat(8, 1)
    assert balance(both, torch.tensor([[0, 1]] * 8)) == pytest.approx(2.0)


def test_load_balance_is_learnt(balanced: Any) -> None:
    """Routers that send everything to one expert learn to spread it."""
    penalties = Penalties.on(balanced)
    watch(balanced, 50.0, penalties)
    routers = [p for n, p in balanced.named_parameters() if "router" in n and "bias" in n]
    for one in routers:
        one.data[0] = 3
    optimizer, seen = torch.optim.SGD(routers, 0.1), []
    for _ in range(12):
        optimizer.zero_grad()
        loss_with(balanced).backward()
        optimizer.step()
        assert penalties.joined is not None
        seen.append(float(penalties.joined))
    assert seen[-1] < seen[0] * 0.9
