"""`--model medbench-openai`: any server that speaks OpenAI's completions API (`vllm serve`, …).

Log-likelihoods need a server that echoes the prompt's log-probabilities, as vLLM's does.
"""

from operator import itemgetter
from typing import Any

from lm_eval.models.openai_completions import LocalCompletionsAPI

from medbench.engine.generation import FinishReason, Generation
from medbench.scoring.chat import render_chat

__all__ = ["MedbenchOpenAI"]


class MedbenchOpenAI(LocalCompletionsAPI):  # type: ignore[misc]
    """Prompts are tokenised here, by the model's own tokenizer, as `medbench-hf` does."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("tokenizer_backend", "huggingface")
        super().__init__(**kwargs)

    @staticmethod
    def parse_generations(
        outputs: dict[str, Any] | list[dict[str, Any]], **_: object
    ) -> list[Generation]:
        """Keep each choice's finish reason."""
        answers = []
        for output in outputs if isinstance(outputs, list) else [outputs]:
            for choice in sorted(output["choices"], key=itemgetter("index")):
                reason: FinishReason = (
                    "length" if choice.get("finish_reason") == "length" else "stop"
                )
                answers.append(Generation(choice["text"], reason))
        return answers

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Render a conversation here: the completions endpoint takes text, not turns."""
        return render_chat(self.tokenizer, chat_history, add_generation_prompt)

    def tok_encode(self, string: str | list[str], *args: Any, **kwargs: Any) -> Any:
        """Add special tokens as the tokenizer does by itself, but never a second BOS."""
        texts = [string] if isinstance(string, str) else list(string)
        bos = self.tokenizer.bos_token
        encoded = [
            self.tokenizer.encode(text, add_special_tokens=bos is None or not text.startswith(bos))
            for text in texts
        ]
        return encoded[0] if isinstance(string, str) else encoded
