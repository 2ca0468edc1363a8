"""Which questions a run answered right: what a ranking needs of samples, as arrays.

A board of a hundred models reads gigabytes of them. So only these fields of a line are decoded, and
a file is reduced to arrays before the next one is opened.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from medbench.beside import sample_lines
from medbench.errors import ResultError
from medbench.report.compare.samples import (
    not_a_sample,
    samples_path,
    without_questions,
    words_in_common,
)
from medbench.results import Score
from medbench.scoring.statistics.clusters import numbered

__all__ = ["Grades", "read_clusters", "read_grades"]


class Sample(msgspec.Struct):
    """What is read of a line that lm-eval logged."""

    doc_id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    filter: str
    doc_hash: str
    acc: float


class Row(msgspec.Struct):
    """What is read of a question."""

    question: str
    context: str


class WholeSample(Sample):
    """The same with the question."""

    doc: Row | None = None


@dataclass(frozen=True, slots=True)
class Grades:
    """One task of one run, n questions."""

    score: Score
    """Its accuracy, with version, shots and filter."""
    numbers: NDArray[np.int64]
    """Places among the task's rows, ascending, shape (n,)."""
    right: NDArray[np.bool_]
    """Answered right, shape (n,)."""
    hashes: NDArray[np.bytes_]
    """lm-eval's hashes of row and prompt, shape (n,)."""

    def at(self, numbers: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return where some of the questions are in the arrays."""
        return np.searchsorted(self.numbers, numbers)


def read_grades(score: Score) -> Grades:
    """Read the samples that were written with a score.

    Raises:
        ResultError: they are missing, or not as `medbench eval` or `lm_eval` writes them.
    """
    own = _samples(score, msgspec.json.Decoder(Sample))
    return Grades(
        score,
        np.array(list(own), dtype=np.int64),
        np.array([one.acc == 1 for one in own.values()], dtype=np.bool_),
        np.array([one.doc_hash.encode() for one in own.values()], dtype=np.bytes_),
    )


def read_clusters(score: Score, numbers: Iterable[int]) -> NDArray[np.intp]:
    """Return a number for each question, equal where they are on the same text or words.

    Raises:
        ResultError: the samples hold no questions.
    """
    own = _samples(score, msgspec.json.Decoder(WholeSample))
    docs = [own[number].doc for number in numbers]
    if None in docs:
        raise without_questions(samples_path(score))
    return numbered(words_in_common(doc.context, doc.question) for doc in docs)


def _samples(score: Score, decoder: msgspec.json.Decoder[Any]) -> dict[int, Any]:
    """Return the samples of a score's filter by their numbers, ascending; of several the last."""
    path = samples_path(score)
    found = {}
    for number, line in sample_lines(path):
        sample = _sample(path, number, line, decoder)
        if sample.filter == score.filter:
            found[sample.doc_id] = sample
    if not found:
        raise ResultError(f"{path}: no samples of the filter {score.filter}")
    return dict(sorted(found.items()))


def _sample(path: Path, number: int, line: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError:
        pass  # NaN and Infinity: lm-eval writes them, strict JSON has none
    try:
        return msgspec.convert(json.loads(line), decoder.type)
    except (msgspec.ValidationError, ValueError) as error:
        raise not_a_sample(path, number, error) from error
