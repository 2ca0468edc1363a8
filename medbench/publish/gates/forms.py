"""A checkpoint in the forms in which it is served, and what each of them says to the same prompts.

Base alone, the checkpoint itself (a whole model, or PEFT's adapter beside its base), merged and
read back from disk, in 4 bits, through vLLM; of a model that is published merged also as it is
saved, and the adapter that it was before. All run on the evaluation's own engine, and each is
loaded once and gone before the next.
"""

import gc
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from medbench import data, paths
from medbench.checkpoint import ADAPTER, read_adapter_config
from medbench.data.load import read
from medbench.data.sources import Bundle
from medbench.engine import backends, plan
from medbench.engine.adapter import Adapter, read_adapter
from medbench.engine.ask import framed, requests
from medbench.engine.base import on_base
from medbench.engine.run import Run
from medbench.publish.candidate import Candidate
from medbench.publish.gates.canaries import CANARIES
from medbench.question import Question
from medbench.recipe import Recipe, load
from medbench.scoring.protocols import PROTOCOLS, Protocol, protocol
from medbench.training.merge import Merged, merge

__all__ = ["Form", "Forms", "Reading", "packaged"]

Form = Literal[
    "base", "own", "merged", "4-bit", "4-bit base", "vllm", "as saved", "base as saved", "adapter"
]
LOADED: Mapping[Form, dict[str, Any]] = {
    "base": {},
    "own": {},
    "merged": {},
    "4-bit": {"quantization": "nf4"},
    "4-bit base": {"quantization": "nf4"},
    "vllm": {"backend": "vllm"},
    "as saved": {"dtype": "auto"},
    "base as saved": {"dtype": "auto"},
    "adapter": {},
}

EVERY: Mapping[Form, int] = {
    "own": 1, "merged": 1, "as saved": 1, "adapter": 1, "vllm": 4, "4-bit": 4,
}  # fmt: skip
"""On a processor every so many of the packaged questions are asked: vLLM and bitsandbytes take
seconds for one there. An accelerator is asked all of them."""


class Ending(NamedTuple):
    """A prompt with its whole answer, and the token that should end it."""

    ids: list[int]
    stop: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one form says."""

    canaries: tuple[float, ...]
    """Log-probability of each canary's continuation, in nats a token."""
    letters: Mapping[int, str] = field(default_factory=dict)
    """The likeliest continuation of each packaged question that was asked, by its number."""
    stops: tuple[bool, ...] = ()
    """The stop token is the likeliest one behind each ending."""


