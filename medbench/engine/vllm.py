"""`--model medbench-vllm`: lm-eval's vLLM class; adapters are read, not guessed.

LoRA rank and target modules come from the adapter's own configuration: lm-eval's default rank of
16 refuses larger adapters, and vLLM's CPU build needs the module names to batch log-probabilities.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lm_eval.models.vllm_causallms import VLLM
from vllm import SamplingParams

from medbench.engine.adapter import read_adapter
from medbench.engine.chat import render_chat
from medbench.engine.generation import FinishReason, GeneratesBatches, Settings

__all__ = ["MedbenchVLLM"]

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
