"""Training steps: medbench's batches and loss against TRL's SFTTrainer, padded and packed.

Every side sees the same real rows as the same tokens, through transformers' Trainer with the same
optimiser; each run is a process of its own, so that peak memory is its own too, and sides take
turns. The learning rate is 0: nothing moves, so the mean losses over all rows must be equal.
TRL packs to its default length of 1,024 tokens; accumulation makes its steps hold as many rows.

    MEDBENCH_DATA=DIR python benchmarks/training_speed.py --rows 128 --rounds 3
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from medbench.engine.smollm2 import smollm2
from medbench.recipe import Data, Method, Mixed, Model, Recipe, Training
from medbench.training.examples import Example, build_examples

SIDES = ("medbench", "trl_padded", "trl_packed")
LORA = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
TRL_LENGTH = 1024
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Run = dict[str, float]


def options() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=128, help="rows of KorMedMCQA and of PubMedQA together")
    add("--batch", type=int, default=8, help="rows of a step")
    add("--warmup", type=int, default=2, help="steps that are not timed")
    add("--rounds", type=int, default=3)
    add("--method", choices=("full", "lora"), default="full")
    add("--dtype", choices=("float32", "bfloat16"), default="float32", help="arithmetic (autocast)")
    add("--checkpointing", action="store_true", help="gradient checkpointing on every side")
    add("--clock", choices=("wall", "cpu"), default="wall", help="cpu: where others use it too")
    add("--model", default="", help="default: `medbench path smollm2`")
    add("--sides", default=",".join(SIDES))
    add("--side", choices=SIDES, help=argparse.SUPPRESS)
    return parser


def recipe(asked: argparse.Namespace) -> Recipe:
    """Return what is trained: half of the rows Korean exams, half PubMedQA."""
    exams, abstracts = asked.rows // 8, asked.rows // 2
    parts = (
        Mixed(benchmark="kormedmcqa", limit=exams),
        Mixed(benchmark="pubmedqa", limit=abstracts),
    )
    return Recipe(
        model=Model(id=asked.model or str(smollm2())),
        data=Data(mixture=parts, sequence_length=TRL_LENGTH),
        method=Method(name=asked.method, rank=16, alpha=32.0, target_modules=LORA),
        training=Training(gradient_checkpointing=asked.checkpointing),
    )


def load(asked: argparse.Namespace) -> tuple[Any, Any, list[Example]]:
    """Return model, tokenizer and shuffled examples."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from medbench.training.methods import attach

    wanted = recipe(asked)
    tokenizer = AutoTokenizer.from_pretrained(wanted.model.id)
    model = AutoModelForCausalLM.from_pretrained(wanted.model.id, dtype=torch.float32)
    examples = list(build_examples(wanted, tokenizer, "mixture"))
    random.Random(0).shuffle(examples)
    torch.manual_seed(0)
    return attach(model, wanted), tokenizer, examples


