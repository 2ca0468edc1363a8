"""What was done, in `<recipe>.run.json`: each step with all that it depended on."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from medbench import paths
from medbench.errors import MedbenchError, ResultError

__all__ = ["Record", "State", "locked"]


@dataclass(frozen=True, slots=True)
class Record:
    """One step, as it was begun or finished."""

    inputs: Mapping[str, str]
    """Name of each thing that it depends on → value, or digest."""
    finished: str = ""
    """UTC, ISO 8601; empty: it was begun."""
    seconds: float = 0.0
    """That it took."""
    results: str = ""
    """Evaluations: lm-eval's results file, below the output folder."""


@dataclass(slots=True)
class State:
    """The records of one recipe, on disk after every change."""

    file: Path
    """Where they lie."""
    records: dict[str, Record] = field(default_factory=dict)
    """Step to record."""
    files: dict[str, list[Any]] = field(default_factory=dict)
    """Path to [bytes, time of change in ns, SHA-256]: large files are read once."""

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what earlier runs wrote; nothing if there were none.

        Raises:
            ResultError: the file is broken.
        """
        if not file.is_file():
            return cls(file)
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            records = {name: Record(**one) for name, one in content["steps"].items()}
            return cls(file, records, content["files"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ResultError(
                f"{file} cannot be read ({error}); without it, what was evaluated is done again"
            ) from error

    def put(self, name: str, record: Record) -> None:
        """Keep a record, and write all of them."""
        self.records[name] = record
        self.save()

    def drop(self, prefix: str) -> None:
        """Forget the records whose names begin so."""
        self.records = {n: one for n, one in self.records.items() if not n.startswith(prefix)}
        self.save()

    def save(self) -> None:
        """Write, whole or not at all."""
        steps = {name: asdict(one) for name, one in self.records.items()}
        text = json.dumps({"steps": steps, "files": self.files}, indent=1, ensure_ascii=False)
        paths.write(self.file, f"{text}\n".encode())


@contextmanager
def locked(file: Path) -> Iterator[int]:
    """Hold a file against other runs; yield its descriptor, which child processes keep open.

    So the place stays taken while a training goes on whose pipeline was killed.

    Raises:
        MedbenchError: another run is at work here.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MedbenchError(
                f"another run, or a step that it started, is at work here ({file} is locked); "
                "wait for it, or stop it"
            ) from error
        yield handle.fileno()
