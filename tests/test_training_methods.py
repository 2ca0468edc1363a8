"""Every method, trained on a tiny random model: it learns, and reloads as it was."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from medbench.checkpoint import read
from medbench.recipe import VIRTUAL_TOKENS, load
from medbench.training.methods import attach
from medbench.training.model import load_model
from tests.training_runs import held_out_loss, losses, run, write_recipe

LOW_RANK = "rank: 8, alpha: 16, target_modules: [q_proj, v_proj, down_proj]"
NF4 = "quantization.load=nf4"
METHODS = {
    "full": [],
    "lora": [f"method={{name: lora, {LOW_RANK}}}"],
    "lora and the output embedding": [
        f"method={{name: lora, {LOW_RANK}, modules_to_save: lm_head}}"
    ],
    "lora, int8": [f"method={{name: lora, {LOW_RANK}}}", "quantization.load=int8"],
    "rslora": [f"method={{name: rslora, {LOW_RANK}}}"],
    "dora": ["method={name: dora, rank: 4, alpha: 8, target_modules: all-linear}"],
    "qlora": [f"method={{name: qlora, {LOW_RANK}}}", NF4],
    "qdora": [f"method={{name: dora, {LOW_RANK}}}", NF4, "quantization.double_quant=false"],
    "prefix": ["method={name: prefix, virtual_tokens: 4}"],
    "prefix through a network": [
        "method={name: prefix, virtual_tokens: 4, encoder_hidden_size: 8}"
    ],
    "p_tuning": ["method={name: p_tuning, virtual_tokens: 4, encoder_hidden_size: 16}"],
    "prompt": ["method={name: prompt, virtual_tokens: 4}"],
}
ONE_BATCH = "data.mixture=[{benchmark: medmcqa, protocol: letters}]"
"""Every step sees the same questions, all of the packaged ones, so that losses can be compared."""
RATES = {"prefix": 1.0, "prefix through a network": 0.3, "prompt": 0.3, "p_tuning": 0.03}


@pytest.mark.parametrize("name", METHODS)
def test_it_learns_and_reloads(name: str, wide_model: Path, tmp_path: Path) -> None:
    overrides = [*METHODS[name], ONE_BATCH, f"training={{learning_rate: {RATES.get(name, 1e-2)}}}"]
    file, checkpoint = write_recipe(wide_model, tmp_path), tmp_path / "checkpoint"
    recipe = load(file, overrides)
    log = run(file, checkpoint, overrides)
    seen = losses(log)
    assert seen[-1] < seen[0] * (0.999 if "prefix" in name else 0.9)
    tolerance = 0.02 if "int8" in name or "q" in name[:1] else 1e-4  # 4 bits multiply in bfloat16
    assert losses(log, "eval_loss")[-1] == pytest.approx(
        held_out_loss(checkpoint, recipe), rel=tolerance
    )
    found = read(checkpoint)
    assert found.is_adapter == (name != "full")
    assert found.provenance.method == recipe.method.name
    if found.is_adapter:
        settings = json.loads((checkpoint / "adapter_config.json").read_text())
        assert settings["base_model_name_or_path"] == str(wide_model)
        weights = load_file(checkpoint / "adapter_model.safetensors")
        assert {one.dtype for one in weights.values()} == {torch.float32}


@pytest.mark.parametrize("name", [one for one in METHODS if one != "full"])
def test_only_the_adapter_is_trained(name: str, wide_model: Path, tmp_path: Path) -> None:
    recipe = load(write_recipe(wide_model, tmp_path), METHODS[name])
    model = attach(load_model(recipe, "sdpa"), recipe)
    trained = {key for key, one in model.named_parameters() if one.requires_grad}
    if recipe.method.name in VIRTUAL_TOKENS:
        assert all("prompt_encoder" in key for key in trained)
    else:
        assert all("lora_" in key or "modules_to_save" in key for key in trained)
    assert trained


@pytest.mark.parametrize(
    ("precision", "base", "adapter"),
    [
        ("float32", torch.float32, torch.float32),
        ("bfloat16", torch.bfloat16, torch.float32),
        ("pure_bfloat16", torch.bfloat16, torch.bfloat16),
    ],
)
def test_types(
    precision: str, base: torch.dtype, adapter: torch.dtype, tiny_model: Path, tmp_path: Path
) -> None:
    """What is trained is kept in float32 unless pure_bfloat16; what is frozen is not."""
    file = write_recipe(tiny_model, tmp_path)
    overrides = [*METHODS["lora"], f"training.precision={precision}"]
    recipe = load(file, overrides)
    model = attach(load_model(recipe, "sdpa"), recipe)
    types = {
        kind: {one.dtype for one in model.parameters() if one.requires_grad == kind}
        for kind in (True, False)
    }
    assert types == {True: {adapter}, False: {base}}
    full = load_model(load(file, [f"training.precision={precision}"]), "sdpa")
    assert full.dtype == adapter
