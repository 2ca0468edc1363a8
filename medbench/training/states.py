"""Saved states of an unfinished training: which are whole, and which may go.

A run writes beside its checkpoint, into `<checkpoint>.unfinished`: the recipe, and one folder a
state, named by its step. A state counts once all processes have written their part of it; only
then does an older one go. So a run can be killed at any moment and resumed.
"""

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from medbench import paths
from medbench.errors import TrainingError

__all__ = ["Progress", "clear", "latest", "mark_complete", "progress", "prune", "workplace"]

COMPLETE = "complete.json"
STATE_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run has done when a state is saved."""

    tokens: int = 0
    """Read, padding included."""
    supervised_tokens: int = 0
    """Of these, what the loss was taken on."""
    seconds: float = 0.0
    """Of training, over all sessions."""


def workplace(checkpoint: Path) -> Path:
    """Return where the unfinished work for a checkpoint lies."""
    return checkpoint.with_name(f"{checkpoint.name}.unfinished")


def states(folder: Path) -> list[Path]:
    """Return all states, whole or not, the oldest first."""
    found = [(match, one) for one in folder.glob("*") if (match := STATE_NAME.fullmatch(one.name))]
    return [one for _, one in sorted(found, key=lambda pair: int(pair[0][1]))]


def latest(folder: Path) -> Path | None:
    """Return the last whole state."""
    whole = [one for one in states(folder) if (one / COMPLETE).is_file()]
    return whole[-1] if whole else None


def mark_complete(state: Path, done: Progress) -> None:
    """Say that all processes have written their part of a state."""
    paths.write(state / COMPLETE, json.dumps(asdict(done)).encode())


def progress(state: Path) -> Progress:
    """Return what had been done when a whole state was saved.

    Raises:
        TrainingError: it cannot be read.
    """
    file = state / COMPLETE
    try:
        return Progress(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{file} cannot be read: {error}; remove {state}") from error


def prune(folder: Path, keep: int, best: Path | None) -> None:
    """Remove all but the last whole states, and the best one."""
    whole = [one for one in states(folder) if (one / COMPLETE).is_file()]
    for one in whole[:-keep]:
        if best is None or one.name != best.name:
            remove(one)


def clear(folder: Path) -> None:
    """Remove states that were being written when a run was killed."""
    for one in states(folder):
        if not (one / COMPLETE).is_file():
            remove(one)


def remove(state: Path) -> None:
    """Remove a state, its mark first: half of one must not count as whole."""
    (state / COMPLETE).unlink(missing_ok=True)
    shutil.rmtree(state)