class Forms:
    """The forms of one checkpoint; a merged model is kept on disk until the end."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.readings: dict[Form, Reading] = {}
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def scratch(self) -> Path:
        """Return a new folder that goes away at the end."""
        folder = tempfile.TemporaryDirectory(prefix="medbench-", ignore_cleanup_errors=True)
        return Path(self.stack.enter_context(folder))

    @cached_property
    def folder(self) -> Path:
        """The checkpoint; under another base, a copy of an adapter that names it."""
        checkpoint, base = self.candidate.checkpoint, self.candidate.base
        if not (base and checkpoint.is_adapter):
            return checkpoint.path
        copy = self.scratch()
        for file in checkpoint.path.iterdir():
            if file.is_file() and file.name not in (ADAPTER,):
                (copy / file.name).symlink_to(file.resolve())
        config = read_adapter_config(checkpoint.path) | {"base_model_name_or_path": base}
        (copy / ADAPTER).write_text(json.dumps(config), encoding="utf-8")
        return copy

    @cached_property
    def adapter(self) -> Adapter | None:
        """PEFT's description; None: a whole model."""
        return read_adapter(self.folder) if self.candidate.checkpoint.is_adapter else None

    @cached_property
    def recipe(self) -> Recipe:
        """What the checkpoint was trained by."""
        return load(self.candidate.checkpoint.recipe)

    @cached_property
    def own(self) -> Run:
        """The checkpoint as evaluation loads it, in float32."""
        trust = self.candidate.runs_code
        asked = Run(str(self.folder), (), dtype="float32", trust_remote_code=trust, batch_size="1")
        return on_base(asked)

    @cached_property
    def merged(self) -> Merged:
        """The adapter merged into its base in float32, and saved."""
        trust = self.candidate.runs_code
        return merge(self.folder, self.scratch() / "merged", "float32", trust_remote_code=trust)

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's."""
        run = self.own
        return plan.load_tokenizer(
            run.tokenizer or run.model,
            revision="main" if run.tokenizer else run.revision,
            trust_remote_code=run.trust_remote_code,
        )

    @cached_property
    def questions(self) -> list[tuple[str, list[str]]]:
        """(Prompt, continuations) of every packaged test question with options.

        In the protocol that the checkpoint was trained in where it compares continuations, else in
        letters; through the chat template if training went through it.
        """
        trained = {part.benchmark: part.protocol for part in self.recipe.data.mixture}
        is_chat = self.recipe.data.template == "chat"
        found = []
        for benchmark, subset in data.DATASETS:
            if benchmark not in PROTOCOLS:
                continue
            how = comparing(benchmark, trained.get(benchmark, "letters"))
            for one in packaged(benchmark, subset, "test"):
                assert how.choices is not None
                prompt = framed(how, one, self.tokenizer, is_chat=is_chat)
                before = "" if is_chat else how.delimiter(one)
                found.append((prompt, [before + choice for choice in how.choices(one)]))
        return found

    @cached_property
    def endings(self) -> list[Ending]:
        """Packaged questions of the recipe's mixture, answered as in training."""
        from medbench.training.formats import format_of
        from medbench.training.lengths import datasets
        from medbench.training.stop import stop_token
        from medbench.training.tokens import cut

        found = []
        stop = stop_token(self.tokenizer, self.recipe)
        for part in self.recipe.data.mixture:
            form = format_of(part, self.recipe.data, self.tokenizer)
            rows = [
                question
                for one in datasets(part)
                for question in packaged(one.benchmark, one.subset, part.split)
            ]
            texts = [text for text in map(form.text, rows) if text is not None]
            for prompt, answer in cut(self.tokenizer, texts, is_scored=form.is_scored):
                if len(prompt) + len(answer) < self.recipe.data.sequence_length:
                    found.append(Ending(prompt + answer, stop))
        return found

    def read(self, form: Form) -> Reading:
        """Return what a form says; each is loaded once.

        Raises:
            MedbenchError: it cannot be loaded or asked.
        """
        if form not in self.readings:
            run = self.run(form)
            numbers = range(0)
            if every := EVERY.get(form):
                every = every if backends.device(run) == "cpu" else 1
                numbers = range(0, len(self.questions), every)
            endings = self.endings if form == "own" else []
            told = f"{form}: {len(CANARIES)} canaries, {len(numbers)} packaged questions"
            print(told, file=sys.stderr)
            self.readings[form] = self.ask(run, numbers, endings)
        return self.readings[form]

    def run(self, form: Form) -> Run:
        """Return how a form is loaded."""
        run = replace(self.own, **LOADED[form])
        if form == "merged":
            return replace(run, model=str(self.merged.path), adapters=(), revision="main")
        if form == "adapter":
            assert self.candidate.adapter is not None
            return on_base(replace(run, model=str(self.candidate.adapter.path)))
        if form in ("base", "4-bit base", "base as saved"):
            base = self.candidate.checkpoint.provenance.base
            model = run.model if run.adapters else self.candidate.base or base.id
            revision = run.revision if run.adapters else base.commit or base.revision
            tokenizer = run.tokenizer or (None if run.adapters else str(self.folder))
            return replace(run, model=model, adapters=(), revision=revision, tokenizer=tokenizer)
        return run

    def ask(self, run: Run, numbers: Sequence[int], endings: Sequence[Ending]) -> Reading:
        """Load a form, ask it the questions of these numbers, and let it go."""
        questions = [self.questions[number] for number in numbers]
        variants = backends.find_adapters(run)
        lm, use = backends.load_model(run, variants)
        use(*variants.values())
        asked = [*((prompt, [after]) for prompt, after in CANARIES), *questions]
        flat = [one for prompt, choices in asked for one in requests(prompt, choices)]
        sums = iter([one for one, _ in lm.loglikelihood(flat)])
        scores = [[next(sums) for _ in choices] for _, choices in asked]
        canaries = [
            score / len(self.tokenizer.encode(after, add_special_tokens=False))
            for (score,), (_, after) in zip(scores, CANARIES, strict=False)
        ]
        rest = zip(numbers, questions, scores[len(CANARIES) :], strict=True)
        letters = {number: choices[own.index(max(own))] for number, (_, choices), own in rest}
        requested = [(None, list(one.ids), [one.stop]) for one in endings]
        stops = lm._loglikelihood_tokens(requested, True) if requested else []
        if run.backend == "vllm":
            lm.close()
        del lm, use
        gc.collect()
        return Reading(tuple(canaries), letters, tuple(bool(one) for _, one in stops))


def comparing(benchmark: str, name: str) -> Protocol:
    """Return a protocol that compares continuations: the named one, else letters."""
    how = protocol(benchmark, name)
    return how if how.choices is not None else protocol(benchmark, "letters")


def packaged(benchmark: str, subset: str, split: str) -> tuple[Question, ...]:
    """Return packaged questions, whatever `MEDBENCH_DATA` says."""
    sample = Bundle(paths.sample(), "sample")
    return read(sample, data.dataset(benchmark, subset), split).questions
