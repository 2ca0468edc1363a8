"""Where a checkpoint comes from, as far as a program can tell."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from medbench import __version__, data
from medbench.checkpoint import Base, CorpusPart, Provenance, Trained, read
from medbench.recipe import Mixed, Recipe
from medbench.training.corpus.sources import rows
from medbench.training.forgetting import perplexities
from medbench.training.lengths import datasets
from medbench.training.sharding import Sharding
from medbench.training.states import Progress

__all__ = ["base", "describe", "last", "surroundings", "trained"]

PACKAGES = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "deepspeed",
    "flash_attn",
    "flwr",
    "peft",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)


def describe(
    recipe: Recipe,
    trainer: Any,
    examples: int,
    corpus: tuple[CorpusPart, ...],
    sharding: Sharding,
    done: Progress,
) -> Provenance:
    """Return all that is known of a finished training.

    Args:
        recipe: what was asked for.
        trainer: transformers' Trainer, after training.
        examples: of an epoch.
        corpus: of a continued pre-training.
        sharding: how the weights were spread.
        done: tokens and seconds of all sessions.
    """
    log, before = trainer.state.log_history, start(recipe)
    kept = trainer.state.best_global_step if recipe.tracking.keep_best else None
    return Provenance(
        **surroundings(recipe, done),
        base=base(recipe, trainer.accelerator.unwrap_model(trainer.model)),
        data=tuple(trained(recipe)),
        examples=examples,
        steps=trainer.state.global_step,
        loss=last(log, "loss"),
        held_out_loss=last(
            [one for one in log if kept is None or one["step"] == kept], "eval_loss"
        ),
        launch={**asdict(sharding), "nodes": recipe.launch.nodes, "offload": recipe.launch.offload},
        start=before,
        merged=merged(recipe, before),
        corpus=corpus,
        perplexity=perplexities(log, kept=kept) if corpus else {},
    )


def surroundings(recipe: Recipe, done: Progress) -> dict[str, Any]:
    """Return what is told of every training alike: recipe, work, command, machine, versions."""
    return {
        "recipe": recipe.name,
        "method": recipe.method.name,
        "tokens": done.tokens,
        "supervised_tokens": done.supervised_tokens,
        "seed": recipe.training.seed,
        "seconds": round(done.seconds, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": (Path(sys.argv[0]).name, *sys.argv[1:]),
        "hardware": hardware(),
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
        "git": git(Path(__file__).parents[2]),
        "medbench": __version__,
    }


def start(recipe: Recipe) -> Provenance | None:
    """Return what is known of the checkpoint that a recipe started from.

    Raises:
        ModelError: its description cannot be read.
    """
    made = recipe.model.start
    return read(Path(made.folder)).provenance if made and made.folder else None


def merged(recipe: Recipe, before: Provenance | None) -> str:
    """Say what of an earlier adapter is part of the weights."""
    if recipe.model.start is None or before is None or before.method == "full":
        return ""
    return recipe.model.start.merge or "all"


def last(log: list[dict[str, float]], name: str) -> float | None:
    """Return the last value of a quantity in the Trainer's log."""
    values = [line[name] for line in log if name in line]
    return values[-1] if values else None


def base(recipe: Recipe, model: Any) -> Base:
    """Return the model that was started from."""
    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    return Base(
        id=recipe.model.weights,
        revision=recipe.model.revision,
        commit=getattr(inner.config, "_commit_hash", None),
        architecture=type(inner).__name__.removeprefix("FSDP"),
    )


def trained(recipe: Recipe) -> Iterator[Trained]:
    """Yield every split that was read, with its digest.

    Raises:
        DataError: one cannot be read.
    """
    for use in ("mixture", "validation"):
        parts: tuple[Mixed, ...] = getattr(recipe.data, use)
        for part in parts:
            for one in datasets(part):
                read = data.load(one.benchmark, one.subset, part.split)
                yield Trained(
                    benchmark=one.benchmark,
                    subset=one.subset,
                    split=part.split,
                    protocol=part.protocol,
                    use=use,
                    source=read.source,
                    rows=len(read.questions),
                    sha256=read.digest,
                    limit=part.limit,
                )
    for source in recipe.corpus.sources + recipe.corpus.general:
        for split in rows(source) if source.benchmark else ():
            yield Trained(
                benchmark=split.dataset.benchmark,
                subset=split.dataset.subset,
                split=split.split,
                protocol=source.field or "context",
                use="mixture",
                source=split.source,
                rows=len(split.questions),
                sha256=split.digest,
            )


def hardware() -> dict[str, Any]:
    """Return machine and devices; the machine's name is nobody's business."""
    devices = range(torch.cuda.device_count())
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "devices": [torch.cuda.get_device_name(one) for one in devices],
        "cuda": torch.version.cuda,
    }


def installed(name: str) -> str | None:
    """Return a distribution's version."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def git(folder: Path) -> dict[str, Any] | None:
    """Return the commit that a working tree is at, and whether it was changed since."""
    if not (folder / ".git").exists():
        return None  # installed from a wheel
    try:
        commit = ask_git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(ask_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None  # no git here, or no commit yet


def ask_git(folder: Path, *words: str) -> str:
    """Return what git answers."""
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
