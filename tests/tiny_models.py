"""Tiny random models of several architectures, and examples that they can read."""

from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model

from medbench.training.examples import IGNORED, Example

WORDS = 120
SIZES: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {**SIZES, "num_key_value_heads": 2}
WINDOWS = {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
CONFIGS = {
    "Llama": lambda: transformers.LlamaConfig(**GROUPED),
    "Qwen3": lambda: transformers.Qwen3Config(**GROUPED, head_dim=8, tie_word_embeddings=True),
    "Gemma3": lambda: transformers.Gemma3TextConfig(**GROUPED, **WINDOWS, head_dim=8),
    "GPTNeoX": lambda: transformers.GPTNeoXConfig(**SIZES),
    "Granite": lambda: transformers.GraniteConfig(**GROUPED, logits_scaling=4.0),
    "Mistral": lambda: transformers.MistralConfig(**GROUPED, sliding_window=6),
}
PROJECTIONS = {"GPTNeoX": ["query_key_value", "dense"]}


def example(length: int, answer: int, seed: int) -> Example:
    source = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, WORDS, (length + answer,), generator=source).tolist()
    return Example(ids, [IGNORED] * length + ids[length:], "")


EXAMPLES = [example(13, 4, 0), example(2, 3, 1), example(20, 9, 2), example(1, 1, 3)]
ITEMS = 4 + 3 + 9 + 1


def build(name: str, adapter: str = "none") -> Any:
    torch.manual_seed(0)
    model: Any = transformers.AutoModelForCausalLM.from_config(CONFIGS[name]())
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.15)
    if adapter == "none":
        return model
    targets = PROJECTIONS.get(name, ["q_proj", "v_proj", "down_proj"])
    if adapter == "lora and head":
        targets = [*targets, "lm_head"]
    config = LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM", init_lora_weights=False)
    return get_peft_model(model, config)


def meta(config: Any) -> Any:
    """Build a model without weights."""
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config)
