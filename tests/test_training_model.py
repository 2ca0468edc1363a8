"""The base model as a recipe wants it: types, quantisation, devices, tokenizer."""

from pathlib import Path
from typing import Any

import pytest
import torch

from medbench.errors import ModelError
from medbench.recipe import Recipe, load
from medbench.training.arguments import OPTIMIZERS, training_arguments
from medbench.training.model import device_map, dtype, load_model, load_tokenizer, quantization
from tests.training_runs import LORA, write_recipe

QLORA = ["method={name: qlora, rank: 8, alpha: 16, target_modules: all-linear}"]


@pytest.fixture
def recipe(tiny_model: Path, tmp_path: Path) -> Path:
    """A recipe on the tiny model."""
    return write_recipe(tiny_model, tmp_path)


def two(strategy: str) -> list[str]:
    """Ask for two devices."""
    return [f"launch={{strategy: {strategy}, devices: 2}}", "training.per_device_batch=2"]


@pytest.mark.parametrize(
    ("precision", "method", "strategy", "expected"),
    [
        ("float32", [], "ddp", torch.float32),
        ("bfloat16", [], "ddp", torch.float32),
        ("bfloat16", [], "fsdp", torch.float32),
        ("float16", [], "ddp", torch.float32),
        ("bfloat16", [], "deepspeed_zero3", torch.bfloat16),
        ("pure_bfloat16", [], "ddp", torch.bfloat16),
        ("float32", [LORA], "ddp", torch.float32),
        ("bfloat16", [LORA], "ddp", torch.bfloat16),
        ("float16", [LORA], "deepspeed_zero2", torch.float16),
    ],
)
def test_dtype(
    recipe: Path, precision: str, method: list[str], strategy: str, expected: torch.dtype
) -> None:
    overrides = [*method, *two(strategy), f"training.precision={precision}"]
    assert dtype(load(recipe, overrides)) == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["quantization.load=nf4"],
            ("nf4", True, torch.bfloat16, torch.uint8),
        ),
        (
            ["quantization={load: fp4, double_quant: false, compute_dtype: float32}"],
            ("fp4", False, torch.float32, torch.uint8),
        ),
        (
            ["quantization.load=nf4", *two("fsdp"), "training.precision=bfloat16"],
            ("nf4", True, torch.bfloat16, torch.bfloat16),
        ),
    ],
)
def test_four_bits(recipe: Path, overrides: list[str], expected: tuple[Any, ...]) -> None:
    found = quantization(load(recipe, [*QLORA, *overrides]))
    assert found.load_in_4bit
    assert expected == (
        found.bnb_4bit_quant_type,
        found.bnb_4bit_use_double_quant,
        found.bnb_4bit_compute_dtype,
        found.bnb_4bit_quant_storage,
    )


def test_eight_bits_and_none(recipe: Path) -> None:
    assert quantization(load(recipe, [LORA, "quantization.load=int8"])).load_in_8bit
    assert quantization(load(recipe)) is None


def test_every_four_bit_layer_hands_gradients_on(wide_model: Path, tmp_path: Path) -> None:
    """bitsandbytes repacks a layer that it sees without gradients, and then has none for it."""
    asked = load(write_recipe(wide_model, tmp_path), [*QLORA, "quantization.load=nf4"])
    model = load_model(asked, "sdpa")
    ids = torch.arange(12)[None]
    with torch.no_grad():
        model.eval()(input_ids=ids)
    embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
    model.train()(inputs_embeds=embedded).logits.sum().backward()
    assert embedded.grad is not None and float(embedded.grad.abs().sum()) > 0
    kinds = {type(one).__name__ for one in model.modules()}
    assert "Linear4bit" in kinds


def test_layers_are_spread_over_cards(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = load(recipe, ["launch.devices=3"])
    with pytest.raises(
        ModelError, match=r"launch.devices: 3 with strategy single, and this machine"
    ):
        device_map(asked)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda one: (1000 * (one + 1), 9999))
    assert device_map(asked) == {
        "device_map": "balanced",
        "max_memory": {0: 900, 1: 1800, 2: 2700},
    }


def test_quantised_weights_are_read_where_they_stay(recipe: Path) -> None:
    nf4 = [*QLORA, "quantization.load=nf4"]
    assert device_map(load(recipe)) is None
    assert device_map(load(recipe, nf4)) == {"device_map": {"": torch.device("cpu")}}
    assert device_map(load(recipe, [*nf4, *two("fsdp")])) is None


def test_a_padding_token(recipe: Path) -> None:
    tokenizer = load_tokenizer(load(recipe, ["model.tokenizer.pad=<unk>"]))
    assert tokenizer.pad_token == "<unk>"


def arguments(recipe: Recipe, folder: Path) -> Any:
    return training_arguments(recipe, folder)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], {"max_steps": 8, "lr_scheduler_type": "linear", "warmup_steps": 0.03, "bf16": False}),
        (["training.precision=bfloat16"], {"bf16": True, "fp16": False}),
        (["training.precision=pure_bfloat16"], {"bf16": False, "fp16": False}),
        (
            ["training={schedule: cosine_with_min, min_learning_rate: 1e-6}"],
            {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 1e-6}},
        ),
        (["training.schedule=constant"], {"lr_scheduler_type": "constant", "warmup_steps": 0}),
        (["training={max_steps: null, epochs: 2.5}"], {"num_train_epochs": 2.5, "max_steps": -1}),
        (["training.max_grad_norm=null"], {"max_grad_norm": 0.0}),
        (["training.per_device_batch=2"], {"gradient_accumulation_steps": 4}),
        (["training.seed=7"], {"seed": 7, "data_seed": 7}),
        (["tracking.validate_every=null"], {"eval_steps": 4, "save_steps": 4}),
        (["tracking={save_every: 8, keep_best: true}"], {"load_best_model_at_end": True}),
        (["training.gradient_checkpointing=true"], {"gradient_checkpointing": True}),
    ],
)
def test_arguments(
    recipe: Path, tmp_path: Path, overrides: list[str], expected: dict[str, Any]
) -> None:
    found = arguments(load(recipe, overrides), tmp_path)
    assert {name: getattr(found, name) for name in expected} == expected


def test_without_validation(recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text().replace(", validate_every: 4", "")
    recipe.write_text(text, encoding="utf-8")
    assert arguments(load(recipe, ["data.validation=[]"]), tmp_path).eval_strategy == "no"


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_optimizers(recipe: Path, tmp_path: Path, optimizer: str) -> None:
    from transformers import Trainer

    found = arguments(load(recipe, [f"training.optimizer={optimizer}"]), tmp_path)
    kind, settings = Trainer.get_optimizer_cls_and_kwargs(found)
    assert callable(kind)
    assert settings.get("optim_bits", 32) == (8 if "8bit" in optimizer else 32)
    assert bool(settings.get("is_paged")) == optimizer.startswith("paged")
