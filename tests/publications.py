"""Checkpoints to publish, without a training: a random adapter with all that training leaves."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Self

from peft import LoraConfig

from medbench.checkpoint import CURVE, RECIPE, STATE, Base, Trained, write_provenance
from medbench.publish.gates import GATES
from medbench.recipe import load, to_yaml
from medbench.training.curve import draw
from tests.adapted_models import LORA, save_adapter
from tests.test_checkpoint import FACTS
from tests.training_runs import write_recipe
from tests.writable_hub import WritableHub

BASE, REPO = "org/tiny", "me/tiny-lora"
LOG = [{"step": step, "loss": 2 / step} for step in (1, 2, 4, 8)]
TINY = (
    "{parameters: 60000, layers: 2, hidden_size: 32, intermediate_size: 64, heads: 4, kv_heads: 2, "
    "vocabulary: 800, context: 8192, licence: apache-2.0}"
)
MACHINE = {"machine": "x86_64", "processors": 2, "devices": []}
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
    write_provenance(
        folder, replace(FACTS, base=known, data=DATA, command=command, hardware=MACHINE)
    )
    recipe = load(write_recipe(base, folder.parent), [f"model.facts={TINY}"])
    (folder / RECIPE).write_text(to_yaml(recipe))
    (folder / STATE).write_text(json.dumps({"log_history": LOG, "best_model_checkpoint": None}))
    draw(LOG, "demo/x", folder / CURVE)
    return folder


class Client:
    """A process with `medbench` and the unmodified client, which does not wait between attempts.

    with Client(hub, home) as client:
        code, out, err = client("push", checkpoint, REPO)
    """

    def __init__(self, hub: WritableHub, home: Path, **more: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / "stderr.txt"
        """What the process itself writes: the loggers of libraries."""
        self.environment = hub.environment(home) | {"MEDBENCH_DATA": "sample"} | more
        self.home = home

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self.process = Popen(
                [sys.executable, "-c", SESSION],
                stdin=PIPE, stdout=PIPE, stderr=log, text=True,
                env=self.environment, cwd=self.home,
            )  # fmt: skip
        return self

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Run a command; return exit code, output and errors. A push leaves out the gates."""
        if arguments[0] == "push":
            arguments = (*arguments, "--skip", *GATES)
        assert self.process.stdin and self.process.stdout
        print(json.dumps(list(map(str, arguments))), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        code, out, err = json.loads(line)
        return code, out, err

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


SESSION = """
import contextlib, io, json, sys, time
time.sleep = lambda _: None
from medbench.cli import main
for line in sys.stdin:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(json.loads(line))
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""
