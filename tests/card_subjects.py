"""What cards are made of, without a push."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medbench import checkpoint as checkpoints
from medbench.publish.base import HubBase
from medbench.publish.candidate import Candidate
from medbench.publish.card.subject import Subject
from medbench.publish.scores import scores_of
from medbench.recipe import load

COMMIT = "0123456789" * 4
BASE = HubBase("org/base", COMMIT, True)
USMLE = {"usmle": {"metadata": {"benchmark": "usmle", "protocol": "letters"},
                   "dataset_kwargs": {"subset": "4_options"}}}  # fmt: skip


def subject(folder: Path, results: Sequence[Path] = (), base_results: Sequence[Path] = (),
            **changes: Any) -> Subject:  # fmt: skip
    """Return what a card is made of; results are B's, and A's of the base."""
    candidate = Candidate(checkpoints.read(folder), tuple(results), tuple(base_results))
    settings: dict[str, Any] = {
        "repo": "me/x",
        "candidate": candidate,
        "base": BASE,
        "recipe": load(folder / "recipe.yaml"),
        "recipe_text": (folder / "recipe.yaml").read_text(),
        "is_adapter": True,
        "is_merged": False,
        "scores": scores_of(candidate),
    }
    return Subject(**settings | changes)


def rewritten(run: Path, document: Mapping[str, Any], facts: Mapping[str, Any] | None) -> Path:
    """Change a run's results and what `medbench eval` says of them; None: plain lm_eval ran."""
    (results,), (beside,) = run.glob("results_*"), run.glob("medbench_*.json")
    results.write_text(json.dumps(json.loads(results.read_text()) | document))
    if facts is None:
        beside.unlink()
    else:
        beside.write_text(json.dumps(json.loads(beside.read_text()) | facts))
    return run
