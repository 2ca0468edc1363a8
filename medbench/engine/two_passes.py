"""Tasks that ask twice: a text is generated, then the likeliest letter behind it is looked for.

lm-eval builds all requests before a model runs, and runs them by their kind, in the order in which
the kinds first occur. So the letters' requests are built with the others, and say what they are
only once the text before them is there. They are ordinary log-likelihoods: every model class of
lm-eval scores them, ours with the shared tokens computed once.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

from medbench.engine.tasks import Doc, as_json, read_answers
from medbench.errors import TaskError
from medbench.question import Question
from medbench.scoring.protocols import protocol

__all__ = ["Letter", "TwoPasses", "extract_twice", "original_twice"]


@dataclass
class Letter(Instance):  # type: ignore[misc]
    """One letter behind a generated text; `arguments` is (prompt, letter)."""

    text: Instance | None = None
    """The request whose answer comes between the two."""

    @property
    def args(self) -> tuple[str, str]:
        """Return what is scored: (prompt, text and the beginning of a sentence; letter).

        A blank between them belongs to the letter, as tokenizers have it.

        Raises:
            TaskError: the text is not there yet.
        """
        assert self.text is not None, "every letter stands behind a text"
        if not self.text.resps:
            raise TaskError(
                f"{self.task_name} scores letters behind its own texts, which another task's "
                f"log-likelihoods came before: name {self.task_name} first, or use `medbench eval`"
            )
        prompt, letter = self.arguments
        before = prompt + whole(str(self.text.resps[0]), self.doc, "")
        bare = before.rstrip(" ")
        return bare, before[len(bare) :] + letter


class TwoPasses(ConfigurableTask):  # type: ignore[misc]
    """A task whose protocol has a second pass."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config={name: one for name, one in config.items() if name != "class"})

    def construct_requests(self, doc: Doc, ctx: str, **kwargs: Any) -> list[Instance]:
        """Return the request for a text, and one for each letter of the question behind it.

        Raises:
            TaskError: the prompt is not in the model's chat template, as the original's are.
        """
        if not kwargs.get("apply_chat_template"):
            raise TaskError(
                f"{self.config.task} asks a chat model in its own template: --chat-template on, or "
                "--apply_chat_template in lm_eval"
            )
        first = super().construct_requests(doc, ctx, **kwargs)
        letters = [
            Letter("loglikelihood", doc, (ctx, letter), number, kwargs["metadata"], text=first)
            for number, letter in enumerate(doc["letters"], start=1)
        ]
        return [first, *letters]


class Answered(NamedTuple):
    """What a model gave for one question."""

    doc: Doc
    responses: Sequence[str]
    """The generated text."""
    letters: list[Sequence[tuple[float, bool]]]
    """Each letter's log-likelihood behind it."""

    @property
    def forced(self) -> str:
        """The likeliest letter; of equals the first."""
        scores = [one[0][0] for one in self.letters]
        return str(self.doc["letters"][scores.index(max(scores))])


def whole(text: str, doc: Doc, letter: str) -> str:
    """Return a text with the sentence of the second pass."""
    question = Question.from_doc(doc)
    second = protocol(question.benchmark, doc["protocol"]).second
    assert second is not None, f"{question.benchmark} {doc['protocol']} has no second pass"
    return f"{text}{second(text, question)}{letter}"


def answered(resps: Sequence[Any], docs: Sequence[Doc]) -> Iterator[Answered]:
    """Put the responses of each question together again."""
    at = 0
    while at < len(resps):
        end = at + 1 + len(docs[at]["letters"])
        yield Answered(docs[at], resps[at], list(resps[at + 1 : end]))
        at = end


def extract_twice(resps: Sequence[Any], docs: Sequence[Doc]) -> list[Any]:
    """Filter: what our extractor reads in the text; where it reads nothing, the likeliest letter.

    `unparsed` and `truncated` count the texts of which that is so.
    """
    found = list(answered(resps, docs))
    read = read_answers([one.responses for one in found], [one.doc for one in found])
    for one, answer in zip(found, read, strict=True):
        answer["forced"] = one.forced
        if not answer["letters"]:
            answer |= {"letters": [one.forced], "rule": "forced letter"}
    return as_logged(found, as_json(read))


def original_twice(resps: Sequence[Any], docs: Sequence[Doc]) -> list[Any]:
    """Filter: the letters by the original's own rule, in the text with the second pass's letter."""
    found, answers = list(answered(resps, docs)), []
    for one in found:
        question = Question.from_doc(one.doc)
        rule = protocol(question.benchmark, one.doc["protocol"]).rule
        assert rule is not None, f"{question.benchmark} {one.doc['protocol']} has no rule"
        letters = rule(whole(one.responses[0], one.doc, one.forced), question)
        answers.append(json.dumps({"letters": sorted(letters)}))
    return as_logged(found, answers)


def as_logged(found: Sequence[Answered], answers: Sequence[str]) -> list[Any]:
    """Return one thing for each request: the answer for the text, a letter's score as it is."""
    return [
        response
        for one, answer in zip(found, answers, strict=True)
        for response in (answer, *(letter[0] for letter in one.letters))
    ]
