"""Estimates against figures that others published, against PEFT and against PyTorch."""

from dataclasses import replace
from typing import Any

import pytest

from medbench.errors import DataError, TaskError
from medbench.recipe import Data, Facts, Launch, Method, Mixed, Model, Quantization, Recipe, load
from medbench.training.estimate import estimate
from medbench.training.lengths import lengths
from medbench.training.memory import activation_bytes, adapter_parameters, memory
from medbench.training.zoo import zoo_table

GIB = 2**30
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LLAMA_3_8B = Facts(
    parameters=8_030_261_248,
    layers=32,
    hidden_size=4096,
    intermediate_size=14_336,
    heads=32,
    kv_heads=8,
    vocabulary=128_256,
    context=8192,
)
MISTRAL_7B = replace(LLAMA_3_8B, parameters=7_241_732_096, vocabulary=32_000)
PHI_4 = replace(LLAMA_3_8B, layers=40, hidden_size=5120, intermediate_size=17_920, heads=40)


def plain(parameters: float) -> Facts:
    """Facts of which only the number of weights counts."""
    return Facts(
        parameters=int(parameters),
        layers=1,
        hidden_size=1,
        intermediate_size=1,
        heads=1,
        kv_heads=1,
        vocabulary=1,
        context=2048,
    )


def recipe(facts: Facts | None, **settings: Any) -> Recipe:
    model = Model(id="some/model", layer_class="Layer", facts=facts)
    return Recipe(model=model, **settings)


@pytest.mark.parametrize(
    ("strategy", "devices", "expected"),
    [
        ("deepspeed_zero2", 64, 16.6),
        ("deepspeed_zero3", 64, 1.9),
        ("fsdp", 64, 1.9),
        ("deepspeed_zero2", 1, 120.0),  # 16 bytes a weight
        ("ddp", 64, 135.0),  # 18: autocast's copies besides
    ],
)
def test_states_as_in_the_zero_paper(strategy: Any, devices: int, expected: float) -> None:
    """Figure 1 of arXiv 1910.02054: 7.5 billion weights on 64 devices, in decimal GB."""
    launch = Launch(strategy=strategy, devices=devices)
    held = memory(recipe(plain(7.5e9), launch=launch), 0)
    states = (held.weights + held.gradients + held.optimizer) * GIB / 1e9
    working_set = 2 * 2 * 7.5 if strategy in ("fsdp", "deepspeed_zero3") else 0
    assert states - working_set == pytest.approx(expected, abs=0.05)


def test_lora_of_gpt_3() -> None:
    """Section 4.2 of arXiv 2106.09685: 350 GB where full fine-tuning takes 1.2 TB and more."""
    method = Method(name="lora", rank=4, alpha=4, target_modules=("q_proj", "v_proj"))
    assert memory(recipe(plain(175e9), method=method), 0).weights * GIB == pytest.approx(350e9)
    full = memory(recipe(plain(175e9)), 0)
    assert full.total * GIB > 1.2e12


def test_double_quantisation() -> None:
    """Section 3 of arXiv 2305.14314: 0.37 bits a weight, 3 GB of 65 billion."""
    method = Method(name="qlora", rank=8, alpha=8, target_modules=ATTENTION)

    def weights(is_double: bool) -> float:
        load = Quantization(load="nf4", double_quant=is_double)
        return memory(recipe(plain(65e9), method=method, quantization=load), 0).weights * GIB

    assert weights(False) - weights(True) == pytest.approx(3e9, rel=0.02)
    assert weights(True) == pytest.approx(65e9 * 0.516, rel=0.001)


ALL = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


@pytest.mark.parametrize(
    ("facts", "name", "rank", "targets", "expected"),
    [
        (LLAMA_3_8B, "dora", 32, ("q_proj", "v_proj"), 13_795_328),  # 3,000.96 MB in FlowerTune
        (LLAMA_3_8B, "lora", 8, ("q_proj", "v_proj"), 3_407_872),  # 273.33 MB
        (MISTRAL_7B, "lora", 8, ALL, 20_971_520),  # 18,972.96 MB
        (PHI_4, "lora", 32, ("o_proj", "down_proj"), 42_598_400),  # 19,014.79 MB
    ],
)
def test_adapters_of_known_size(
    facts: Facts, name: Any, rank: int, targets: tuple[str, ...], expected: int
) -> None:
    method = Method(name=name, rank=rank, alpha=2 * rank, target_modules=targets)
    assert adapter_parameters(recipe(facts, method=method), facts) == expected


