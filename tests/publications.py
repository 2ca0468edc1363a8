"""Checkpoints to publish, without a training: a random adapter with all that training leaves."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess, run

from peft import LoraConfig

from medbench.checkpoint import CURVE, RECIPE, STATE, Base, Trained, write_provenance
from medbench.recipe import load, to_yaml
from medbench.training.curve import draw
from tests.adapted_models import LORA, save_adapter
from tests.test_checkpoint import FACTS
from tests.training_runs import write_recipe
from tests.writable_hub import WritableHub

BASE, REPO = "org/tiny", "me/tiny-lora"
LOG = [{"step": step, "loss": 2 / step} for step in (1, 2, 4, 8)]
DATA = (
    Trained("mmedbench", "english", "train", "letters", "mixture", "Hub", 10_178, "ab" * 32),
    Trained("mmedbench", "chinese", "train", "letters", "mixture", "Hub", 27_400, "cd" * 32),
    Trained("kormedmcqa", "doctor", "dev", "direct", "validation", "Hub", 164, "ef" * 32),
)


def make_checkpoint(base: Path, folder: Path, commit: str | None = None) -> Path:
    """Make an adapter's checkpoint; `commit`: of `BASE` on the Hub, None: the base is a folder."""
    save_adapter(folder, base, LoraConfig(**LORA, task_type="CAUSAL_LM"))
    (folder / "README.md").unlink(missing_ok=True)
    id = BASE if commit else str(base)
    known = Base(id, "main", commit, "LlamaForCausalLM")
    command = ("medbench", "train", str(folder / "mine.yaml"))
    write_provenance(folder, replace(FACTS, base=known, data=DATA, command=command))
    (folder / RECIPE).write_text(to_yaml(load(write_recipe(base, folder.parent))))
    (folder / STATE).write_text(json.dumps({"log_history": LOG, "best_model_checkpoint": None}))
    draw(LOG, "demo/x", folder / CURVE)
    return folder


def medbench(
    hub: WritableHub, home: Path, *arguments: object, **more: str
) -> "CompletedProcess[str]":
    """Run `medbench` against a Hub, with a client that does not wait between its attempts."""
    home.mkdir(parents=True, exist_ok=True)
    code = (
        "import sys, time; time.sleep = lambda _: None\n"
        "from medbench.cli import main; main(sys.argv[1:])"
    )
    environment = hub.environment(home) | {"MEDBENCH_DATA": "sample"} | more
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return run(command, env=environment, cwd=home, capture_output=True, text=True)
