"""One question to one model: its shares of the options, or what it writes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import exp
from typing import Any

from medbench.engine import backends, plan
from medbench.engine.base import as_trained, on_base, recipe_of
from medbench.engine.run import Run, check
from medbench.errors import ModelError, TaskError
from medbench.question import Question
from medbench.scoring.chat import render_chat
from medbench.scoring.extract import extract
from medbench.scoring.protocols import Protocol, protocol

__all__ = ["OPEN", "Answer", "ask", "form_of", "question_of"]

OPEN = "open"
"""The form of a question without options: its words alone."""
DEFAULT_FORM = "usmle/letters"
LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says to a question."""

    prompt: str
    """What it read."""
    shares: Mapping[str, float]
    """Letter to probability among the options; empty: the answer was written."""
    text: str = ""
    """What it wrote."""
    letters: frozenset[str] = frozenset()
    """The options that it chose; empty: none could be read."""
    is_cut: bool = False
    """It wrote until it had no room."""


def question_of(
    text: str, options: tuple[str, ...], context: str, form: str, language: str
) -> Question:
    """Return a question as benchmarks have them.

    Raises:
        TaskError: fewer than two options, too many, or one twice.
    """
    if len(options) == 1 or len(options) > len(LETTERS):
        raise TaskError(f"--option: {len(options)}; a question has none, or 2 to {len(LETTERS)}")
    if len(set(options)) < len(options):
        raise TaskError("--option: the same one twice")
    lettered = dict(zip(LETTERS, options, strict=False))
    benchmark = form.partition("/")[0]
    return Question("asked", benchmark, "", language, text, lettered, frozenset(), context=context)


def form_of(model: str, revision: str, options: tuple[str, ...], asked: str | None) -> str:
    """Return how a question is put: as asked for, as the checkpoint was trained, or by default.

    Raises:
        RecipeError: the checkpoint's recipe cannot be read.
    """
    if asked or not options:
        return asked or OPEN
    recipe = recipe_of(model, revision)
    mixture = recipe.data.mixture if recipe else ()
    known = (f"{part.benchmark}/{part.protocol}" for part in mixture)
    return next((one for one in known if not one.startswith("flashcards")), DEFAULT_FORM)


def ask(run: Run, question: Question, form: str, max_new_tokens: int) -> Answer:
    """Load a model and put a question to it.

    Args:
        run: the model and how it is loaded; its tasks are not read.
        question: from `question_of`.
        form: BENCHMARK/PROTOCOL, or `OPEN`.
        max_new_tokens: of a written answer.

    Raises:
        MedbenchError: the form or the model is not to be had.
    """
    check(run)
    run = on_base(as_trained(run))
    how = found(form, question)
    variants = backends.find_adapters(run)
    tokenizer = plan.load_tokenizer(
        run.tokenizer or run.model,
        revision="main" if run.tokenizer else run.revision,
        trust_remote_code=run.trust_remote_code,
    )
    is_chat = wears_chat(run, how, tokenizer)
    prompt = framed(how, question, tokenizer, is_chat=is_chat)
    (adapter,) = variants.values()
    lm, use = backends.load_model(run, variants)
    use(adapter)
    if how is not None and how.choices is not None:
        delimiter = "" if is_chat else how.delimiter(question)
        return scored(lm, prompt, question, [delimiter + one for one in how.choices(question)])
    return written(lm, prompt, question, max_new_tokens)


def found(form: str, question: Question) -> Protocol | None:
    """Return the protocol of a form; None: `OPEN`.

    Raises:
        TaskError: there is none, or it needs what the question has not.
    """
    if form == OPEN:
        if question.options:
            raise TaskError(f"--as {OPEN} asks without options")
        return None
    benchmark, _, name = form.partition("/")
    how = protocol(benchmark, name)
    if not question.options:
        raise TaskError(f"--as {form} needs --option, once for each")
    try:
        how.prompt(question)
        if how.choices is not None and len(how.choices(question)) != len(question.options):
            raise TaskError(f"--as {form} scores sets of options; take a form with single letters")
    except (KeyError, AssertionError) as error:
        raise TaskError(f"--as {form} cannot put this question: {error}") from error
    return how


def wears_chat(run: Run, how: Protocol | None, tokenizer: Any) -> bool:
    """Tell whether the prompt goes through the chat template.

    Raises:
        ModelError: it should, and the tokenizer has none.
    """
    has_template, asked = bool(tokenizer.chat_template), run.chat_template
    if asked == "on" and not has_template:
        raise ModelError("--chat-template on, but the model's tokenizer has no chat template")
    if asked != "auto":
        return asked == "on"
    return has_template and not (how is not None and how.has_own_wrapper)


def framed(how: Protocol | None, question: Question, tokenizer: Any, *, is_chat: bool) -> str:
    """Return all that the model reads."""
    context = f"{question.context}\n\n" if question.context and how is None else ""
    prompt = f"{context}{question.text}" if how is None else how.prompt(question)
    instruction = "" if how is None else how.instruction
    if not is_chat:
        return f"{instruction}{prompt}"
    system = [{"role": "system", "content": instruction}] if instruction else []
    return render_chat(tokenizer, [*system, {"role": "user", "content": prompt}], True)


def scored(lm: Any, prompt: str, question: Question, continuations: list[str]) -> Answer:
    """Compare the options' log-likelihoods, as evaluation does."""
    sums = [one for one, _ in lm.loglikelihood(list(requests(prompt, continuations)), True)]
    weights = [exp(one - max(sums)) for one in sums]
    shares = [one / sum(weights) for one in weights]
    best = shares.index(max(shares))
    letters = list(question.options)
    named = dict(zip(letters, shares, strict=True))
    return Answer(prompt, named, letters=frozenset(letters[best]))


def written(lm: Any, prompt: str, question: Question, max_new_tokens: int) -> Answer:
    """Let the model write, greedily; read the option that it names."""
    settings = {"until": [], "max_gen_toks": max_new_tokens, "do_sample": False}
    (text,) = lm.generate_until(list(requests(prompt, [settings])), True)
    reason = text.finish_reason
    letters: frozenset[str] = frozenset()
    if question.options:
        letters = extract(
            str(text), question.options, language=question.language, finish_reason=reason
        ).letters
    return Answer(prompt, {}, str(text).strip(), letters, reason == "length")


def requests(prompt: str, seconds: list[Any]) -> Iterator[Any]:
    """Yield lm-eval's requests."""
    from lm_eval.api.instance import Instance

    for number, second in enumerate(seconds):
        kind: Any = "loglikelihood" if isinstance(second, str) else "generate_until"
        yield Instance(kind, {}, (prompt, second), number)