def test_all_linear_is_all_of_a_layer() -> None:
    named = Method(name="lora", rank=8, alpha=8, target_modules=ALL)
    every = replace(named, target_modules=("all-linear",))
    counts = [adapter_parameters(recipe(None, method=one), MISTRAL_7B) for one in (named, every)]
    assert counts[0] == counts[1]


def test_what_the_seeds_say() -> None:
    """7B does not fit on one 80 GB card, on four under FSDP it does, and its LoRA fits on one."""
    full = load("mmedbench/llama-2-7b/full")
    one = replace(full, launch=Launch())
    sharded = estimate(full).memory
    assert sharded and memory(one, 0).total > 80 > sharded.total
    assert estimate(full).devices_needed in (2, 4)
    assert estimate(load("mmedbench/llama-2-7b/lora")).devices_needed == 1
    assert (estimate(full).steps, estimate(full).effective_batch) == (3_520, 128)
    assert estimate(load("kormedmcqa/gemma-3-1b/full")).steps == 1_278


def saved_bytes(facts: Facts, checkpointing: bool) -> int:
    """Return what a real Llama keeps for the backward pass of two rows of 256 tokens."""
    import torch
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(
        vocab_size=16,
        hidden_size=facts.hidden_size,
        intermediate_size=facts.intermediate_size,
        num_hidden_layers=facts.layers,
        num_attention_heads=facts.heads,
        num_key_value_heads=facts.kv_heads,
        attn_implementation="sdpa",
        use_cache=False,
    )
    torch.manual_seed(0)
    model = LlamaModel(config).to(torch.bfloat16).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    weights = {one.untyped_storage().data_ptr() for one in model.parameters()}
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    rows = torch.randn(2, 256, facts.hidden_size, dtype=torch.bfloat16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(inputs_embeds=rows)
    return sum(saved.values())


def test_activations_as_pytorch_saves_them() -> None:
    facts = replace(plain(1), layers=4, hidden_size=128, intermediate_size=352, heads=8, kv_heads=4)
    every, kept = (
        saved_bytes(facts, False),
        saved_bytes(facts, True) + saved_bytes(facts, False) / 4,
    )
    for checkpointing, measured in ((False, every), (True, kept)):
        training = replace(
            recipe(None).training, per_device_batch=2, gradient_checkpointing=checkpointing
        )
        asked = recipe(facts, training=training, data=Data(sequence_length=256))
        assert activation_bytes(asked, facts) == pytest.approx(measured, rel=0.2)


def test_mixture() -> None:
    parts = (
        Mixed(benchmark="kormedmcqa", protocol="sllm", subsets=("doctor", "nurse"), weight=0.5),
        Mixed(benchmark="pubmedqa", limit=100, weight=2),
        Mixed(benchmark="flashcards"),
    )
    size = lengths(recipe(None, data=Data(mixture=parts)))
    assert size.examples == 945 + 291 + 200 + 33_955
    assert 0 < size.answer_tokens < size.longest_answer_tokens < size.tokens


def test_lengths_are_of_the_size_of_real_ones() -> None:
    """Gemma's tokenizer on KorMedMCQA: 131 to 283 tokens a question at 2.4 to 3.5 bytes each."""
    size = lengths(load("kormedmcqa/gemma-3-1b/lora"))
    assert 131 < size.tokens < 283


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [
        (Mixed(benchmark="medqa"), DataError, "no benchmark is called medqa; there are careqa"),
        (Mixed(benchmark="usmle", subsets=("x",)), DataError, "usmle has no x; it has 4_options"),
        (Mixed(benchmark="careqa"), DataError, "careqa/en, careqa/es has no split train"),
        (Mixed(benchmark="usmle", protocol="x"), TaskError, "usmle has no protocol 'x'"),
    ],
)
def test_mixture_of_what_does_not_exist(part: Mixed, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        estimate(recipe(None, data=Data(mixture=(part,))))


def test_without_facts() -> None:
    expected = estimate(recipe(None, data=Data(mixture=(Mixed(benchmark="pubmedqa"),))))
    assert (expected.memory, expected.trained, expected.devices_needed) == (None, None, None)
    assert expected.tokens_per_step > 0


def test_table_has_a_row_for_each_recipe() -> None:
    table = zoo_table()
    assert "### kormedmcqa" in table and "average 60.7" in table
    assert "Not checked" in table and "internlm/internlm-7b" in table
