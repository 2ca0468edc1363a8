"""Generated texts that remember why they ended, and the loop that the local backends share."""

import copy
import functools
import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lm_eval.api.instance import Instance
from lm_eval.models.utils import (
    handle_stop_sequences,
    normalize_gen_kwargs,
    postprocess_generated_text,
)
from tqdm import tqdm

from medbench.errors import ModelError

__all__ = [
    "Encoded",
    "FinishReason",
    "GeneratesBatches",
    "Generation",
    "Settings",
    "finish_reason",
    "prompt_room",
    "tell_cut",
]

log = logging.getLogger(__name__)

FinishReason = Literal["stop", "length"]
Encoded = tuple[tuple[str, str] | None, list[int], list[int]]
"""((context, continuation) as text, context tokens, continuation tokens)."""


class Generation(str):
    """A generated text with the reason why it ended.

    lm-eval hands plain strings from models to filters; this one passes through unchanged, so that
    a cut-off answer can be told from one that says nothing.
    """

    finish_reason: FinishReason | None

    def __new__(cls, text: str, finish_reason: FinishReason | None = None) -> "Generation":
        """Attach the reason to the text."""
        self = super().__new__(cls, text)
        self.finish_reason = finish_reason
        return self

    def __reduce__(self) -> tuple[type["Generation"], tuple[str, FinishReason | None]]:
        """Survive pickling (lm-eval's response cache)."""
        return Generation, (str(self), self.finish_reason)


def finish_reason(output: str) -> FinishReason | None:
    """Return why an output ended; None where the backend does not tell (lm-eval's own classes)."""
    return output.finish_reason if isinstance(output, Generation) else None


def prompt_room(answer: int, context: int) -> int:
    """Return how many of a model's tokens are left for a prompt.

    Args:
        answer: Tokens kept for a generated answer.
        context: Tokens that the model reads at once.

    Raises:
        ModelError: the answer alone is longer than the model's context.
    """
    if answer >= context:
        raise ModelError(
            f"max_gen_toks={answer} leaves no room for a prompt in the model's {context} tokens; "
            "lower it with --gen-kwargs max_gen_toks=…"
        )
    return context - answer


@functools.cache
def tell_cut(task: str, cut: int, prompts: int, context: int) -> None:
    """Warn that prompts of a task do not fit; the same is told once, by whoever sees it first."""
    if cut:
        log.warning(
            "%s: %s of %s prompts do not fit into the model's %s tokens and are cut from the left, "
            "so examples are lost first; --num-fewshot asks for fewer, --gen-kwargs max_gen_toks=… "
            "keeps less room for generated answers",
            task,
            *(f"{number:,}" for number in (cut, prompts, context)),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """How one request is to be generated."""

    until: tuple[str, ...]
    """Stop strings, the end-of-text token among them."""
    max_new_tokens: int
    options: tuple[tuple[str, Any], ...]
    """What is left of the task's generation_kwargs: do_sample, temperature, repetition_penalty…"""


class GeneratesBatches:
    """A mix-in for lm-eval model classes: `generate_until` in terms of `generate_batch`.

    Requests with the same settings go together, longest first. A prompt that does not leave room
    for its answer is cut from the left, as lm-eval does, and the log says of how many that is so.
    """

    tokenizer: Any
    max_length: int
    max_gen_toks: int
    think_end_token: str | int | None
    batch_size: int | str
    rank: int
    cache_hook: Any
    tok_encode: Callable[..., list[int]]

    @abstractmethod
    def generate_batch(
        self, prompts: Sequence[list[int]], settings: Settings
    ) -> list[tuple[str, FinishReason]]:
        """Continue tokenised prompts; the text may still hold a stop string."""

    def generate_until(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[Generation]:
        """Generate for every request, in the order of the requests."""
        answers: dict[int, Generation] = {}
        groups = list(self.groups(requests))
        hidden = disable_tqdm or self.rank != 0
        with tqdm(total=len(requests), disable=hidden, desc="Generating") as progress:
            for settings, indices, prompts in groups:
                for number, text, reason in self.generate_texts(prompts, settings):
                    index = indices[number]
                    answers[index] = Generation(self.finished(text, settings), reason)
                    request = requests[index]
                    self.cache_hook.add_partial("generate_until", request.args, answers[index])
                    progress.update(1)
        return [answers[index] for index in range(len(requests))]

    def generate_texts(
        self, prompts: Sequence[list[int]], settings: Settings
    ) -> Iterator[tuple[int, str, FinishReason]]:
        """Yield (index, text, reason) for prompts that are alike in their settings."""
        size = 64 if self.batch_size == "auto" else int(self.batch_size)
        order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            outputs = self.generate_batch([prompts[index] for index in batch], settings)
            for index, (text, reason) in zip(batch, outputs, strict=True):
                yield index, text, reason

    def groups(
        self, requests: list[Instance]
    ) -> Iterator[tuple[Settings, list[int], list[list[int]]]]:
        """Yield (settings, request indices, prompts), alike settings together.

        Raises:
            ModelError: the answer alone is longer than the model's context.
        """
        found: dict[str, tuple[Settings, list[int], list[list[int]]]] = {}
        asked = Counter(str(request.task_name) for request in requests)
        cut: Counter[str] = Counter()
        for index, request in enumerate(requests):
            context, arguments = request.args
            settings = self.settings(arguments)
            room = prompt_room(settings.max_new_tokens, self.max_length)
            prompt = self.tok_encode(context)[-(request.doc.get("prompt_tokens") or 0) :]
            cut[str(request.task_name)] += len(prompt) > room
            _, indices, prompts = found.setdefault(repr(settings), (settings, [], []))
            indices.append(index)
            prompts.append(prompt[-room:])
        for task, number in cut.items():
            tell_cut(task, number, asked[task], self.max_length)
        yield from found.values()

    def settings(self, arguments: dict[str, Any]) -> Settings:
        """Read a task's generation_kwargs."""
        given = dict(normalize_gen_kwargs(copy.deepcopy(arguments), self.max_gen_toks))
        end = self.tokenizer.eos_token
        until = handle_stop_sequences(given.pop("until", None), eos=end)
        max_new_tokens = int(given.pop("max_gen_toks"))
        return Settings(tuple(until), max_new_tokens, tuple(sorted(given.items())))

    def finished(self, text: str, settings: Settings) -> str:
        """Cut a text at its first stop string, thinking removed."""
        mark = self.think_end_token if isinstance(self.think_end_token, str) else None
        return str(postprocess_generated_text(text, list(settings.until), mark))
