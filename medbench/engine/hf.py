"""`--model medbench-hf`: lm-eval's Hugging Face class on the packed engine.

Every shared token is computed once, logits only where they are read, softmax in float32: in 16
bits, log-probabilities fall on a grid of 1/8, letters tie, and the first one wins. What the engine
cannot do for a model takes lm-eval's own path, and the log says so once.

The class also tells why a generation ended, loads 4-bit and 8-bit models on transformers 5
(lm-eval 0.4.13's own `load_in_4bit` raises there), and folds a system message into the first user
turn where a chat template knows no system role, instead of dropping the instruction.
"""

import functools
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from tqdm import tqdm

from medbench.engine.generation import Encoded, FinishReason, GeneratesBatches, Settings
from medbench.engine.loading import LOAD_ERRORS, not_loaded
from medbench.engine.packed.scores import BATCH_TOKENS, Limits, Score, score
from medbench.engine.packed.texts import Row, generate
from medbench.engine.packed.trial import packing_works, widest
from medbench.engine.packed.trie import Branches
from medbench.engine.processors import chooser
from medbench.engine.quantization import bitsandbytes_config
from medbench.errors import ModelError
from medbench.scoring.chat import render_chat

__all__ = ["MedbenchHF"]

log = logging.getLogger(__name__)
ROWS = 32
"""Texts generated at once where batch_size is auto."""
ORDINARY_ROWS = 8
"""Rows of lm-eval's path on a processor where batch_size is auto; it can't measure memory there."""


