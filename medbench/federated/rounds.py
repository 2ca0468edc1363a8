"""What happened in each round, on the disk: what a killed server goes on from.

A state is a folder `checkpoint-<round>` in the unfinished run's, as other trainings have them
(`medbench.training.states`), with the adapter after that round and the rounds so far.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save

from medbench import paths
from medbench.checkpoint import WEIGHTS
from medbench.errors import TrainingError
from medbench.federated.low_rank import Tensors
from medbench.training.states import Progress, mark_complete, prune

__all__ = ["ROUNDS", "Round", "progress", "read_state", "turns", "write_adapter", "write_state"]

ROUNDS = "rounds.json"


@dataclass(slots=True)
class Round:
    """One round."""

    number: int
    """From 1."""
    learning_rate: float
    """The highest of it."""
    clients: list[int]
    """Who were asked."""
    learnt: dict[str, dict[str, float]] = field(default_factory=dict)
    """Client → what it told of its turn; those that are not here gave nothing."""
    faults: dict[str, str] = field(default_factory=dict)
    """Client → why it gave nothing."""
    loss: float | None = None
    """Mean over the clients, by their rows; under privacy each counts alike."""
    aggregation_error: float | None = None
    """Of B·A against the mean of the clients', relative; None: the server saw no client's."""
    traffic: dict[str, int] = field(default_factory=dict)
    """Bytes (`medbench.federated.wire.Traffic`)."""
    seconds: float = 0.0
    """That it took."""
    scores: dict[str, float] = field(default_factory=dict)
    """Of the adapter after it, by task, where it was scored."""


def turns(rounds: Sequence[Round]) -> Counter[int]:
    """Return how many turns each client has finished."""
    return Counter(int(client) for one in rounds for client in one.learnt)


def total(rounds: Sequence[Round], name: str) -> float:
    """Return the sum of what clients told of something."""
    return sum(told[name] for one in rounds for told in one.learnt.values())


def progress(rounds: Sequence[Round]) -> Progress:
    """Return what has been done."""
    return Progress(
        tokens=int(total(rounds, "tokens")),
        supervised_tokens=int(total(rounds, "supervised-tokens")),
        seconds=sum(one.seconds for one in rounds),
    )


def write_adapter(folder: Path, tensors: Tensors, config: Any) -> None:
    """Write an adapter as PEFT reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    paths.write(folder / WEIGHTS, save(dict(tensors), metadata={"format": "pt"}))


def write_state(folder: Path, rounds: Sequence[Round], tensors: Tensors, config: Any) -> Path:
    """Write the state after the last of some rounds; older ones go then."""
    state = folder / f"checkpoint-{rounds[-1].number}"
    write_adapter(state, tensors, config)
    paths.write(state / ROUNDS, json.dumps([asdict(one) for one in rounds]).encode())
    mark_complete(state, progress(rounds))
    prune(folder, 1, None)
    return state


def read_state(state: Path) -> tuple[list[Round], Mapping[str, Any]]:
    """Return the rounds so far and the adapter after them.

    Raises:
        TrainingError: they cannot be read.
    """
    try:
        found = json.loads((state / ROUNDS).read_text(encoding="utf-8"))
        return [Round(**one) for one in found], load_file(state / WEIGHTS)
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{state} cannot be read: {error}; remove it") from error
