"""`--model medbench-vllm`: lm-eval's vLLM class with vLLM's prefix cache put to use.

lm-eval sends a question's whole prompt once for every option and asks for the log-probabilities of
all its tokens, which keeps vLLM from reading its prefix cache. Here a question is one request for
one token for each inner node of the tree of its options (single-token letters: one request), and
what prompts begin with alike is computed once.

LoRA rank and target modules come from the adapters' own configuration: lm-eval's default rank of
16 refuses larger adapters, and vLLM's CPU build needs the module names to batch log-probabilities.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_eval.models.vllm_causallms import VLLM
from vllm import SamplingParams, sampling_params
from vllm.lora.request import LoRARequest
from vllm.platforms import current_platform

from medbench.engine.adapter import lora_settings, read_adapter
from medbench.engine.generation import Encoded, FinishReason, GeneratesBatches, Settings
from medbench.engine.next_tokens import (
    Children,
    Prompt,
    Score,
    add_up,
    cheap_tree,
    pieces,
)
from medbench.scoring.chat import render_chat

__all__ = ["MedbenchVLLM"]

CAN_ASK = "logprob_token_ids" in inspect.signature(SamplingParams).parameters
MOST_ASKED: int = getattr(sampling_params, "MAX_LOGPROB_TOKEN_IDS", 20)
"""Tokens that one request may ask for; 20 is vLLM's oldest limit."""
PIECE = 1 << 22
"""Prompt tokens that are handed to vLLM at once; all of a large task would fill the memory."""
CPU_BLOCK = 32
"""vLLM's own default on a CPU, 128, caches in steps too coarse for a question's options; its
attention needs multiples of 32."""


class MedbenchVLLM(GeneratesBatches, VLLM):  # type: ignore[misc]
    """Causal models through vLLM; `lora_local_path` takes any LoRA adapter that vLLM can run.

    `adapters` are folders of LoRA adapters to choose from with `use_adapter`; the model is loaded
    once for all of them.
    """

    def __init__(
        self,
        pretrained: str,
        *,
        lora_local_path: str | None = None,
        adapters: Sequence[str] = (),
        **kwargs: Any,
    ):
        paths = list(dict.fromkeys([*([lora_local_path] if lora_local_path else []), *adapters]))
        if paths:
            found = [read_adapter(Path(path)) for path in paths]
            for adapter in found:
                adapter.check_vllm()
            kwargs = {"enable_lora": True} | lora_settings(found) | kwargs
        if current_platform.is_cpu():
            kwargs.setdefault("block_size", CPU_BLOCK)
        super().__init__(pretrained, **kwargs)
        # vLLM's prefix cache tells adapters apart by their names
        self.adapters = {
            path: LoRARequest(f"adapter-{number}", number, path)
            for number, path in enumerate(paths, start=1)
        }
        self.use_adapter(lora_local_path)

    def use_adapter(self, path: str | None) -> None:
        """Answer with one of the adapters from now on; None: without any."""
        self.lora_request = self.adapters[path] if path else None

    def close(self) -> None:
        """End vLLM's processes, which hold the device's memory; nothing can be asked any more."""
        if self.data_parallel_size == 1:  # else engines live for one call each
            self.model.llm_engine.engine_core.shutdown()

    @property
    def cache_block(self) -> int | None:
        """Tokens of a block of vLLM's prefix cache; None: nothing is cached."""
        if self.data_parallel_size > 1:  # engines live for one call each, out of reach
            return 16
        cache = self.model.llm_engine.vllm_config.cache_config
        return int(cache.block_size) if cache.enable_prefix_caching else None

    def _loglikelihood_tokens(
        self, requests: list[Encoded], disable_tqdm: bool = False
    ) -> list[Score]:
        """Score questions as trees; in lm-eval's way what is too long, or cheaper so."""
        scores: dict[int, Score] = {}
        members = self.by_context(requests) if CAN_ASK else {}
        questions: dict[Prompt, Children] = {}
        for context, indices in members.items():
            options = [requests[index][2] for index in indices]
            if children := cheap_tree(len(context), options, self.cache_block):
                questions[context] = children
        for contexts, asked in pieces(questions, PIECE):
            answers = self.next_tokens(asked)
            for context in contexts:
                for index in members[context]:
                    key, _, option = requests[index]
                    scores[index] = add_up(context, option, answers)
                    if key is not None:
                        self.cache_hook.add_partial("loglikelihood", key, scores[index])
        rest = [index for index in range(len(requests)) if index not in scores]
        if rest:
            others = super()._loglikelihood_tokens([requests[i] for i in rest], disable_tqdm)
            scores |= zip(rest, others, strict=True)
        return [scores[index] for index in range(len(requests))]

    def by_context(self, requests: list[Encoded]) -> dict[Prompt, list[int]]:
        """Return the indices of the requests of each context that fits with all its options.

        What is too long is left to lm-eval's way, which cuts from the left; empty options, too.
        """
        found: dict[Prompt, list[int]] = {}
        for index, (_, context, _) in enumerate(requests):
            found.setdefault(tuple(context), []).append(index)
        lengths = {
            context: [len(requests[index][2]) for index in indices]
            for context, indices in found.items()
        }
        return {
            context: indices
            for context, indices in found.items()
            if min(lengths[context]) > 0 and len(context) + max(lengths[context]) <= self.max_length
        }

    def next_tokens(self, asked: Mapping[Prompt, set[int]]) -> dict[Prompt, dict[int, float]]:
        """Return, for each prompt, the log-probabilities of the asked tokens and of the best one.

        Prompts go in the order of their tokens, so that those that begin alike follow each other.
        """
        requests = [
            (prompt, sorted(asked[prompt])[start : start + MOST_ASKED])
            for prompt in sorted(asked)
            for start in range(0, len(asked[prompt]), MOST_ASKED)
        ]
        outputs = self._model_generate(
            requests=[list(prompt) for prompt, _ in requests],
            generate=True,
            sampling_params=[
                SamplingParams(
                    temperature=0,
                    max_tokens=1,
                    ignore_eos=True,
                    detokenize=False,
                    logprob_token_ids=tokens,
                )
                for _, tokens in requests
            ],
        )
        found: dict[Prompt, dict[int, float]] = {}
        for (prompt, _), output in zip(requests, outputs, strict=True):
            row = output.outputs[0].logprobs[0]
            found.setdefault(prompt, {}).update((token, row[token].logprob) for token in row)
        return found

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Render a conversation as `medbench-hf` does."""
        return render_chat(
            self.tokenizer,
            chat_history,
            add_generation_prompt,
            chat_template=self.hf_chat_template,
            **self.chat_template_args,
        )

    def generate_texts(
        self, prompts: Sequence[list[int]], settings: Settings
    ) -> Iterator[tuple[int, str, FinishReason]]:
        """Hand all prompts to vLLM, whose own scheduler keeps its rows full."""
        for index, (text, reason) in enumerate(self.generate_batch(prompts, settings)):
            yield index, text, reason

    def generate_batch(
        self, prompts: Sequence[list[int]], settings: Settings
    ) -> list[tuple[str, FinishReason]]:
        """Generate; vLLM tells the finish reason itself."""
        options = {"skip_special_tokens": False, **dict(settings.options)}
        options.pop("do_sample", None)
        outputs = self._model_generate(
            requests=list(prompts),
            generate=True,
            sampling_params=SamplingParams(
                max_tokens=settings.max_new_tokens, stop=list(settings.until), **options
            ),
        )
        finished = [output.outputs[0] for output in outputs]
        return [
            (one.text, "length" if one.finish_reason == "length" else "stop") for one in finished
        ]
