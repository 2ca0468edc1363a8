"""Protocols: how a question becomes a prompt, and how the output becomes an answer set.

The protocol's name travels with every score, because "PubMedQA" alone names five different tests.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from medbench.errors import TaskError
from medbench.question import Question
from medbench.scoring import originals, prompts

__all__ = ["PROTOCOLS", "Protocol", "protocol"]


def a_blank(_: Question) -> str:
    """Set the answer off from the prompt."""
    return " "


def nothing(_: Question) -> str:
    """Let the answer follow the prompt directly."""
    return ""


def native_delimiter(question: Question) -> str:
    """Return a blank where the language writes any."""
    return "" if question.language in ("zh", "ja") else " "


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way to ask a benchmark's questions."""

    prompt: Callable[[Question], str]
    """What the model reads; no trailing blank unless the original has one."""
    answer: Callable[[Question], str]
    """What a perfect model says: the few-shot answer, and the training target."""
    choices: Callable[[Question], list[str]] | None = None
    """Continuations whose log-likelihoods are compared; None: the answer is generated."""
    rule: originals.Rule | None = None
    """The original's way to read a generated answer, scored beside ours."""
    prompt_tokens: int | None = None
    """Prompts longer than this are cut, from the left; None: only the model's own limit holds."""
    has_own_wrapper: bool = False
    """The prompt brings its frame (Alpaca, ChatML); a chat template around it is one too many."""
    delimiter: Callable[[Question], str] = a_blank
    """Between prompt and answer, the task's `target_delimiter`; a chat template has its own."""
    second: Callable[[str, Question], str] | None = None
    """What follows the generated text in a second pass, before the likeliest letter; None: the text
    is all."""
    instruction: str = ""
    """Before the prompt, the task's `description`; the system message under a chat template."""

    def gold_choice(self, question: Question) -> int:
        """Return the index of the right continuation."""
        assert self.choices is not None, "this protocol generates its answers"
        return self.choices(question).index(self.answer(question))


def letters(question: Question) -> list[str]:
    """Return the option letters."""
    return list(question.options)


def words(question: Question) -> list[str]:
    """Return the option texts: yes, no, maybe."""
    return list(question.options.values())


def gold_letter(question: Question) -> str:
    """Return the right letter of a question that has one, the first of several."""
    return question.gold_letters[0]


def gold_word(question: Question) -> str:
    """Return the right option's text."""
    return question.options[gold_letter(question)]


def native_choices(question: Question) -> list[str]:
    """Return letters, or all option sets where several options may be right."""
    return prompts.option_sets(question) if question.several else letters(question)


def native_answer(question: Question) -> str:
    """Return the right letter, or the right set as `option_sets` writes it."""
    return prompts.set_text(question.gold_letters) if question.several else gold_letter(question)


def sentence(question: Question) -> str:
    """Return the closing line of a chain of thought."""
    if question.context:
        return f"The answer is {gold_word(question)}"
    start = {"en": "The answer is", "es": "La respuesta es"}[question.language]
    return f"{start} ({gold_letter(question)})"


def sllm_answer(question: Question) -> str:
    """Return the target of the Korean fine-tuning experiments, the chain of thought if any."""
    if question.few_shot_cot:
        return f"### 정답: {question.few_shot_cot}"
    letter = gold_letter(question)
    return f"### 정답: {letter}: {question.options[letter]}\n### 설명: {question.rationale}"


def few_shot_cot(question: Question) -> str:
    """Return the written-out chain of thought; the letter alone where a row has none."""
    return question.few_shot_cot or gold_letter(question)


STEP_BY_STEP = Protocol(prompts.step_by_step, sentence)
FLOWERTUNE = Protocol(
    prompts.flowertune,
    gold_letter,
    rule=originals.flowertune,
    has_own_wrapper=True,
    delimiter=nothing,
)
MEDCARE = Protocol(
    prompts.medcare,
    prompts.medcare_answer,
    rule=originals.medcare,
    second=prompts.medcare_second,
    delimiter=nothing,
    instruction=prompts.MEDCARE_INSTRUCTION,
)

PROTOCOLS: dict[str, dict[str, Protocol]] = {
    "mmedbench": {
        "letters": Protocol(
            prompts.native, native_answer, native_choices, delimiter=native_delimiter
        ),
        "paper": Protocol(
            prompts.alpaca_direct,
            prompts.direct_answer,
            rule=originals.mmedbench,
            has_own_wrapper=True,
            delimiter=nothing,
        ),
        "rationale": Protocol(
            prompts.alpaca_rationale,
            prompts.rationale_answer,
            rule=originals.mmedbench,
            has_own_wrapper=True,
            delimiter=nothing,
        ),
        "medcare": MEDCARE,
    },
    "kormedmcqa": {
        "letters": Protocol(prompts.korean, gold_letter, letters),
        "direct": Protocol(prompts.korean, gold_letter, rule=originals.kormedmcqa_direct),
        "cot": Protocol(prompts.korean, few_shot_cot, rule=originals.kormedmcqa),
        "sllm": Protocol(
            prompts.sllm,
            sllm_answer,
            rule=originals.sllm,
            prompt_tokens=3500,
            delimiter=nothing,
            instruction=prompts.SLLM_INSTRUCTION,
        ),
    },
    "usmle": {
        "letters": Protocol(prompts.harness_medqa, gold_letter, letters),
        "cot": STEP_BY_STEP,
        "flowertune": FLOWERTUNE,
        "medcare": MEDCARE,
    },
    "medmcqa": {
        "letters": Protocol(prompts.harness_choices, gold_letter, letters),
        "cot": STEP_BY_STEP,
        "flowertune": FLOWERTUNE,
        "medcare": MEDCARE,
    },
    "careqa": {
        "letters": Protocol(prompts.harness_choices, gold_letter, letters),
        "cot": STEP_BY_STEP,
        "flowertune": FLOWERTUNE,
    },
    "pubmedqa": {
        "letters": Protocol(prompts.harness_pubmedqa, gold_word, words),
        "cot": STEP_BY_STEP,
        "flowertune": replace(FLOWERTUNE, answer=gold_word),
    },
}


def protocol(benchmark: str, name: str) -> Protocol:
    """Look a protocol up.

    Raises:
        TaskError: the benchmark has none of that name; the message lists what it has.
    """
    known = PROTOCOLS.get(benchmark, {})
    if name not in known:
        raise TaskError(
            f"{benchmark} has no protocol {name!r}; it has {', '.join(known) or 'none'}"
        )
    return known[name]
