"""What is trained: every weight, or an adapter beside frozen ones, through PEFT.

LoRA: arXiv 2106.09685; rsLoRA: 2312.03732; DoRA: 2402.09353; QLoRA: 2305.14314 (LoRA beside 4-bit
weights); prefix tuning: 2101.00190; p-tuning: 2103.10385; prompt tuning: 2104.08691. MoLoRA:
`medbench.molora`; orthogonal LoRA: `medbench.training.orthogonal`.
"""

from typing import Any

from medbench.recipe import LOW_RANK, Method, Recipe

__all__ = ["attach", "peft_config"]

ALL_LINEAR = "all-linear"


def attach(model: Any, recipe: Recipe) -> Any:
    """Return the model with what is trained; all else is frozen.

    The adapter's own weights are float32 whatever the base's type, but for pure_bfloat16.
    """
    if recipe.method.name == "full":
        return model
    from peft import get_peft_model

    from medbench.training.orthogonal import pair
    from medbench.training.penalties import Penalties, watch

    is_pure = recipe.training.precision == "pure_bfloat16"
    adapted = get_peft_model(model, peft_config(recipe), autocast_adapter_dtype=not is_pure)
    for config in adapted.peft_config.values():
        config.base_model_name_or_path = recipe.model.weights
        config.revision = recipe.model.revision
    if recipe.method.name == "orthogonal_lora":
        pair(adapted, recipe)
    if recipe.method.load_balance:
        watch(adapted, recipe.method.load_balance, Penalties.on(adapted))
    return adapted


def peft_config(recipe: Recipe) -> Any:
    """Return PEFT's configuration of an adapter."""
    from peft import (
        LoraConfig,
        PrefixTuningConfig,
        PromptEncoderConfig,
        PromptTuningConfig,
        TaskType,
    )

    method, task = recipe.method, TaskType.CAUSAL_LM
    if method.name in LOW_RANK:
        return LoraConfig(task_type=task, **low_rank(method))
    if method.name == "molora":
        from medbench.molora import MoloraConfig

        return MoloraConfig(task_type=task, **mixture(method))
    if method.name == "orthogonal_lora":
        from medbench.training.orthogonal import plain_lora

        return LoraConfig(task_type=task, **plain_lora(method))
    vectors: dict[str, Any] = {"task_type": task, "num_virtual_tokens": method.virtual_tokens}
    if method.name == "prompt":
        return PromptTuningConfig(**vectors)
    vectors["encoder_hidden_size"] = method.encoder_hidden_size
    if method.name == "p_tuning":
        return PromptEncoderConfig(**vectors)
    return PrefixTuningConfig(**vectors, prefix_projection=method.encoder_hidden_size is not None)


def low_rank(method: Method) -> dict[str, Any]:
    """Return the settings of LoRA and what came of it."""
    targets = list(method.target_modules or ())
    return {
        "r": method.rank,
        "lora_alpha": method.alpha,
        "lora_dropout": method.dropout or 0.0,
        "target_modules": ALL_LINEAR if targets == [ALL_LINEAR] else targets,
        "modules_to_save": list(method.modules_to_save) if method.modules_to_save else None,
        "use_rslora": method.name == "rslora",
        "use_dora": method.name == "dora",
    }


def mixture(method: Method) -> dict[str, Any]:
    """Return the settings of a mixture of experts, with LoRA on the other layers."""
    experts = list(method.expert_modules or ())
    return {
        "r": method.rank,
        "lora_alpha": method.alpha,
        "use_rslora": method.rslora,
        "lora_dropout": method.dropout or 0.0,
        "target_modules": [*(method.target_modules or ()), *experts],
        "expert_modules": experts,
        "experts": method.experts,
        "experts_per_token": method.experts_per_token,
        "shared_experts": method.shared_experts or 0,
    }
