"""`--model medbench-hf`: lm-eval's Hugging Face class plus what a medical run needs.

It tells why a generation ended, loads 4-bit and 8-bit models on transformers 5 (lm-eval 0.4.13's
own `load_in_4bit` raises there), and folds a system message into the first user turn where a chat
template knows no system role, instead of dropping the instruction.
"""

from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM

from medbench.engine.chat import render_chat
from medbench.engine.generation import FinishReason, GeneratesBatches, Settings
from medbench.errors import MissingExtra, ModelError

__all__ = ["QUANTIZATIONS", "MedbenchHF"]

QUANTIZATIONS = ("nf4", "fp4", "int8")


class MedbenchHF(GeneratesBatches, HFLM):  # type: ignore[misc]
    """Causal models through transformers; `quantization=nf4|fp4|int8` quantises at load."""

    def _create_model(
        self,
        pretrained: str,
        *,
        quantization: str | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        if quantization is not None:
            if quantization_config is not None:
                raise ModelError(
                    f"{pretrained} is quantised already; load it without quantization="
                )
            quantization_config = bitsandbytes_config(quantization)
        super()._create_model(pretrained, quantization_config=quantization_config, **kwargs)

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Render a conversation; a refused system role is folded into the first user turn."""
        return render_chat(
            self.tokenizer, chat_history, add_generation_prompt, **self.chat_template_args
        )

    def generate_batch(
        self, prompts: Sequence[list[int]], settings: Settings
    ) -> list[tuple[str, FinishReason]]:
        """Left-pad, generate, and see for each row whether it ended by itself."""
        width = max(len(prompt) for prompt in prompts)
        pad = self.tokenizer.pad_token_id
        rows = [[pad] * (width - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        tokens = self._model_generate(
            context=torch.tensor(rows, device=self.device),  # (B, T)
            attention_mask=torch.tensor(mask, device=self.device),
            stop=list(settings.until),
            max_length=width + settings.max_new_tokens,
            **dict(settings.options),
        )
        return [self.ending(row, settings) for row in tokens[:, width:].tolist()]

    def ending(self, row: list[int], settings: Settings) -> tuple[str, FinishReason]:
        """Decode one row up to its end-of-text token; tell whether it has an end at all."""
        ends = {self.eot_token_id, self.tokenizer.eos_token_id, *self.generation_ends()}
        length = next((at for at, token in enumerate(row) if token in ends), len(row))
        marked = self.tok_decode(row[:length], skip_special_tokens=False)
        stopped = length < len(row) or any(stop in marked for stop in settings.until)
        return self.tok_decode(row[:length]), "stop" if stopped else "length"

    def generation_ends(self) -> list[int]:
        """Return the end tokens that the model's own generation config names."""
        end = self.model.generation_config.eos_token_id
        return end if isinstance(end, list) else [end]


def bitsandbytes_config(quantization: str) -> Any:
    """Return nf4 or fp4 (double quantisation, bfloat16 compute) or int8, as QLoRA sets them.

    Source: arXiv 2305.14314.

    Raises:
        ModelError: the name is unknown.
        MissingExtra: bitsandbytes is not installed.
    """
    from importlib.util import find_spec

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
