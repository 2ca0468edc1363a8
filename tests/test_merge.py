"""A merged model is what base and adapter are together."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    IA3Config,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
)
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from medbench.checkpoint import weight_digests
from medbench.cli import main
from medbench.training.merge import merge
from tests.adapted_models import (
    ATTENTION,
    LORA,
    TIED_WARNING,
    base_model,
    difference,
    make_bases,
    point,
    save_adapter,
)

KINDS: dict[str, dict[str, Any]] = {
    "lora": LORA,
    "all-linear": {"r": 2, "target_modules": "all-linear"},
    "rslora": {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "use_rslora": True},
    "dora": {"r": 4, "target_modules": ["q_proj", "down_proj"], "use_dora": True},
    "ranks": {
        "r": 2,
        "target_modules": ATTENTION,
        "rank_pattern": {"q_proj": 8, "layers.1.self_attn.v_proj": 3},
        "alpha_pattern": {"q_proj": 32},
    },
    "norm": {"r": 2, "target_modules": ["q_proj"], "modules_to_save": ["norm"]},
    "head": {"r": 2, "target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    "embedding": {"r": 2, "target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    "both": {
        "r": 2,
        "target_modules": ["q_proj"],
        "modules_to_save": ["embed_tokens"],
        "ensure_weight_tying": True,
    },
    "low-rank embedding": {"r": 2, "target_modules": ["q_proj", "embed_tokens"]},
    "low-rank both": {
        "r": 2,
        "target_modules": ["q_proj", "embed_tokens"],
        "ensure_weight_tying": True,
    },
    "tokens": {"r": 2, "target_modules": ["q_proj"], "trainable_token_indices": [5, 6]},
}
OTHERS = {
    "loha": LoHaConfig(r=2, target_modules=ATTENTION),
    "lokr": LoKrConfig(r=2, target_modules=ATTENTION),
    "ia3": IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
}
pytestmark = [
    pytest.mark.filterwarnings(TIED_WARNING),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers` to:UserWarning"),
]


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bases(tiny_model, tmp_path_factory.mktemp("bases"))


@pytest.fixture
def adapter(bases: dict[str, Path], tmp_path: Path) -> Path:
    """A LoRA adapter on the smallest base."""
    return save_adapter(tmp_path / "lora", bases["llama"], LoraConfig(**LORA))


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
@pytest.mark.parametrize("kind", KINDS)
def test_merged_is_base_and_adapter(
    bases: dict[str, Path], tmp_path: Path, family: str, kind: str
) -> None:
    config = {"task_type": "CAUSAL_LM", **KINDS[kind]}
    if family == "llama":
        config.pop("ensure_weight_tying", None)
    adapter = save_adapter(tmp_path / "lora", bases[family], LoraConfig(**config))
    merged = merge(adapter, dtype="float32")
    assert merged.path == tmp_path / "lora-merged"
    off, moved = difference(adapter, base_model(bases[family]), merged.path)
    assert off < 1e-5 < 0.05 < moved
    assert merged.difference < 1e-5
    is_tied = json.loads((merged.path / "config.json").read_text())["tie_word_embeddings"]
    alone = kind in ("head", "embedding", "low-rank embedding")
    assert is_tied == (family != "llama" and not alone)


@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds(bases: dict[str, Path], tmp_path: Path, kind: str) -> None:
    adapter = save_adapter(tmp_path / kind, bases["llama"], OTHERS[kind])
    merged = merge(adapter, tmp_path / "out", "float32")
    off, moved = difference(adapter, base_model(bases["llama"]), merged.path)
    assert off < 1e-5 < 0.05 < moved


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_new_tokens(bases: dict[str, Path], tmp_path: Path, family: str) -> None:
    """The vocabulary grew in training: PEFT saves the whole embeddings, and they are kept."""
    base, rows = bases[family], base_model(bases[family]).config.vocab_size + 8

    def grow(model: Any) -> Any:
        model.resize_token_embeddings(rows, mean_resizing=False)
        return model

    config = LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])
    adapter = save_adapter(tmp_path / "grown", base, config, grow)
    merged = merge(adapter, dtype="float32")
    off, _ = difference(adapter, grow(base_model(base)), merged.path)
    assert off < 1e-5
    assert base_model(merged.path).config.vocab_size == rows


def test_a_base_in_4_bits_is_merged_as_it_was_before(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    config = LoraConfig(r=4, target_modules=ATTENTION, task_type="CAUSAL_LM")
    adapter = save_adapter(tmp_path / "qlora", bases["wide"], config, quantization_config=nf4)
    merged = merge(adapter, dtype="float32")
    off, _ = difference(adapter, base_model(bases["wide"]), merged.path)
    assert off < 1e-5
    saved = load_file(merged.path / "model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}


def test_a_base_saved_in_4_bits_is_dequantised(bases: dict[str, Path], tmp_path: Path) -> None:
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    base_model(bases["wide"], quantization_config=nf4).save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(bases["wide"]).save_pretrained(tmp_path / "base")
    config = LoraConfig(r=4, target_modules=ATTENTION, task_type="CAUSAL_LM")
    adapter = save_adapter(tmp_path / "lora", bases["wide"], config)
    point(adapter, base_model_name_or_path=str(tmp_path / "base"))
    merged = merge(adapter, dtype="float32")
    whole = base_model(tmp_path / "base").dequantize().float()
    off, moved = difference(adapter, whole, merged.path)
    assert off < 1e-5 < 0.05 < moved
    assert "quantization_config" not in json.loads((merged.path / "config.json").read_text())


def test_what_is_carried_on(adapter: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    tokenizer.eos_token, tokenizer.chat_template = "<|end|>", "{{ messages[0]['content'] }}!"
    tokenizer.save_pretrained(adapter)
    (adapter / "recipe.yaml").write_text("kind: sft\n")
    (adapter / "provenance.json").write_text(json.dumps({"recipe": "mine", "base": {"id": "x"}}))
    merged = merge(adapter, tmp_path / "whole" / "model", "bfloat16")
    kept = AutoTokenizer.from_pretrained(merged.path)
    assert (kept.eos_token, kept.chat_template) == ("<|end|>", "{{ messages[0]['content'] }}!")
    model = AutoModelForCausalLM.from_pretrained(merged.path, dtype="auto")
    assert model.dtype == torch.bfloat16
    assert tokenizer.eos_token_id in model.generation_config.eos_token_id
    assert (merged.path / "recipe.yaml").read_text() == "kind: sft\n"
    facts = json.loads((merged.path / "provenance.json").read_text())
    assert facts["recipe"] == "mine"
    source = facts["merged_from"]
    assert (source["adapter"], source["base"]) == (str(adapter), str(bases["llama"]))
    assert set(source["adapter_sha256"]) == {"adapter_config.json", "adapter_model.safetensors"}
    assert set(source["base_sha256"]) == {"model.safetensors"}
    assert source["weights_sha256"] == weight_digests(merged.path) != source["base_sha256"]
    assert source["dtype"] == "bfloat16"
    assert not (merged.path / "adapter_config.json").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"lora", "whole"}
    assert [path.name for path in (tmp_path / "whole").iterdir()] == ["model"]


def test_saved_as_the_base_is(bases: dict[str, Path], tmp_path: Path) -> None:
    adapter = save_adapter(tmp_path / "lora", bases["qwen3"], LoraConfig(**LORA))
    assert merge(adapter).dtype == "bfloat16"


def test_the_command(adapter: Path, capsys: Any) -> None:
    main(["merge", str(adapter), "--dtype", "float32"])
    out = capsys.readouterr().out
    assert f"merged: {adapter}-merged" in out
    assert "float32" in out