def settings(asked: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Return what all Trainers are told."""
    return {
        "output_dir": folder,
        "per_device_train_batch_size": asked.batch,
        "num_train_epochs": 1,
        "learning_rate": 0.0,
        "max_grad_norm": 1.0,
        "bf16": asked.dtype == "bfloat16",
        "gradient_checkpointing": asked.checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "use_cpu": True,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "seed": 0,
    }


def medbench_trainer(asked: argparse.Namespace, folder: str) -> tuple[type, dict[str, Any]]:
    """Return our Trainer class and its arguments."""
    import torch
    from transformers import Trainer, TrainingArguments

    from medbench.training.batches import Collator
    from medbench.training.layout import base_model, choose
    from medbench.training.loss import supervised_loss

    model, tokenizer, examples = load(asked)
    layout = choose(model, recipe(asked))
    base_model(model).set_attn_implementation(layout.attention)

    class Ours(Trainer):
        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, torch.Tensor],
            return_outputs: bool = False,
            num_items_in_batch: torch.Tensor | int | None = None,
        ) -> torch.Tensor:
            return supervised_loss(model, inputs, num_items_in_batch)

    return Ours, {
        "model": model,
        "args": TrainingArguments(**settings(asked, folder)),
        "train_dataset": examples,
        "data_collator": Collator(tokenizer.pad_token_id, layout.packing),
    }


def trl_trainer(asked: argparse.Namespace, folder: str) -> tuple[type, dict[str, Any]]:
    """Return TRL's Trainer class and its arguments; the labels are ours."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    model, tokenizer, examples = load(asked)
    told = settings(asked, folder) | {"max_length": TRL_LENGTH}
    if asked.side == "trl_packed":
        tokens = sum(len(one.input_ids) for one in examples)
        bins = max(1, round(asked.batch * tokens / len(examples) / TRL_LENGTH))
        told |= {"packing": True, "per_device_train_batch_size": 1}
        told["gradient_accumulation_steps"] = bins
    rows = [{"input_ids": one.input_ids, "labels": one.labels} for one in examples]
    return SFTTrainer, {
        "model": model,
        "args": SFTConfig(**told),
        "train_dataset": Dataset.from_list(rows),
        "processing_class": tokenizer,
    }


def run_side(asked: argparse.Namespace) -> Run:
    """Train for one epoch; return seconds and supervised tokens after the warm-up, and the loss."""
    build = medbench_trainer if asked.side == "medbench" else trl_trainer
    with tempfile.TemporaryDirectory() as folder:
        kind, arguments = build(asked, folder)
        trainer = watched(kind, CLOCKS[asked.clock])(**arguments)
        loaded = peak()
        trainer.train()
    times, items = trainer.seconds[asked.warmup :], trainer.items[asked.warmup :]
    return {
        "seconds": sum(times),
        "items": sum(items),
        "steps": len(trainer.seconds),
        "loss": trainer.summed / sum(trainer.items),
        "loaded": loaded,
        "peak": peak(),
    }


def watched(kind: type, clock: Callable[[], float]) -> type:
    """Return a Trainer class that also keeps each step's seconds and supervised tokens."""

    class Watched(kind):  # type: ignore[misc, valid-type]
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.seconds: list[float] = []
            self.items: list[int] = []
            self.summed = 0.0
            self.last = 0.0

        def get_batch_samples(self, *arguments: Any) -> Any:
            self.finish()
            samples, items = super().get_batch_samples(*arguments)
            self.items.append(int(items))
            return samples, items

        def compute_loss(self, model: Any, inputs: Any, **arguments: Any) -> Any:
            items = int(arguments["num_items_in_batch"])
            loss = super().compute_loss(model, inputs, **arguments)
            self.summed += float(loss.detach()) * items
            return loss

        def finish(self) -> None:
            now = clock()
            if self.last:
                self.seconds.append(now - self.last)
            self.last = now

        def train(self, *arguments: Any, **more: Any) -> Any:
            found = super().train(*arguments, **more)
            self.finish()
            return found

    return Watched


def peak() -> float:
    """Return the most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def start(asked: argparse.Namespace, side: str) -> Run:
    """Run one side in a process of its own."""
    told = [f"--{name}={getattr(asked, name)}" for name in ("rows", "batch", "warmup", "method")]
    told += [
        f"--dtype={asked.dtype}",
        f"--clock={asked.clock}",
        f"--model={asked.model}",
        f"--side={side}",
    ]
    told += ["--checkpointing"] * asked.checkpointing
    done = subprocess.run(
        [sys.executable, __file__, *told], stdout=subprocess.PIPE, text=True, check=True
    )
    found: Run = json.loads(done.stdout.splitlines()[-1])
    return found


def report(runs: dict[str, list[Run]], asked: argparse.Namespace) -> None:
    """Print the medians, the losses, and the ratios last."""

    def middle(side: str, value: Callable[[Run], float]) -> float:
        return statistics.median(map(value, runs[side]))

    def speed(run: Run) -> float:
        return run["items"] / run["seconds"]

    for side in runs:
        peaks, loaded = middle(side, lambda r: r["peak"]), middle(side, lambda r: r["loaded"])
        print(
            f"{side}: {middle(side, speed):.2f} supervised tokens/s, peak {peaks:,.0f} MiB "
            f"({peaks - loaded:,.0f} above the loaded model), loss {runs[side][0]['loss']:.6f}"
        )
    losses = [run["loss"] for side in runs.values() for run in side]
    print(f"largest difference of losses {max(losses) - min(losses):.2g} ({asked.dtype})")
    ratios = []
    for side in list(runs)[1:]:
        faster = middle("medbench", speed) / middle(side, speed)
        less = middle("medbench", lambda r: r["peak"]) / middle(side, lambda r: r["peak"])
        ratios.append(f"{faster:.2f} x {side} at {less:.2f} of its memory")
    how = f"{asked.rows} rows, {asked.batch} a step, {asked.method}, {asked.clock} time"
    print(f"ratio {', '.join(ratios)} ({how})")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all sides in turn, or one of them."""
    asked = options().parse_args(arguments)
    if asked.side:
        print(json.dumps(run_side(asked)))
        return
    runs: dict[str, list[Run]] = {side: [] for side in asked.sides.split(",")}
    for number in range(asked.rounds):
        for side in runs:
            runs[side].append(found := start(asked, side))
            print(
                f"round {number + 1}: {side} {found['items'] / found['seconds']:.2f} supervised "
                f"tokens/s, peak {found['peak']:,.0f} MiB, {found['steps']} steps",
                flush=True,
            )
    report(runs, asked)


if __name__ == "__main__":
    main()
