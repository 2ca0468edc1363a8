"""How many examples a recipe trains on and how long they are, before any row is read."""

from dataclasses import dataclass
from math import ceil

from medbench.data import DATASETS, Dataset
from medbench.errors import DataError
from medbench.question import Question
from medbench.recipe import Mixed, Recipe
from medbench.scoring.protocols import protocol

__all__ = ["Lengths", "datasets", "lengths"]

# Mean UTF-8 bytes of (question with options and context, rationale): measured on the real rows of
# MMedBench, KorMedMCQA, MedQA, MedMCQA and PubMedQA; the flashcards' are a guess.
BYTES = {
    "mmedbench/english": (855, 858),
    "mmedbench/chinese": (210, 675),
    "mmedbench/japanese": (660, 804),
    "mmedbench/french": (327, 760),
    "mmedbench/russian": (133, 1068),
    "mmedbench/spanish": (336, 695),
    "kormedmcqa/doctor": (531, 0),
    "kormedmcqa/nurse": (309, 0),
    "kormedmcqa/pharm": (362, 0),
    "kormedmcqa/dentist": (321, 0),
    "usmle/4_options": (855, 0),
    "usmle/5_options": (905, 0),
    "medmcqa/validation": (168, 497),
    "pubmedqa/labeled": (1436, 273),
    "flashcards/anki": (100, 350),
}
# UTF-8 bytes that a token holds, within a third: by the longest rows that the KorMedMCQA
# experiments counted with Gemma's tokenizer (3.7 English, 2.4 to 3.5 Korean); LLaMA's 32,000 tokens
# hold 2.4 bytes of Chinese (arXiv 2304.08177, table 1) and less of Korean.
LATIN_BYTES, OTHER_BYTES, SMALL_VOCABULARY_BYTES = 3.9, 3.0, 2.0
SMALL_VOCABULARY = 60_000
LATIN = ("en", "fr", "es")


@dataclass(frozen=True, slots=True)
class Lengths:
    """The examples of one epoch, on average."""

    examples: int
    """How many."""
    prompt_tokens: float
    """What is read."""
    answer_tokens: float
    """What is learnt."""
    longest_answer_tokens: float
    """The same, of the mixture's most talkative part."""

    @property
    def tokens(self) -> float:
        """Of one example."""
        return self.prompt_tokens + self.answer_tokens


def datasets(part: Mixed) -> list[Dataset]:
    """Return the datasets that a part of the mixture names.

    Raises:
        DataError: there is none of that name, or it has no such split.
    """
    known = {one.subset: one for one in DATASETS.values() if one.benchmark == part.benchmark}
    if not known:
        names = ", ".join(sorted({one.benchmark for one in DATASETS.values()}))
        raise DataError(f"no benchmark is called {part.benchmark}; there are {names}")
    wrong = [one for one in part.subsets if one not in known]
    if wrong:
        raise DataError(f"{part.benchmark} has no {', '.join(wrong)}; it has {', '.join(known)}")
    chosen = [known[one] for one in part.subsets or known]
    lacking = [one.name for one in chosen if part.split not in one.splits]
    if lacking:
        raise DataError(f"{', '.join(lacking)} has no split {part.split}")
    return chosen


def lengths(recipe: Recipe) -> Lengths:
    """Return the number and the mean length of a recipe's examples.

    Raises:
        DataError: the mixture names what does not exist.
        TaskError: it names a protocol that does not exist.
    """
    rows = [
        (count(part, one), *tokens(part, one, recipe))
        for part in recipe.data.mixture
        for one in datasets(part)
    ]
    examples = sum(number for number, _, _ in rows)
    return Lengths(
        examples,
        sum(number * prompt for number, prompt, _ in rows) / max(examples, 1),
        sum(number * answer for number, _, answer in rows) / max(examples, 1),
        max((answer for _, _, answer in rows), default=0.0),
    )


def count(part: Mixed, one: Dataset) -> int:
    """Return how many examples of a dataset an epoch shows."""
    size = one.sizes[part.split]
    return ceil(min(size, part.limit or size) * part.weight)


def tokens(part: Mixed, one: Dataset, recipe: Recipe) -> tuple[float, float]:
    """Return the mean tokens of a dataset's prompts and answers in a protocol."""
    text, rationale = BYTES.get(one.name, (500, 0))
    question = Question(
        id="",
        benchmark=one.benchmark,
        subset=one.subset,
        language=one.language,
        text="x" * text,
        options=dict.fromkeys("ABCD", ""),
        gold=frozenset("A"),
        rationale="x" * rationale,
    )
    if one.has_options:
        asked = protocol(part.benchmark, part.protocol)
        prompt, answer = asked.prompt(question), asked.answer(question)
    else:
        prompt, answer = question.text, question.rationale
    facts = recipe.model.facts
    is_small = facts is not None and facts.vocabulary < SMALL_VOCABULARY
    other = SMALL_VOCABULARY_BYTES if is_small else OTHER_BYTES
    size = LATIN_BYTES if one.language in LATIN else other
    answer_tokens = len(answer.encode()) / size + 1  # and the stop token
    return min(
        len(prompt.encode()) / size, recipe.data.sequence_length - answer_tokens
    ), answer_tokens
