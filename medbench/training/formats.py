"""Questions as text to learn: the prompt that evaluation asks, and the answer that it wants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jinja2.exceptions import TemplateError

from medbench.errors import RecipeError, TaskError
from medbench.question import Question
from medbench.recipe import Data, Mixed
from medbench.scoring.chat import render_chat, turn_end
from medbench.scoring.protocols import PROTOCOLS, Protocol, protocol

__all__ = ["Format", "Text", "check_template", "format_of", "is_known"]

FLASHCARD = (
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n### Instruction:\n{question}\n### Response:"
)
EXPLAINED = ("cot", "rationale")
"""Protocols that ask for reasons: what has none would teach to leave them out."""


def flashcard(question: Question) -> str:
    """FlowerTune's training prompt (adap/flower, examples/flowertune-llm-medical)."""
    return FLASHCARD.format(question=question.text)


def card_answer(question: Question) -> str:
    """Return the back of a flashcard."""
    return question.rationale


ONLY_TRAINED = {"flashcards": {"flowertune": Protocol(flashcard, card_answer)}}
"""Benchmarks that no task asks."""


@dataclass(frozen=True, slots=True)
class Text:
    """One example as text."""

    source: str
    """Where it is from: benchmark/subset, split and row, protocol."""
    prompt: str
    """What is read."""
    answer: str
    """What is learnt; it follows the prompt directly."""


@dataclass(frozen=True, slots=True)
class Format:
    """How one part of a mixture is written."""

    part: Mixed
    how: Protocol
    frame: Callable[[str], str]
    """Instruction and chat template around a prompt."""
    is_chat: bool

    @property
    def is_scored(self) -> bool:
        """Evaluation compares the log-likelihoods of ready-made answers."""
        return self.how.choices is not None

    def text(self, question: Question) -> Text | None:
        """Write a question down; None where it has nothing to learn in this protocol."""
        answer = self.answer(question)
        if not answer:
            return None
        named = f"{question.benchmark}/{question.subset} {question.id} {self.part.protocol}"
        delimiter = "" if self.is_chat else self.how.delimiter(question)
        return Text(named, self.frame(self.how.prompt(question)), delimiter + answer)

    def answer(self, question: Question) -> str:
        """Return the protocol's answer, reasons included where it asks for them."""
        if self.part.protocol not in EXPLAINED or question.few_shot_cot:
            return self.how.answer(question)
        if not question.rationale.strip():
            return ""
        end = self.how.answer(question)
        if self.part.protocol == "rationale":
            return end
        return f"{question.rationale.strip()}\n{end}"


def format_of(part: Mixed, data: Data, tokenizer: Any) -> Format:
    """Return how a part is written: evaluation's prompt, inside a chat template where asked.

    Raises:
        TaskError: the benchmark has no such protocol.
    """
    how = found(part)

    def plain(prompt: str) -> str:
        return f"{how.instruction}{prompt}"

    def chat(prompt: str) -> str:
        system = system_message(how, data)
        turns = [{"role": "system", "content": system}] if system else []
        return render_chat(tokenizer, [*turns, {"role": "user", "content": prompt}], True)

    is_chat = data.template == "chat"
    return Format(part, how, chat if is_chat else plain, is_chat)


def is_known(benchmark: str) -> bool:
    """Tell whether a benchmark has any protocol."""
    return benchmark in PROTOCOLS or benchmark in ONLY_TRAINED


def found(part: Mixed) -> Protocol:
    """Look a part's protocol up, flashcards included."""
    own = ONLY_TRAINED.get(part.benchmark)
    if own is None or part.benchmark in PROTOCOLS:
        return protocol(part.benchmark, part.protocol)
    if part.protocol not in own:
        raise TaskError(
            f"{part.benchmark} has no protocol {part.protocol!r}; it has {', '.join(own)}"
        )
    return own[part.protocol]


def system_message(how: Protocol, data: Data) -> str:
    """Return the recipe's system message, or the protocol's as evaluation has it.

    Evaluation keeps the blanks at the end of the protocol's, so equal words take its form.
    """
    stated = data.system
    if stated is None or stated.strip() == how.instruction.strip():
        return how.instruction
    return stated


def check_template(tokenizer: Any) -> None:
    """See that there is a chat template, and that it renders.

    Raises:
        RecipeError: there is none, or it fails.
    """
    if not tokenizer.chat_template:
        raise RecipeError(
            "data.template: chat, but the tokenizer has no chat template; use protocol"
        )
    try:
        turn_end(tokenizer)
    except TemplateError as error:
        raise RecipeError(
            f"data.template: the chat template fails on a question and an answer: {error}"
        ) from error
