"""Questions of a benchmark's split, with everything that was wrong with its rows."""

import functools
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from medbench.data.datasets import Dataset, dataset
from medbench.data.parse import Identity, Row, check
from medbench.data.sources import Source, source_from_environment
from medbench.errors import DataError
from medbench.question import Question

__all__ = ["Malformed", "Rows", "load", "read"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that is no usable question."""

    dataset: str
    split: str
    row: int
    """1-based, as the source orders its rows."""
    reason: str

    def __str__(self) -> str:
        return f"{self.dataset} {self.split}, row {self.row}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Rows:
    """One split as read."""

    dataset: Dataset
    split: str
    source: str
    questions: tuple[Question, ...]
    malformed: tuple[Malformed, ...]

    @property
    def known_size(self) -> int:
        """The number of rows that the dataset is known to have."""
        return self.dataset.sizes[self.split]

    @property
    def size(self) -> int:
        """The number of rows found, malformed ones among them."""
        return len(self.questions) + len(self.malformed)

    @property
    def digest(self) -> str:
        """SHA-256 of the questions, to tell two editions of a dataset apart."""
        content = json.dumps([question.to_doc() for question in self.questions], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def load(benchmark: str, subset: str, split: str) -> Rows:
    """Return a split from the source that `MEDBENCH_DATA` names; warn of all that is odd.

    Raises:
        DataError: unknown names, no such data, corrupt data, or not one usable row.
    """
    return cached(source_from_environment(), benchmark, subset, split)


@functools.lru_cache(maxsize=64)
def cached(source: Source, benchmark: str, subset: str, split: str) -> Rows:
    """Read and warn once per process."""
    rows = read(source, dataset(benchmark, subset), split)
    for malformed in rows.malformed:
        log.warning("%s; the row is left out", malformed)
    if rows.source != "sample" and rows.size != rows.known_size:
        log.warning(
            "%s %s: %d rows found, %d are known (source: %s)",
            rows.dataset.name,
            split,
            rows.size,
            rows.known_size,
            rows.source,
        )
    if not rows.questions:
        first = f"; {rows.malformed[0]}" if rows.malformed else ""
        raise DataError(f"{rows.dataset.name} {split}: no usable row in {rows.source}{first}")
    return rows


def read(source: Source, wanted: Dataset, split: str) -> Rows:
    """Parse every row of a split into questions and malformed rows."""
    if split not in wanted.splits:
        raise DataError(f"{wanted.name} has no split {split}; it has {', '.join(wanted.splits)}")
    questions, malformed = [], []
    for number, row in members(source, wanted, split):
        identity = Identity(
            f"{split}-{number:05d}", wanted.benchmark, wanted.subset, wanted.language
        )
        try:
            question = wanted.parse(row, identity)
            reason = check(question, has_options=wanted.has_options)
        except KeyError as error:
            reason = f"field {error} is missing"
        except ValueError as error:
            reason = str(error)
        if reason:
            malformed.append(Malformed(wanted.name, split, number, reason))
        else:
            questions.append(question)
    return Rows(wanted, split, source.name, tuple(questions), tuple(malformed))


def members(source: Source, wanted: Dataset, split: str) -> Iterator[tuple[int, Row]]:
    """Yield (1-based row number, row); PubMedQA's one split is told apart by its test ids."""
    rows = enumerate(source.rows(wanted, split), start=1)
    if wanted.benchmark != "pubmedqa":
        yield from rows
        return
    test_ids = source.pubmedqa_test_ids()
    for number, row in rows:
        if (str(row.get("pubid")) in test_ids) == (split == "test"):
            yield number, row