class MedbenchHF(GeneratesBatches, HFLM):  # type: ignore[misc]
    """Causal models through transformers.

    `quantization=nf4|fp4|int8` quantises at load; `batch_tokens` is the most tokens of one forward
    pass; `batch_size` is the number of texts generated at once; `strict` makes answers independent
    of batch size, order and neighbours, and slower.
    """

    def __init__(
        self,
        pretrained: Any,
        *,
        softmax_dtype: str = "float32",
        batch_tokens: int = BATCH_TOKENS,
        strict: bool = False,
        **kwargs: Any,
    ) -> None:
        self.limits = Limits(batch_tokens, strict)
        try:
            super().__init__(pretrained, softmax_dtype=softmax_dtype, **kwargs)
        except LOAD_ERRORS as error:
            raise not_loaded(pretrained, error) from error

    def _create_model(
        self,
        pretrained: str,
        *,
        quantization: str | None = None,
        quantization_config: Any = None,
        peft: str | None = None,
        **kwargs: Any,
    ) -> None:
        if peft is not None:
            import medbench.molora  # noqa: F401  (PEFT knows MOLORA from here on)
        if quantization is not None and quantization_config is not None:
            raise ModelError(f"{pretrained} is quantised already; load it without quantization=")
        if quantization is not None:
            quantization_config = bitsandbytes_config(quantization)
        with warnings.catch_warnings():
            # lm-eval hands on the checkpoint's own; None would make transformers drop that
            warnings.filterwarnings("ignore", "You passed `quantization_config`", UserWarning)
            super()._create_model(
                pretrained, quantization_config=quantization_config, peft=peft, **kwargs
            )

    def _create_tokenizer(
        self, pretrained: Any, tokenizer: Any, revision: str | None = "main", **kwargs: Any
    ) -> None:
        # the revision is the model's; another repository has no such commit
        own = "main" if isinstance(tokenizer, str) and tokenizer != pretrained else revision
        super()._create_tokenizer(pretrained, tokenizer, revision=own, **kwargs)

    def _loglikelihood_tokens(
        self,
        requests: list[Encoded],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[Score]:
        """Score requests packed where the model allows it, the others in lm-eval's way."""
        scores: dict[int, Score] = {}
        members = self.by_context(requests) if self.can_pack else {}
        questions = [
            Branches.of(context, [requests[index][2] for index in indices])
            for context, indices in members.items()
        ]
        groups = list(members.values())
        hidden = disable_tqdm or self.rank != 0
        with tqdm(total=len(questions), disable=hidden, desc="Scoring questions") as progress:
            for number, found in score(self.base, questions, self.limits):
                self.remember(requests, groups[number], found, scores)
                progress.update(1)
        rest = [index for index in range(len(requests)) if index not in scores]
        others = super()._loglikelihood_tokens(
            [requests[index] for index in rest],
            disable_tqdm or not rest,
            override_bs or self.ordinary_rows,
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
        for index, one in zip(indices, found, strict=True):
            scores[index] = one
            if requests[index][0] is not None:
                self.cache_hook.add_partial("loglikelihood", requests[index][0], one)

    @property
    def base(self) -> Any:
        """The transformers model; an adapter's layers are inside it."""
        peft = sys.modules.get("peft")  # its import takes seconds, and most runs need none
        if peft is not None and isinstance(self.model, peft.PeftModel):
            return self.model.get_base_model()
        return self.model

    @functools.cached_property
    def can_pack(self) -> bool:
        """Tell whether the packed engine works for this model; say it once if not.

        Raises:
            ModelError: it does not, and strict answers were asked for.
        """
        works = (
            self.backend == "causal"
            and self.mixed_precision_dtype is None
            and packing_works(self.base, self.model)
        )
        if not works and self.limits.strict:
            raise ModelError(
                "this model's attention can't be computed in parts; run it without strict"
            )
        if not works:
            log.warning("this model takes lm-eval's own path, which computes shared tokens anew")
        return works

    @functools.cached_property
    def longest(self) -> int:
        """Tokens up to which the packed engine is exact; what is longer takes lm-eval's path."""
        return min(self.max_length, widest(self.base) or self.max_length)

    @property
    def ordinary_rows(self) -> int | None:
        """Rows of lm-eval's own path; None: as lm-eval decides."""
        return ORDINARY_ROWS if self.batch_size == "auto" and self.device.type == "cpu" else None

    def by_context(self, requests: list[Encoded]) -> dict[tuple[int, ...], list[int]]:
        """Return the indices of the requests of each context that the engine scores exactly.

        What is too long is left to lm-eval's path, which cuts from the left.
        """
        contexts: dict[tuple[int, ...], list[int]] = {}
        for index, (_, context, _) in enumerate(requests):
            contexts.setdefault(tuple(context), []).append(index)
        return {
            context: members
            for context, members in contexts.items()
            if len(context) + max(len(requests[index][2]) for index in members) <= self.longest
        }

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Render a conversation; a refused system role is folded into the first user turn."""
        return render_chat(
            self.tokenizer, chat_history, add_generation_prompt, **self.chat_template_args
        )

    def generate_texts(
        self, prompts: Sequence[list[int]], settings: Settings
    ) -> Iterator[tuple[int, str, FinishReason]]:
        """Generate greedily with rows that come and go; all else in batches, as transformers does.

        Yields (index, text, reason) as soon as a text is done.
        """
        choose = chooser(self.model.generation_config, settings, self.device)
        longest = max(map(len, prompts)) + settings.max_new_tokens
        if choose is None or not self.can_pack or longest > self.longest:
            yield from super().generate_texts(prompts, settings)
            return
        ends, most = self.end_tokens(settings), settings.max_new_tokens
        has_stop = self.stop_finder(settings)

        def is_done(row: Row) -> bool:
            last = row.tokens[-1]
            return last in ends or len(row.tokens) >= most or has_stop(row.tokens)

        rows = ROWS if self.batch_size == "auto" else int(self.batch_size)
        for row in generate(self.base, prompts, choose, is_done, self.limits, rows):
            yield row.index, *self.ending(row.tokens, settings)

    def stop_finder(self, settings: Settings) -> Callable[[Sequence[int]], bool]:
        """Return a check of a text's last tokens for a stop string."""
        stops = settings.until
        width = max((len(self.tok_encode(stop)) for stop in stops), default=0) + 4

        def has_stop(tokens: Sequence[int]) -> bool:
            tail = self.tok_decode(tokens[-width:], skip_special_tokens=False)
            return any(stop in tail for stop in stops)

        return has_stop

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
