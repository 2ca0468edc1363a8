"""Layers on copies of their weights: the same numbers, and nothing left behind."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from medbench.engine.packed import linears
from medbench.engine.packed.linears import laid_out, suitable


@pytest.fixture
def model(wide_model: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(wide_model, dtype=torch.float32)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linears, "worthwhile", lambda: True)


def logits(model: Any, rows: int = 9) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.arange(2 * rows).reshape(2, rows)).logits  # type: ignore[no-any-return]


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("rows", [1, 7, 200])
def test_the_same_numbers(model: Any, rows: int) -> None:
    wanted = logits(model, rows)
    with laid_out(model):
        assert all("forward" in vars(layer) for layer in suitable_before(model))
        assert torch.allclose(logits(model, rows), wanted, atol=3e-4)
    assert torch.equal(logits(model, rows), wanted)


def suitable_before(model: Any) -> list[torch.nn.Linear]:
    """Return every linear layer but the vocabulary's."""
    layers = [one for one in model.modules() if isinstance(one, torch.nn.Linear)]
    return [one for one in layers if one is not model.lm_head]


@pytest.mark.usefixtures("always")
def test_nothing_is_left_behind(model: Any) -> None:
    with pytest.raises(KeyError), laid_out(model):
        raise KeyError
    assert not any("forward" in vars(layer) for layer in suitable_before(model))


@pytest.mark.usefixtures("always")
def test_a_changed_weight_counts(model: Any) -> None:
    with laid_out(model):
        before = logits(model)
    model.model.layers[0].mlp.up_proj.weight.data += 0.5  # as PEFT merges
    wanted = logits(model)
    with laid_out(model):
        assert torch.allclose(logits(model), wanted, atol=1e-4)
    assert not torch.allclose(before, wanted, atol=1e-2)


def test_what_is_left_alone(model: Any) -> None:
    assert model.lm_head not in suitable(model)
    assert not suitable(model.to(torch.bfloat16))
    narrow = torch.nn.Linear(linears.NARROW - 1, 512)
    model.model.layers[0].mlp.up_proj = narrow.float()
    assert narrow not in suitable(model)


@pytest.mark.usefixtures("always")
def test_a_large_model_keeps_its_layers(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linears, "COPIES", 1000)
    with laid_out(model):
        assert not any("forward" in vars(layer) for layer in suitable_before(model))


def test_a_wrong_product_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linears, "product", lambda weight, bias, rows: rows[:, :256] * 0)
    assert not linears.worthwhile.__wrapped__()
