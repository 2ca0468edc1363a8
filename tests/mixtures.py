"""A mixture's checkpoint as training leaves it, and recipes of MedCare's two stages."""

from pathlib import Path

import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from medbench.molora import MoloraConfig

ATTENTION = ["q_proj", "v_proj"]
FEED_FORWARD = ["gate_proj", "up_proj", "down_proj"]
MOLORA = [
    "method={name: molora, rank: 2, alpha: 4, target_modules: [q_proj, v_proj], "
    "expert_modules: [gate_proj, up_proj, down_proj], experts: 4, experts_per_token: 2, "
    "shared_experts: 2}"
]
ORTHOGONAL = [
    "method={name: orthogonal_lora, rank: 2, alpha: 4, "
    "expert_modules: [gate_proj, up_proj, down_proj], shared_experts: 2}"
]


def mixture_checkpoint(base: Path, folder: Path, **changes: object) -> Path:
    """Save a mixture with random weights as `MOLORA` says, and the base's tokenizer."""
    settings = {
        "r": 2,
        "lora_alpha": 4,
        "experts": 4,
        "target_modules": [*ATTENTION, *FEED_FORWARD],
    }
    settings |= {"expert_modules": FEED_FORWARD, "task_type": "CAUSAL_LM", **changes}
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(6)
    adapted = get_peft_model(model, MoloraConfig(**settings))
    for name, one in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(one, std=0.1)
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder
