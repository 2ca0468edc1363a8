"""The end of a training: one folder with all that belongs to it, put in place by a rename."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medbench import paths
from medbench.checkpoint import CURVE, RECIPE, STATE, Provenance, write_provenance
from medbench.errors import TrainingError
from medbench.recipe import Recipe, load, to_yaml
from medbench.training.curve import draw
from medbench.training.states import clear, latest, workplace

__all__ = ["begin", "is_finished", "publish", "same_texts"]

FINAL = "final"
CORPUS = "corpus.txt"
NOT_WANTED = ("training_args.bin", "README.md")
"""The Trainer's pickled arguments, PEFT's empty model card."""
READABLE = 0o644
MAY_DIFFER = ("name", "source", "tracking", "evaluation", "reported")
"""Parts of a recipe that change nothing in what is learnt."""


def is_finished(checkpoint: Path) -> bool:
    """Tell whether a checkpoint is there."""
    return (checkpoint / RECIPE).is_file()


def begin(recipe: Recipe, checkpoint: Path, *, resume: bool) -> Path | None:
    """Prepare the folder of unfinished work; return the state to go on from, if there is one.

    One process of a run calls it.

    Raises:
        TrainingError: something is in the way, or the unfinished run was another one.
    """
    folder = workplace(checkpoint)
    if checkpoint.exists():
        raise TrainingError(f"--output {checkpoint} is there already; name another, or remove it")
    if not resume:
        if latest(folder):
            raise TrainingError(
                f"{folder} holds an unfinished run; --resume goes on with it, or remove it"
            )
    elif not (folder / RECIPE).is_file():
        raise TrainingError(f"--resume: there is no unfinished run in {folder}")
    else:
        same_recipe(recipe, folder / RECIPE)
        clear(folder)
    try:
        paths.write(folder / RECIPE, to_yaml(recipe).encode())
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written to: {error.strerror}") from error
    return latest(folder)


def same_recipe(recipe: Recipe, file: Path) -> None:
    """Refuse to go on with a run whose recipe was another.

    Raises:
        TrainingError: names what differs.
    """
    before = load(file)
    parts = [one for one in Recipe.__dataclass_fields__ if one not in MAY_DIFFER]
    differ = [one for one in parts if getattr(recipe, one) != getattr(before, one)]
    if differ:
        raise TrainingError(
            f"--resume: {', '.join(differ)} of the recipe differ from the unfinished run's, "
            f"{file}; resume with its settings, or remove {file.parent} to start anew"
        )


def same_texts(digest: str, folder: Path) -> None:
    """Note the digest of a corpus; refuse to go on if the unfinished run read another.

    Raises:
        TrainingError: the texts or the tokenizer have changed since.
    """
    file = folder / CORPUS
    if latest(folder) and file.is_file() and file.read_text(encoding="utf-8") != digest:
        raise TrainingError(
            f"--resume: the texts of the corpus, or the tokenizer, are not those of the unfinished "
            f"run; put them back, or remove {folder} to start anew"
        )
    paths.write(file, digest.encode())


def publish(
    trainer: Any, recipe: Recipe, tokenizer: Any, checkpoint: Path, facts: Callable[[], Provenance]
) -> None:
    """Write everything into a folder beside the checkpoint's place, then rename it.

    All processes must call it; the first one writes.

    Args:
        trainer: transformers' Trainer, after training.
        recipe: what was asked for.
        tokenizer: whose end of text is the token learnt.
        checkpoint: the folder to be.
        facts: gives the provenance; the first process calls it.
    """
    folder = workplace(checkpoint)
    final = folder / FINAL
    if trainer.args.should_save:
        shutil.rmtree(final, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    trainer.save_final(final)
    if trainer.args.should_save:
        for name in NOT_WANTED:
            (final / name).unlink(missing_ok=True)
        tokenizer.save_pretrained(final)
        trainer.state.best_model_checkpoint = None  # a folder that goes away
        trainer.state.save_to_json(str(final / STATE))
        draw(trainer.state.log_history, recipe.name, final / CURVE)
        write_provenance(final, facts())
        paths.write(final / RECIPE, to_yaml(recipe).encode())
        for file in final.iterdir():
            file.chmod(READABLE)  # safetensors lets nobody else read
        os.replace(final, checkpoint)
        shutil.rmtree(folder)
    trainer.accelerator.wait_for_everyone()
