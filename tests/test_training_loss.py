"""The loss at supervised positions against the model's own, with gradients, on tiny models."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PromptTuningConfig, get_peft_model

from medbench.errors import ModelError
from medbench.training import loss
from medbench.training.attention import PACKED
from medbench.training.batches import Collator
from medbench.training.examples import IGNORED
from medbench.training.layout import base_model
from medbench.training.loss import supervised_loss
from tests.tiny_models import CONFIGS, EXAMPLES, ITEMS, WORDS, build, example


def gradients(model: Any, total: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    total.backward()
    return {
        name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None
    }


def check(model: Any, found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert torch.allclose(found, wanted, atol=1e-5)
    theirs, ours = gradients(model, wanted), gradients(model, found)
    assert set(ours) == set(theirs)
    for name, one in theirs.items():
        assert torch.allclose(ours[name], one, atol=1e-5, rtol=1e-4), name


@pytest.fixture(params=[loss.LOGITS_AT_ONCE, WORDS * 3], ids=["whole", "chunks"])
def chunked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", request.param)
    yield request.param


@pytest.mark.parametrize("adapter", ["none", "lora", "lora and head"])
@pytest.mark.parametrize("name", CONFIGS)
def test_equal_to_the_models_own(name: str, adapter: str, chunked: int) -> None:
    if adapter == "lora and head" and name in ("GPTNeoX", "Qwen3", "Gemma3"):
        pytest.skip("another name for the head, or one matrix for both ends")
    model = build(name, adapter)
    base = base_model(model)
    base.set_attn_implementation("eager")
    padded = Collator(2, packing=False)(EXAMPLES)
    check(model, supervised_loss(model, padded, ITEMS), model(**padded).loss)
    base.set_attn_implementation("sdpa")
    wanted = model(**padded).loss
    grads = gradients(model, wanted)
    base.set_attn_implementation(PACKED)
    found = supervised_loss(model, Collator(2, packing=True)(EXAMPLES), ITEMS)
    assert torch.allclose(found, wanted, atol=1e-5)
    for key, one in gradients(model, found).items():
        assert torch.allclose(one, grads[key], atol=1e-5, rtol=1e-4), key
    assert (base in loss.reshaping) == (name == "Granite" and chunked == WORDS * 3)


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6)), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_packed_is_the_sum_of_the_single(shapes: list[tuple[int, int]]) -> None:
    some = [example(*shape, seed) for seed, shape in enumerate(shapes)]
    model = MODEL
    with torch.no_grad():
        model.set_attn_implementation(PACKED)
        packed = supervised_loss(model, Collator(0, packing=True)(some), 1)
        model.set_attn_implementation("sdpa")
        single = [supervised_loss(model, Collator(0, packing=False)([one]), 1) for one in some]
        padded = supervised_loss(model, Collator(0, packing=False)(some), 1)
    assert torch.allclose(packed, sum(single, torch.zeros(())), rtol=1e-4)
    assert torch.allclose(packed, padded, rtol=1e-4)


MODEL = build("Gemma3")


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing(reentrant: bool) -> None:
    """Layers run again in the backward pass, where no batch is at hand."""
    batch = Collator(0, packing=True)(EXAMPLES)
    model = build("Llama").train()
    model.set_attn_implementation(PACKED)
    wanted = gradients(model, supervised_loss(model, batch, ITEMS))
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    found = gradients(model, supervised_loss(model, batch, ITEMS))
    assert all(torch.allclose(found[name], one, atol=1e-6) for name, one in wanted.items())


@pytest.mark.parametrize("packing", [True, False])
def test_autocast(packing: bool) -> None:
    batch = Collator(0, packing=packing)(EXAMPLES)
    model = build("Qwen3")
    model.set_attn_implementation(PACKED if packing else "sdpa")
    exact = supervised_loss(model, batch, ITEMS)
    with torch.autocast("cpu", torch.bfloat16):
        found = supervised_loss(model, batch, ITEMS)
    assert found.dtype == torch.float32
    assert torch.allclose(found, exact, atol=0.1)
    found.backward()


def test_vectors_in_front_of_the_text() -> None:
    model = get_peft_model(
        build("Llama"), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5)
    )
    padded = Collator(0, packing=False)(EXAMPLES)
    check(model, supervised_loss(model, padded, ITEMS), model(**padded).loss)


def test_items() -> None:
    model, batch = build("Llama"), Collator(0, packing=False)(EXAMPLES)
    mean = supervised_loss(model, batch, None)
    assert torch.allclose(mean, supervised_loss(model, batch, torch.tensor(ITEMS)))
    assert torch.allclose(mean * ITEMS / 40, supervised_loss(model, batch, 40))


def test_the_model_is_left_as_it_was(chunked: int) -> None:
    model, batch = build("Llama"), Collator(0, packing=False)(EXAMPLES)
    before = model(**batch).logits
    supervised_loss(model, batch, ITEMS)
    assert "forward" not in vars(model.lm_head)
    with pytest.raises(ValueError, match="exactly one of input_ids or inputs_embeds"):
        supervised_loss(model, {"labels": batch["labels"]}, ITEMS)
    assert "forward" not in vars(model.lm_head)
    own = model.lm_head.forward
    model.lm_head.forward = lambda hidden: own(hidden)  # what accelerate's hooks do
    placed = vars(model.lm_head)["forward"]
    supervised_loss(model, batch, ITEMS)
    assert vars(model.lm_head)["forward"] is placed
    assert torch.equal(model(**batch).logits, before)


def test_the_full_logits_never_exist(chunked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = build("Llama"), []
    model.set_attn_implementation(PACKED)
    model.lm_head.register_forward_hook(lambda *call: seen.append(call[2].numel()))
    linear = torch.nn.functional.linear

    def watch(hidden: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> torch.Tensor:
        out = linear(hidden, weight, bias)
        if weight.shape[0] == WORDS:
            seen.append(out.numel())
        return out

    monkeypatch.setattr(torch.nn.functional, "linear", watch)
    supervised_loss(model, Collator(0, packing=True)(EXAMPLES), ITEMS).backward()
    assert max(seen) == min(chunked, WORDS * ITEMS)


def test_nothing_to_learn() -> None:
    model, batch = build("Llama"), Collator(0, packing=False)(EXAMPLES)
    batch["labels"].fill_(IGNORED)
    found = supervised_loss(model, batch, None)
    assert found.item() == 0
    found.backward()


def test_attention_that_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("Llama")
    model.set_attn_implementation(PACKED)
    monkeypatch.setattr(
        "transformers.models.llama.modeling_llama.ALL_ATTENTION_FUNCTIONS.get_interface",
        lambda *_: lambda module, query, *arguments, **more: (query.transpose(1, 2), None),
    )
    with pytest.raises(ModelError, match="did not keep packed examples apart"):
        supervised_loss(model, Collator(0, packing=True)(EXAMPLES), ITEMS)
