"""The next token of greedy decoding, as a model's generation settings change it.

Many chat models ship a repetition penalty that transformers applies in greedy decoding too, so a
text is the same only where it is applied here.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from medbench.engine.generation import Settings
from medbench.engine.packed.texts import Choose, Row

__all__ = ["chooser"]

HARMLESS = {
    *("_from_model_config", "transformers_version", "cache_implementation", "use_cache"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"),
    *("do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p"),
    *("max_length", "max_new_tokens", "return_dict_in_generate", "output_attentions"),
    *("output_hidden_states", "output_logits", "output_scores"),
}
"""Settings that say nothing of greedy decoding."""


def chooser(config: Any, settings: Settings, device: torch.device) -> Choose | None:
    """Return how next tokens are chosen; None where it is not greedy decoding that we know.

    `config` is the model's generation_config; the task's settings go before it.
    """
    given = {key: value for key, value in config.to_diff_dict().items() if value is not None}
    given |= dict(settings.options)
    if given.get("do_sample"):
        return None
    known: list[LogitsProcessor] = []
    penalty, length = given.pop("repetition_penalty", 1.0), given.pop("no_repeat_ngram_size", 0)
    if set(given) - HARMLESS:
        return None
    if penalty != 1.0:
        known.append(RepetitionPenaltyLogitsProcessor(penalty))
    if length:
        known.append(NoRepeatNGramLogitsProcessor(length))

    @torch.inference_mode()
    def choose(rows: Sequence[Row], logits: torch.Tensor) -> list[int]:
        for row, scores in zip(rows, logits, strict=True) if known else ():
            ids = torch.tensor([[*row.prompt, *row.tokens]], device=device)
            for processor in known:
                scores.copy_(processor(ids, scores[None])[0])
        return logits.argmax(-1).tolist()

    return choose
