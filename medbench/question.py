"""`Question`: the one form that every benchmark's rows become.

Prompts, answer extraction, training examples and statistics start from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """One exam question with its options and the set of correct letters."""

    id: str
    """Unique within (benchmark, subset, split)."""
    benchmark: str
    """The folder under `tasks/`: mmedbench, kormedmcqa, …"""
    subset: str
    """A language or an exam: english, doctor, …"""
    language: str
    """ISO 639-1: en, zh, ja, fr, ru, es or ko."""
    text: str
    """The question itself, as the source has it."""
    options: Mapping[str, str]
    """Letter to text, in order: {"A": "…", "B": "…"}."""
    gold: frozenset[str]
    """The correct letters: one, or several (French, Japanese)."""
    several: bool = False
    """The exam says that more than one option may be right."""
    context: str = ""
    """What must be read first (PubMedQA's abstract)."""
    rationale: str = ""
    """Why the gold answer is right, in the question's language."""
    rationale_checked: bool = False
    """A human read the rationale and passed it."""
    few_shot_cot: str = ""
    """A written-out chain of thought that ends in the answer (KorMedMCQA's few-shot rows)."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What groups questions: subject, year, exam, …"""

    @property
    def gold_letters(self) -> list[str]:
        """The correct letters in option order."""
        return [letter for letter in self.options if letter in self.gold]

    def to_doc(self) -> dict[str, Any]:
        """Return a JSON-safe row; letters and options are parallel lists (Arrow has no dicts)."""
        return {
            "id": self.id,
            "benchmark": self.benchmark,
            "subset": self.subset,
            "language": self.language,
            "question": self.text,
            "context": self.context,
            "letters": list(self.options),
            "options": list(self.options.values()),
            "gold": self.gold_letters,
            "several": self.several,
            "rationale": self.rationale,
            "rationale_checked": self.rationale_checked,
            "few_shot_cot": self.few_shot_cot,
            "tags": dict(self.tags),
        }

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Self:
        """Rebuild a question from `to_doc`'s row; keys that are not ours are left alone."""
        return cls(
            id=doc["id"],
            benchmark=doc["benchmark"],
            subset=doc["subset"],
            language=doc["language"],
            text=doc["question"],
            context=doc["context"],
            options=dict(zip(doc["letters"], doc["options"], strict=True)),
            gold=frozenset(doc["gold"]),
            several=doc["several"],
            rationale=doc["rationale"],
            rationale_checked=doc["rationale_checked"],
            few_shot_cot=doc["few_shot_cot"],
            tags=dict(doc["tags"]),
        )
