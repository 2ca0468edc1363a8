"""`--model medbench-hf`: lm-eval's Hugging Face class plus what a medical run needs.

It tells why a generation ended, loads 4-bit and 8-bit models on transformers 5 (lm-eval 0.4.13's
own `load_in_4bit` raises there), and folds a system message into the first user turn where a chat
template knows no system role, instead of dropping the instruction.
"""

import functools
import logging
from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from safetensors import SafetensorError
from tqdm import tqdm

from medbench.engine.chat import render_chat
from medbench.engine.generation import Encoded, FinishReason, GeneratesBatches, Settings
from medbench.engine.option_tree import Branches, Score, score_trees, trees_work, window
from medbench.engine.shared_prefix import Prefix, groups
from medbench.errors import MissingExtra, ModelError

__all__ = ["QUANTIZATIONS", "MedbenchHF"]

log = logging.getLogger(__name__)
QUANTIZATIONS = ("nf4", "fp4", "int8")


class MedbenchHF(GeneratesBatches, HFLM):  # type: ignore[misc]
    """Causal models through transformers; `quantization=nf4|fp4|int8` quantises at load.

    The softmax is taken in float32: in 16 bits, log-probabilities fall on a grid of 1/8, letters
    tie, and the first one wins.
    """

    def __init__(self, pretrained: Any, *, softmax_dtype: str = "float32", **kwargs: Any) -> None:
        try:
            super().__init__(pretrained, softmax_dtype=softmax_dtype, **kwargs)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).split("\n\n")[0]
            raise ModelError(f"{pretrained} could not be loaded: {reason}") from error

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

    def _loglikelihood_tokens(
        self,
        requests: list[Encoded],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[Score]:
        """Score requests, all continuations of a context together where the model allows it."""
        scores: dict[int, Score] = {}
        members = self.by_context(requests) if self.can_score_trees else {}
        progress = tqdm(
            total=len(members), disable=disable_tqdm or self.rank != 0, desc="Scoring questions"
        )
        size = override_bs or (8 if self.batch_size == "auto" else int(self.batch_size))
        for length, contexts in groups(list(members)):
            prefix = Prefix.of(self.model, contexts[0][:length]) if length else None
            contexts.sort(key=len, reverse=True)
            for start in range(0, len(contexts), size):
                batch = contexts[start : start + size]
                trees = [
                    Branches.of(context[length:], [requests[i][2] for i in members[context]])
                    for context in batch
                ]
                found = score_trees(self.model, trees, prefix)
                for context, row in zip(batch, found, strict=True):
                    self.remember(requests, members[context], row, scores)
                progress.update(len(batch))
        progress.close()
        rest = [index for index in range(len(requests)) if index not in scores]
        others = super()._loglikelihood_tokens(
            [requests[index] for index in rest], disable_tqdm or not rest, override_bs
        )
        scores |= zip(rest, others, strict=True)
        return [scores[index] for index in range(len(requests))]

    def remember(
        self,
        requests: list[Encoded],
        indices: list[int],
        found: list[Score],
        scores: dict[int, Score],
    ) -> None:
        """Keep one context's scores, and tell lm-eval's response cache as its own classes do."""
        for index, score in zip(indices, found, strict=True):
            scores[index] = score
            if requests[index][0] is not None:
                self.cache_hook.add_partial("loglikelihood", requests[index][0], score)

    @functools.cached_property
    def can_score_trees(self) -> bool:
        """Tell whether this model can score continuations as a tree; say it once if not."""
        works = self.backend == "causal" and trees_work(self.model)
        if not works:
            log.warning("this model scores continuations one by one, as lm-eval's hf does")
        return works

    def by_context(self, requests: list[Encoded]) -> dict[tuple[int, ...], list[int]]:
        """Return the indices of the requests of each context that a tree can score exactly.

        What is too long for the model is left to lm-eval's path, which cuts from the left; what is
        wider than a sliding window, too.
        """
        most = min(self.max_length, window(self.model) or self.max_length)
        contexts: dict[tuple[int, ...], list[int]] = {}
        for index, (_, context, _) in enumerate(requests):
            contexts.setdefault(tuple(context), []).append(index)
        return {
            context: members
            for context, members in contexts.items()
            if len(context) + max(len(requests[index][2]) for index in members) <= most
        }

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
        ends = self.end_tokens(settings)
        length = next((at for at, token in enumerate(row) if token in ends), len(row))
        marked = self.tok_decode(row[:length], skip_special_tokens=False)
        stopped = length < len(row) or any(stop in marked for stop in settings.until)
        thought = [at for at, token in enumerate(row[:length]) if token == self.think_end_token]
        text = self.tok_decode(row[thought[-1] + 1 if thought else 0 : length])
        if isinstance(self.think_end_token, int):
            text = text.lstrip()
        return text, "stop" if stopped else "length"

    def end_tokens(self, settings: Settings) -> set[int]:
        """Return the tokens that end a text: the tokenizer's, the model's own, the task's.

        A stop string that is a special token, like <|im_end|>, is not in the decoded text, and the
        row may go on behind it until the rest of its batch has ended.
        """
        end = self.model.generation_config.eos_token_id
        special = set(self.tokenizer.all_special_tokens) & set(settings.until)
        return {
            self.eot_token_id,
            self.tokenizer.eos_token_id,
            *(end if isinstance(end, list) else [end]),
            *self.tokenizer.convert_tokens_to_ids(sorted(special)),
        }


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
