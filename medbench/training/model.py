"""The base model, its configuration and its tokenizer, as a recipe wants them."""

from collections.abc import Mapping
from typing import Any

import torch

from medbench.errors import ModelError
from medbench.recipe import Recipe

__all__ = ["device_map", "dtype", "load_config", "load_model", "load_tokenizer", "quantization"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
REPACKS = "support_avx512bf16_for_cpu"
"""bitsandbytes' 4-bit layer repacks its weights in the first pass without gradients on a processor;
what runs them then has no backward pass, and layers before it would learn nothing."""
LEAST_FREE = 0.9
"""The share of a device's memory that a model split by layers may fill with weights."""


def source(recipe: Recipe) -> dict[str, Any]:
    """Return where transformers finds the model; a folder's revision is not looked at."""
    return {
        "pretrained_model_name_or_path": recipe.model.weights,
        "revision": recipe.model.revision,
        "trust_remote_code": recipe.model.trust_remote_code,
    }


def load_tokenizer(recipe: Recipe) -> Any:
    """Return the tokenizer, with the padding token that the recipe names.

    Raises:
        ModelError: it cannot be loaded, or it does not know the padding token.
    """
    from transformers import AutoTokenizer

    name = recipe.model.tokenizer.id or recipe.model.weights
    where = source(recipe) | {"pretrained_model_name_or_path": name}
    if recipe.model.tokenizer.id:
        del where["revision"]  # it is the model's
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"no tokenizer for {name}: {first_line(error)}") from error
    pad = recipe.model.tokenizer.pad
    if pad and pad not in tokenizer.get_vocab():
        raise ModelError(f"model.tokenizer.pad: the tokenizer of {name} has no token {pad!r}")
    if pad:
        tokenizer.pad_token = pad
    return tokenizer


def load_config(recipe: Recipe) -> Any:
    """Return the model's configuration.

    Raises:
        ModelError: it cannot be loaded.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(**source(recipe))
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ModelError(f"no model {recipe.model.weights}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Return the first line of what a library says."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def load_model(recipe: Recipe, attention: str) -> Any:
    """Return the base model with its weights.

    Raises:
        ModelError: they cannot be loaded.
    """
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": dtype(recipe), "attn_implementation": attention}
    if (quantized := quantization(recipe)) is not None:
        options["quantization_config"] = quantized
    if (devices := device_map(recipe)) is not None:
        options |= devices
    try:
        model = AutoModelForCausalLM.from_pretrained(**source(recipe), **options)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise ModelError(
            f"{recipe.model.weights} could not be loaded: {first_line(error)}"
        ) from error
    for module in model.modules():
        if hasattr(module, REPACKS):
            setattr(module, REPACKS, False)
    return model


def dtype(recipe: Recipe) -> torch.dtype:
    """Return how weights are held.

    Weights that are trained are in float32 unless they are asked for in pure_bfloat16; DeepSpeed
    keeps the float32 copy itself. Frozen ones are in the precision of the arithmetic.
    """
    precision, strategy = recipe.training.precision, recipe.launch.strategy
    if precision == "pure_bfloat16":
        return torch.bfloat16
    if recipe.method.name == "full" and not strategy.startswith("deepspeed"):
        return torch.float32
    return DTYPES[precision]


def quantization(recipe: Recipe) -> Any:
    """Return bitsandbytes' configuration, or None where weights stay as they are saved.

    nf4 and double quantisation are QLoRA's (arXiv 2305.14314). Sharding flattens weights of one
    type only, so there the 4-bit blocks are stored inside numbers of the arithmetic's type.
    """
    load, double = recipe.quantization.load, recipe.quantization.double_quant
    if load not in ("nf4", "fp4", "int8"):
        return None
    from transformers import BitsAndBytesConfig

    if load == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    shards = recipe.launch.strategy in ("fsdp", "deepspeed_zero3")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=load,
        bnb_4bit_use_double_quant=double is not False,
        bnb_4bit_compute_dtype=DTYPES[recipe.quantization.compute_dtype or "bfloat16"],
        bnb_4bit_quant_storage=dtype(recipe) if shards else torch.uint8,
    )


def device_map(recipe: Recipe) -> Mapping[str, Any] | None:
    """Return where layers lie, in from_pretrained's words; None: the Trainer places the model.

    One process splits the layers over its devices; of several, each takes its own, and quantised
    weights must be told at load as they cannot be moved after it.
    """
    launch = recipe.launch
    if launch.strategy == "single" and launch.devices > 1:
        return {"device_map": "balanced", "max_memory": budget(launch.devices)}
    is_quantized = recipe.quantization.load != "none"
    if not is_quantized or launch.strategy in ("fsdp", "deepspeed_zero3"):
        return None
    from accelerate import PartialState

    return {"device_map": {"": PartialState().device}}


def budget(devices: int) -> dict[int, int]:
    """Return bytes that weights may take on each device, and none on the others."""
    found = torch.cuda.device_count()
    if devices > found:
        raise ModelError(
            f"launch.devices: {devices} with strategy single, and this machine has {found} GPUs"
        )
    sizes = [torch.cuda.mem_get_info(one)[0] for one in range(devices)]
    return {one: round(size * LEAST_FREE) for one, size in enumerate(sizes)}
