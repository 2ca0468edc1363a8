"""What lies beside a results file: what `medbench eval` says of the run, and each task's samples.

results_STAMP.json      lm-eval's
medbench_STAMP.json     rows, command, versions
samples_TASK_STAMP.jsonl, or the same with .gz
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medbench.errors import ResultError

__all__ = ["facts_path", "read_facts", "read_json", "sample_lines", "samples_path", "stamp"]


def stamp(results: Path) -> str:
    """Return what the names of all files of a run share: its date."""
    return results.stem.rpartition("_")[2]


def facts_path(results: Path) -> Path:
    """Return where `medbench eval` says what lm-eval's own file does not."""
    return results.parent / f"medbench_{stamp(results)}.json"


def samples_path(results: Path, task: str) -> Path | None:
    """Return a task's samples, compressed or not; None: there are none."""
    path = results.parent / f"samples_{task}_{stamp(results)}.jsonl"
    return next((one for one in (path, path.with_name(f"{path.name}.gz")) if one.is_file()), None)


def sample_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a samples file that are not empty, numbered from 1.

    Raises:
        ResultError: it cannot be read.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())
    except (OSError, EOFError, zlib.error) as error:
        raise ResultError(f"{path}: cannot be read ({error})") from error


def read_facts(results: Path) -> dict[str, Any]:
    """Read what `medbench eval` says; empty where the file is missing.

    Raises:
        ResultError: it cannot be read.
    """
    path = facts_path(results)
    return read_json(path) if path.is_file() else {}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ResultError: it cannot be read, or is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise ResultError(f"{path}: not a JSON object")
    return content
