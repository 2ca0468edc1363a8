"""Quantisation at load, through bitsandbytes."""

from importlib.util import find_spec
from typing import Any

from medbench.errors import MissingExtra, ModelError

__all__ = ["QUANTIZATIONS", "bitsandbytes_config"]

QUANTIZATIONS = ("nf4", "fp4", "int8")


def bitsandbytes_config(quantization: str) -> Any:
    """Return nf4 or fp4 (double quantisation, bfloat16 compute) or int8, as QLoRA sets them.

    Source: arXiv 2305.14314.

    Raises:
        ModelError: the name is unknown.
        MissingExtra: bitsandbytes is not installed.
    """
    import torch
    from transformers import BitsAndBytesConfig

    if quantization not in QUANTIZATIONS:
        raise ModelError(f"quantization={quantization!r} is unknown: {', '.join(QUANTIZATIONS)}")
    if find_spec("bitsandbytes") is None:
        raise MissingExtra("hf", f"Loading in {quantization}")
    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
