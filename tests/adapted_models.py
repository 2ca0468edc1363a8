"""Random models and adapters that are merged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
LORA = {"r": 4, "lora_alpha": 8, "target_modules": ATTENTION}
KINDS_OF_LAYERS = ["sliding_attention", "full_attention"]
TIED_WARNING = "ignore:Model has `tie_word_embeddings:UserWarning"


def make_bases(tiny_model: Path, folder: Path) -> dict[str, Path]:
    """Random models; Qwen and Gemma share input and output embeddings."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    sizes = {**SIZES, "vocab_size": len(tokenizer)}
    torch.manual_seed(1)
    made: dict[str, Any] = {
        "llama": LlamaForCausalLM(LlamaConfig(**sizes)),
        "wide": LlamaForCausalLM(
            LlamaConfig(**{**sizes, "hidden_size": 128, "head_dim": 32, "initializer_range": 0.05})
        ),
        "qwen3": Qwen3ForCausalLM(Qwen3Config(**sizes, tie_word_embeddings=True)),
        "gemma3": Gemma3ForCausalLM(
            Gemma3TextConfig(**sizes, sliding_window=16, layer_types=KINDS_OF_LAYERS)
        ),
    }
    for name, model in made.items():
        assert model.config.tie_word_embeddings == (name in ("qwen3", "gemma3"))
        model.to(torch.bfloat16).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return {name: folder / name for name in made}


def base_model(path: Path, **settings: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, **settings)


def save_adapter(
    folder: Path,
    base: Path,
    config: Any,
    change: Callable[[Any], Any] = lambda model: model,
    **settings: Any,
) -> Path:
    """Save an adapter with random weights of some size, and the tokenizer beside it."""
    torch.manual_seed(3)
    tuned = get_peft_model(change(base_model(base, **settings)), config)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    for one in tuned.peft_config.values():
        one.base_model_name_or_path = str(base)
    tuned.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


@torch.inference_mode()
def log_probabilities(model: Any) -> torch.Tensor:
    ids = torch.randint(5, 700, (2, 20), generator=torch.Generator().manual_seed(9))
    return model(ids, use_cache=False).logits.float().log_softmax(-1)


def difference(adapter: Path, base: Any, merged: Path) -> tuple[float, float]:
    """Return how far the merged model is from base and adapter, and these from the base."""
    plain = log_probabilities(base)
    beside = log_probabilities(PeftModel.from_pretrained(base, adapter).eval())
    after = log_probabilities(base_model(merged))
    rows = plain.shape[-1]
    return float((after - beside).abs().max()), float((beside[..., :rows] - plain).abs().max())


def point(adapter: Path, **changes: Any) -> None:
    """Change an adapter's configuration."""
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
