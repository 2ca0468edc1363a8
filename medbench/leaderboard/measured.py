"""One measured run: lm-eval's results file, what describes it, and its samples without rows."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medbench import beside
from medbench.engine.answers import answers_sha256
from medbench.errors import ResultError
from medbench.leaderboard.portable import portable
from medbench.results import Score, read_results, result_files

__all__ = ["Measured", "compressed", "measured_runs"]

Sample = dict[str, Any]
OF_THE_ROW = ("doc", "arguments", "target", "resps")
"""Keys of a sample that hold, or may quote, a benchmark's text; their hashes stay."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A results file and what lies beside it."""

    path: Path
    """The results file."""
    scores: tuple[Score, ...]
    """Its numbers."""
    facts: Mapping[str, Any] | None
    """What `medbench eval` wrote beside it; None where the file is missing."""
    samples: Mapping[str, tuple[Sample, ...]]
    """By task; a task without a file is missing."""
    answers: str
    """The hash of all answers; empty where the samples do not hold the rows any more."""

    @property
    def name(self) -> str:
        """Folder and file, as messages show them."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def stamp(self) -> str:
        """What the names of all files of the run share."""
        return beside.stamp(self.path)

    @property
    def model(self) -> str:
        """The display name."""
        return self.scores[0].model

    @classmethod
    def read(cls, path: Path) -> "Measured":
        """Read a results file and all that lies beside it.

        Raises:
            ResultError: a file cannot be read.
        """
        scores = read_results([path]).scores
        said = beside.facts_path(path)
        facts = _facts(said) if said.is_file() else None
        samples = {}
        for task in dict.fromkeys(score.task for score in scores if not score.members):
            if file := beside.samples_path(path, task):
                samples[task] = tuple(_samples(file))
        is_whole = samples and all("doc" in one for own in samples.values() for one in own)
        return cls(path, scores, facts, samples, answers_sha256(samples) if is_whole else "")

    def files(self) -> dict[str, bytes]:
        """Return the files to be kept: name → content, the results file last."""
        here, said = Path.cwd(), beside.facts_path(self.path)
        content = {}
        if said.is_file():
            content[said.name] = portable(said.read_bytes(), here)
        for task, samples in self.samples.items():
            content[f"samples_{task}_{self.stamp}.jsonl.gz"] = compressed(samples)
        return content | {self.path.name: portable(self.path.read_bytes(), here)}


def measured_runs(paths: list[Path]) -> list[Measured]:
    """Read every run of some files and folders.

    Raises:
        ResultError: files that cannot be read, all at once.
    """
    faults: list[str] = []
    runs = []
    for path in result_files(paths, faults):
        try:
            runs.append(Measured.read(path))
        except ResultError as error:
            faults.append(str(error))
    if faults:
        raise ResultError("\n".join(faults))
    return runs


def compressed(samples: tuple[Sample, ...]) -> bytes:
    """Return samples as gzipped JSON lines without the rows; equal ones, equal bytes."""
    lines = [
        json.dumps({key: one[key] for key in one if key not in OF_THE_ROW}, ensure_ascii=False)
        for one in samples
    ]
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def _facts(path: Path) -> dict[str, Any]:
    facts = beside.read_json(path)
    if not isinstance(facts.get("tasks"), dict):
        raise ResultError(f"{path}: JSON, but not what `medbench eval` writes beside its results")
    return facts


def _samples(path: Path) -> Iterator[Sample]:
    """Yield the samples of one task.

    Raises:
        ResultError: a line is no sample of lm-eval.
    """
    for number, line in beside.sample_lines(path):
        try:
            sample = json.loads(line)
        except ValueError as error:
            raise ResultError(f"{path}, line {number}: cannot be read ({error})") from error
        if not isinstance(sample, dict) or not {"doc_id", "filter", "metrics"} <= sample.keys():
            raise ResultError(f"{path}, line {number}: not a sample of lm-eval")
        yield sample
