"""A recipe's examples: rows of every part of a mixture as tokens, with what of them is learnt."""

import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal, overload

from medbench import data
from medbench.errors import DataError, MedbenchError, RecipeError
from medbench.question import Question
from medbench.recipe import Mixed, Recipe
from medbench.training.formats import Format, Text, check_template, format_of, is_known
from medbench.training.lengths import datasets
from medbench.training.stop import check_stop_token, stop_token
from medbench.training.tokens import cut

__all__ = ["IGNORED", "Count", "Example", "Examples", "build_examples"]

IGNORED = -100
"""The label of a token that is read and not learnt."""
Part = Literal["mixture", "validation"]


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence; the first label is always ignored, so that packed ones never learn a start."""

    input_ids: list[int]
    """Prompt, answer, stop token."""
    labels: list[int]
    """The same, `IGNORED` for the prompt; not shifted, as transformers expects."""
    source: str
    """Where it is from: benchmark/subset, split and row, protocol."""


@dataclass(slots=True)
class Count:
    """What became of one part of the mixture."""

    part: str
    """Benchmark, split and protocol."""
    rows: int = 0
    """Examples asked for: rows times weight."""
    unusable: int = 0
    """Without an answer in this protocol (no rationale), or with the stop token inside it."""
    too_long: int = 0
    """Left out: longer than the recipe's sequence length."""
    cut: int = 0
    """Kept, their prompts without the beginning."""
    tokens: int = 0
    """Of all that stays."""
    supervised: int = 0
    """Of these, what is learnt."""

    @property
    def kept(self) -> int:
        """Examples that an epoch shows."""
        return self.rows - self.unusable - self.too_long


@dataclass(frozen=True, slots=True)
class Stored:
    """An example in four bytes a token."""

    ids: "array[int]"
    start: int
    """The first supervised place."""
    source: str


class Examples(Sequence[Example]):
    """All examples of an epoch, part after part, and what became of each part's rows."""

    def __init__(self, stored: Sequence[Stored], counts: Sequence[Count]) -> None:
        self._stored = tuple(stored)
        self.counts = tuple(counts)
        """Of the mixture's parts, in its order."""

    def __len__(self) -> int:
        return len(self._stored)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        one = self._stored[index]
        ids = one.ids.tolist()
        return Example(ids, [IGNORED] * one.start + ids[one.start :], one.source)


def build_examples(recipe: Recipe, tokenizer: Any, part: Part) -> Examples:
    """Return the examples of a recipe's mixture, or of what it holds out.

    A weight of 2 shows each row twice; 0.5 shows half of the rows, drawn by the recipe's seed, the
    same ones in every epoch. The order is that of the mixture: the loop shuffles.

    Args:
        recipe: What is trained, and how it is laid out.
        tokenizer: The model's.
        part: mixture, or validation (which may be empty).

    Raises:
        DataError: rows cannot be found, or not one of a part can be learnt.
        RecipeError: names that do not exist, no chat template, no stop token; all of them.
    """
    parts: Sequence[Mixed] = getattr(recipe.data, part)
    planned = plan(recipe, tokenizer, parts)
    stop = stop_token(tokenizer, recipe)
    stored: list[Stored] = []
    counts, faults = [], []
    for number, (form, questions) in enumerate(planned):
        chosen = weighted(questions, form.part.weight, f"{recipe.training.seed}/{part}/{number}")
        count = Count(f"{form.part.benchmark} {form.part.split} {form.part.protocol}", len(chosen))
        stored += sequences(form, chosen, tokenizer, stop, recipe, count)
        counts.append(count)
        if not count.kept:
            faults.append(nothing_left(count, recipe))
    if faults:
        raise DataError("\n".join(faults))
    return Examples(stored, counts)


def plan(
    recipe: Recipe, tokenizer: Any, parts: Sequence[Mixed]
) -> list[tuple[Format, list[Question]]]:
    """Resolve every name and read every row, or tell everything that is wrong."""
    faults: list[MedbenchError] = []
    attempt(faults, check_stop_token, tokenizer, recipe)
    if recipe.data.template == "chat":
        attempt(faults, check_template, tokenizer)
    found = []
    for part in parts:
        questions = attempt(faults, rows, part)
        if questions is not None or is_known(part.benchmark):
            found.append((attempt(faults, format_of, part, recipe.data, tokenizer), questions))
    if faults:
        kind = DataError if all(isinstance(one, DataError) for one in faults) else RecipeError
        raise kind("\n".join(dict.fromkeys(map(str, faults))))
    return found


def attempt(faults: list[MedbenchError], look: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a look finds; what it raises goes to the others."""
    try:
        return look(*arguments)
    except MedbenchError as error:
        faults.append(error)
        return None


def rows(part: Mixed) -> list[Question]:
    """Return the questions of a part, at most `limit` of each subset."""
    return [
        question
        for one in datasets(part)
        for question in data.load(one.benchmark, one.subset, part.split).questions[: part.limit]
    ]


def weighted(questions: Sequence[Question], weight: float, seed: str) -> list[Question]:
    """Repeat questions by their weight; what is less than one round is drawn, in row order."""
    total = ceil(len(questions) * weight)
    rounds, rest = divmod(total, len(questions))
    drawn = sorted(random.Random(seed).sample(range(len(questions)), rest))
    return [*questions] * rounds + [questions[index] for index in drawn]


def sequences(
    form: Format,
    questions: Sequence[Question],
    tokenizer: Any,
    stop: int,
    recipe: Recipe,
    count: Count,
) -> Iterator[Stored]:
    """Yield a part's examples as tokens, and count them."""
    written = [text for text in map(form.text, questions) if text is not None]
    count.unusable += len(questions) - len(written)
    for text, (prompt, answer) in zip(
        written, cut(tokenizer, written, is_scored=form.is_scored), strict=True
    ):
        if not answer or stop in answer:
            count.unusable += 1
            continue
        read = prompt[-(form.how.prompt_tokens or len(prompt)) :]
        one = fitted(read, [*answer, stop], text, recipe, count)
        if one is not None:
            count.tokens += len(one.ids)
            count.supervised += len(one.ids) - one.start
            yield one


def fitted(
    prompt: list[int], answer: list[int], text: Text, recipe: Recipe, count: Count
) -> Stored | None:
    """Return an example that keeps the recipe's length; None where it is dropped."""
    room = recipe.data.sequence_length - len(answer)
    if len(prompt) > room:
        if recipe.data.too_long == "drop" or room < 1:
            count.too_long += 1
            return None
        count.cut += 1
        prompt = prompt[-room:]
    return Stored(array("i", prompt + answer), len(prompt), text.source)


def nothing_left(count: Count, recipe: Recipe) -> str:
    """Say why a part has no example."""
    if count.too_long == count.rows:
        what = "rows" if recipe.data.too_long == "drop" else "answers"
        return (
            f"{count.part}: all {count.rows} {what} are longer than data.sequence_length: "
            f"{recipe.data.sequence_length} tokens"
        )
    if count.unusable == count.rows:
        return (
            f"{count.part}: none of the {count.rows} rows has what this protocol's answer is made "
            "of (cot and rationale need written-out reasons); train on another protocol"
        )
    return (
        f"{count.part}: no row is left of {count.rows}: {count.too_long} are too long, "
        f"{count.unusable} have no answer in this protocol"
    )
