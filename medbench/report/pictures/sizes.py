"""How many parameters a model has, where somebody wrote it down: never guessed."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from medbench import paths
from medbench.recipe.read import read
from medbench.results import Score

__all__ = ["Size", "size_of"]

# 7B, 1.5b, 135M after a space or a dash; not 8x7B, which is neither, nor the active part A3B.
IN_A_NAME = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?) ?([BM])(?![A-Za-z0-9])", re.IGNORECASE)
UNITS = {"B": 1e9, "M": 1e6}


@dataclass(frozen=True, slots=True)
class Size:
    """A number of parameters, and who says so."""

    parameters: float
    """All of them, embeddings and adapter included where they were counted."""
    told_by: Literal["results", "recipes", "name"]
    """lm-eval's results file, the zoo's facts on the model, or the model's name."""


def size_of(score: Score) -> Size | None:
    """Return the size of a score's model; None where nothing tells it."""
    if counted := _counted(score.source):
        return Size(counted, "results")
    base = score.model.partition(" + ")[0].partition(" (")[0]
    if known := _zoo().get(_plain(base)):
        return Size(known, "recipes")
    told = {float(number) * UNITS[unit.upper()] for number, unit in IN_A_NAME.findall(base)}
    return Size(told.pop(), "name") if len(told) == 1 else None


def _counted(source: Path) -> float:
    """Return what lm-eval counted when the model was loaded; 0 if it did not."""
    if not source.is_file():
        return 0.0
    config = json.loads(source.read_text(encoding="utf-8"))["config"]
    counted = config.get("model_num_parameters") if isinstance(config, dict) else None
    return float(counted) if isinstance(counted, int | float) and counted > 0 else 0.0


@cache
def _zoo() -> dict[str, float]:
    """Return the parameters of every model that recipes start from."""
    sizes = {}
    for file in sorted((paths.folder("adapters") / "models").glob("_*.yaml")):
        model = read(file).values["model"]
        sizes[_plain(model["id"].rpartition("/")[2])] = float(model["facts"]["parameters"])
    return sizes


def _plain(name: str) -> str:
    """Return a name without what is written now so, now otherwise."""
    return re.sub(r"[^a-z0-9.]", "", name.rpartition("/")[2].lower())
