"""Quantised models and adapters really load on the CPU, and score differently from their base."""

import math
import shutil
from pathlib import Path
from typing import Any

import bitsandbytes
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from lm_eval.models.huggingface import HFLM
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from medbench.engine.backends import register
from medbench.engine.hf import MedbenchHF
from medbench.engine.quantization import QUANTIZATIONS
from medbench.errors import ModelError

LINEARS = {
    "nf4": bitsandbytes.nn.Linear4bit,
    "fp4": bitsandbytes.nn.Linear4bit,
    "int8": bitsandbytes.nn.Linear8bitLt,
}


def load(folder: Path, **arguments: Any) -> MedbenchHF:
    return MedbenchHF(pretrained=str(folder), device="cpu", batch_size=4, **arguments)


def scores(lm: MedbenchHF) -> list[float]:
    requests = [
        Instance("loglikelihood", {}, ("Question: Which drug lowers the pressure?", end), 0)
        for end in (" A", " B", " C", " A, C.")
    ]
    return [score for score, _ in lm.loglikelihood(requests, disable_tqdm=True)]


def text(lm: MedbenchHF) -> str:
    arguments = {"do_sample": False, "until": ["</s>"], "max_gen_toks": 6}
    request = Instance("generate_until", {}, ("Question: Which drug?", arguments), 0)
    return lm.generate_until([request], disable_tqdm=True)[0]


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_quantised_at_load(wide_model: Path, quantization: str) -> None:
    lm = load(wide_model, quantization=quantization)
    linears = [one for one in lm.model.modules() if isinstance(one, torch.nn.Linear)]
    assert {type(one) for one in linears} == {LINEARS[quantization], torch.nn.Linear}
    assert [one for one in linears if type(one) is torch.nn.Linear] == [lm.model.lm_head]
    layer = lm.model.model.layers[0].mlp.up_proj
    if quantization == "int8":
        assert layer.weight.dtype == torch.int8
    else:
        assert layer.weight.quant_type == quantization
        assert layer.weight.quant_state.nested  # double quantisation
        assert layer.compute_dtype == torch.bfloat16
    found = scores(lm)
    assert all(map(math.isfinite, found))
    assert found != scores(load(wide_model))
    assert text(lm)


def test_unknown_quantisation(wide_model: Path) -> None:
    with pytest.raises(ModelError, match="quantization='int3' is unknown: nf4, fp4, int8"):
        load(wide_model, quantization="int3")


@pytest.mark.filterwarnings("ignore:You passed `quantization_config`:UserWarning")  # lm-eval does
def test_quantised_checkpoint_is_not_quantised_again(wide_model: Path, tmp_path: Path) -> None:
    load(wide_model, quantization="nf4").model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(wide_model / name, tmp_path / name)
    with pytest.raises(ModelError, match="is quantised already; load it without quantization="):
        load(tmp_path, quantization="int8")
    as_it_is = load(tmp_path)
    assert scores(as_it_is) == scores(load(wide_model, quantization="nf4"))


def make_adapter(folder: Path, base: Path, **settings: Any) -> Path:
    """Save a LoRA adapter whose B is not zero, as if it had been trained."""
    torch.manual_seed(1)
    config = LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **settings)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 4, "target_modules": ["q_proj", "v_proj"]},
        {"r": 32, "target_modules": "all-linear"},
        {"r": 8, "target_modules": ["q_proj"], "use_dora": True},
    ],
    ids=["lora", "rank 32", "dora"],
)
def test_adapter_changes_the_scores(
    wide_model: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    adapter = make_adapter(tmp_path / "adapter", wide_model, **settings)
    lm = load(wide_model, peft=str(adapter))
    assert isinstance(lm.model, PeftModel)
    found = scores(lm)
    assert found != pytest.approx(scores(load(wide_model)), abs=0.01)
    merged = lm.model.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(wide_model / name, tmp_path / "merged" / name)
    assert scores(load(tmp_path / "merged")) == pytest.approx(found, abs=0.01)
    assert text(lm)


def test_adapter_on_a_quantised_base(wide_model: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path, wide_model, r=4, target_modules=["q_proj"])
    lm = load(wide_model, quantization="nf4", peft=str(adapter))
    assert scores(lm) != scores(load(wide_model, quantization="nf4"))


def test_end_tokens_come_from_everywhere(wide_model: Path) -> None:
    lm = load(wide_model)
    settings = lm.settings({"do_sample": False, "until": ["<|end|>", "#"]})
    end = lm.tokenizer.convert_tokens_to_ids("<|end|>")
    assert lm.end_tokens(settings) == {lm.tokenizer.eos_token_id, end}
    lm.model.generation_config.eos_token_id = [2, 5]
    assert lm.end_tokens(settings) == {2, 5, end}


def test_lm_eval_knows_the_class() -> None:
    assert register("hf") == register("hf") == "medbench-hf"
    assert get_model("medbench-hf") is MedbenchHF
    assert get_model("hf") is HFLM
