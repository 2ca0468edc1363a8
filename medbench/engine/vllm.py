"""`--model medbench-vllm`: lm-eval's vLLM class; letters are one request, adapters are read.

lm-eval sends a question's whole prompt once for every option and asks for the log-probabilities of
all its tokens, which keeps vLLM from using its prefix cache. Here a question's single-token options
are one request for one token, which reports the log-probabilities of exactly these.

LoRA rank and target modules come from the adapter's own configuration: lm-eval's default rank of
16 refuses larger adapters, and vLLM's CPU build needs the module names to batch log-probabilities.
"""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_eval.models.vllm_causallms import VLLM
from vllm import SamplingParams

from medbench.engine.adapter import read_adapter
from medbench.engine.chat import render_chat
from medbench.engine.generation import Encoded, FinishReason, GeneratesBatches, Settings

__all__ = ["MedbenchVLLM"]

CAN_ASK = "logprob_token_ids" in inspect.signature(SamplingParams).parameters
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM accepts as max_lora_rank


class MedbenchVLLM(GeneratesBatches, VLLM):  # type: ignore[misc]
    """Causal models through vLLM; `lora_local_path` takes any LoRA adapter that vLLM can run."""

    def __init__(self, pretrained: str, *, lora_local_path: str | None = None, **kwargs: Any):
        if lora_local_path is not None:
            adapter = read_adapter(Path(lora_local_path))
            adapter.check_vllm()
            kwargs.setdefault("max_lora_rank", next(r for r in RANKS if r >= adapter.rank))
            if adapter.target_modules:  # an empty list would switch the adapter off
                kwargs.setdefault("lora_target_modules", list(adapter.target_modules))
        super().__init__(pretrained, lora_local_path=lora_local_path, **kwargs)

    def _loglikelihood_tokens(
        self, requests: list[Encoded], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Score single-token options by question; all others, and what is too long, one by one."""
        asked: dict[tuple[int, ...], set[int]] = {}
        for _, context, option in requests:
            if CAN_ASK and len(option) == 1 and len(context) < self.max_length:
                asked.setdefault(tuple(context), set()).add(option[0])
        answers = self.next_tokens(asked) if asked else {}
        scores: dict[int, tuple[float, bool]] = {}
        for index, (key, context, option) in enumerate(requests):
            row = answers.get(tuple(context), {})
            if len(option) == 1 and option[0] in row:
                scores[index] = (row[option[0]], row[option[0]] == max(row.values()))
                if key is not None:
                    self.cache_hook.add_partial("loglikelihood", key, scores[index])
        rest = [index for index in range(len(requests)) if index not in scores]
        if rest:
            others = super()._loglikelihood_tokens([requests[i] for i in rest], disable_tqdm)
            scores |= zip(rest, others, strict=True)
        return [scores[index] for index in range(len(requests))]

    def next_tokens(
        self, asked: Mapping[tuple[int, ...], set[int]]
    ) -> dict[tuple[int, ...], dict[int, float]]:
        """Return, for each prompt, the log-probabilities of the asked tokens and of the best one.

        Prompts go in the order of their tokens, so that those that begin alike follow each other.
        """
        prompts = sorted(asked)
        outputs = self._model_generate(
            requests=[list(prompt) for prompt in prompts],
            generate=True,
            sampling_params=[
                SamplingParams(
                    temperature=0,
                    max_tokens=1,
                    ignore_eos=True,
                    detokenize=False,
                    logprob_token_ids=sorted(asked[prompt]),
                )
                for prompt in prompts
            ],
        )
        return {
            prompt: {token: entry.logprob for token, entry in output.outputs[0].logprobs[0].items()}
            for prompt, output in zip(prompts, outputs, strict=True)
        }

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
