"""The end of a federated run: a checkpoint as every training leaves it, and `federated.json`."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medbench import paths
from medbench.checkpoint import CURVE, RECIPE, STATE, Base, Provenance, write_provenance
from medbench.federated.asked import Asked
from medbench.federated.rounds import Round, progress
from medbench.federated.traffic import MIB, budget
from medbench.federated.wire import Traffic
from medbench.recipe import to_yaml
from medbench.training.curve import draw
from medbench.training.provenance import surroundings, trained
from medbench.training.ready import Ready
from medbench.training.states import workplace

__all__ = ["REPORT", "finish", "report"]

REPORT = "federated.json"


def finish(asked: Asked, ready: Ready, base: Base, rounds: list[Round]) -> None:
    """Put everything into the folder of the last adapter, then that in the checkpoint's place.

    Args:
        asked: what was to be done.
        ready: whose tokenizer ends a text with the token learnt.
        base: what was started from.
        rounds: all of them.
    """
    from transformers import TrainerState

    work, recipe = workplace(asked.output), asked.recipe
    kept = work / "rounds"
    final = kept / str(rounds[-1].number)
    for folder in kept.iterdir():
        if folder != final:
            folder.rename(paths_of_rounds(final) / folder.name)
    ready.tokenizer.save_pretrained(final)
    log = history(rounds)
    TrainerState(log_history=log, global_step=steps(rounds)).save_to_json(str(final / STATE))
    draw(log, recipe.name, final / CURVE)
    write_provenance(final, provenance(asked, ready, base, rounds))
    paths.write(final / REPORT, f"{json.dumps(report(asked, rounds), indent=2)}\n".encode())
    paths.write(final / RECIPE, to_yaml(recipe).encode())
    os.replace(final, asked.output)
    shutil.rmtree(work)


def paths_of_rounds(final: Path) -> Path:
    """Return the folder of earlier rounds' adapters inside a checkpoint."""
    folder = final / "rounds"
    folder.mkdir(exist_ok=True)
    return folder


def steps(rounds: list[Round]) -> int:
    """Return the optimiser steps of all clients together."""
    return int(sum(told["steps"] for one in rounds for told in one.learnt.values()))


def history(rounds: list[Round]) -> list[dict[str, float]]:
    """Return a line of the training log for each round."""
    lines, done = [], 0
    for one in rounds:
        done += steps([one])
        line = {"step": done, "epoch": one.number, "learning_rate": one.learning_rate}
        scores = {f"eval_{task}": value for task, value in one.scores.items()}
        lines.append({**line, "loss": one.loss or 0.0, **scores})
    return lines


def provenance(asked: Asked, ready: Ready, base: Base, rounds: list[Round]) -> Provenance:
    """Return where the checkpoint comes from; rows that clients keep are theirs to describe."""
    recipe, federated = asked.recipe, asked.federated
    return Provenance(
        **surroundings(recipe, progress(rounds)),
        base=base,
        data=() if federated.partition == "own" else tuple(trained(recipe)),
        examples=len(ready.examples),
        steps=steps(rounds),
        loss=rounds[-1].loss,
        held_out_loss=None,
        launch={"strategy": "federated", "clients": federated.clients, "rounds": len(rounds)},
        communication=travelled(rounds)["whole_mib" if federated.secure else "tensors_mib"],
    )


def travelled(rounds: list[Round]) -> dict[str, float]:
    """Return MiB of all rounds' messages: their tensors, and all that they hold."""
    total = Traffic()
    for one in rounds:
        total.add(Traffic(**one.traffic))
    return {
        "tensors_mib": (total.tensors_down + total.tensors_up) / MIB,
        "whole_mib": (total.down + total.up) / MIB,
        "messages": total.messages_down + total.messages_up,
    }


def report(asked: Asked, rounds: list[Round]) -> dict[str, Any]:
    """Return all that is told of the rounds.

    `expected` are the same bytes by FlowerTune's formulas, in float32 and with nobody missing;
    `published` there leaves the last round's replies out. None: sizes are not known.
    """
    expected = budget(asked.recipe)
    return {
        "rounds": [asdict(one) for one in rounds],
        "travelled": travelled(rounds),
        "expected": asdict(expected) if expected else None,
    }
