"""Checkpoints that the gates pass or refuse: random models, adapters on them, the packaged rows."""

import copy
from pathlib import Path
from typing import Any

import yaml
from peft import LoraConfig
from transformers import AutoTokenizer

from medbench.checkpoint import Base, Provenance, read, write_provenance
from medbench.publish.candidate import Candidate
from medbench.recipe import load
from medbench.training.provenance import trained
from tests.adapted_models import LORA, base_model, save_adapter
from tests.training_runs import write_recipe


def describe(
    folder: Path, base: Path, mixture: tuple[dict[str, Any], ...] = (), **changes: Any
) -> Candidate:
    """Write the recipe and the provenance of a checkpoint, and read it."""
    recipe = write_recipe(base, folder)
    content = yaml.safe_load(recipe.read_text("utf-8"))
    content["data"]["mixture"] = list(mixture) or content["data"]["mixture"]
    recipe.unlink()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    start = Base(str(base), "main", None, "LlamaForCausalLM")
    facts: dict[str, Any] = {
        "recipe": "small", "method": "lora", "base": start,
        "data": tuple(trained(load(folder / "recipe.yaml"))), "examples": 18, "steps": 8,
        "tokens": 1000, "supervised_tokens": 36, "loss": 1.0, "held_out_loss": None, "seed": 1,
        "seconds": 1.0, "finished": "2026-01-01T00:00:00+00:00", "command": ("medbench",),
        "launch": {}, "hardware": {}, "packages": {},
    }  # fmt: skip
    write_provenance(folder, Provenance(**facts | changes))
    return Candidate(read(folder))


def adapter(folder: Path, base: Path, config: Any = None, **changes: Any) -> Candidate:
    """Return an adapter with random weights."""
    kind = copy.deepcopy(config) or LoraConfig(**LORA)
    kind.task_type = "CAUSAL_LM"
    save_adapter(folder, base, kind)
    return describe(folder, base, **changes)


def whole(folder: Path, base: Path, **changes: Any) -> Candidate:
    """Return a whole model: its base with every weight moved."""
    model = base_model(base)
    for parameter in model.parameters():
        parameter.data.mul_(1.1)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return describe(folder, base, method="full", **changes)
