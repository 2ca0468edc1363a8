"""One process of a training, from recipe to checkpoint; alone, or one of several."""

import os
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback, set_seed
from transformers.utils import logging as transformers_logging

from medbench.recipe import Recipe
from medbench.training.arguments import training_arguments
from medbench.training.batches import Collator
from medbench.training.checkpoint import begin, publish, same_texts
from medbench.training.examples import IGNORED, Example
from medbench.training.forgetting import Bookends
from medbench.training.layout import check_packing
from medbench.training.loop import MeasuresSaved, Supervised
from medbench.training.methods import attach
from medbench.training.model import load_model
from medbench.training.provenance import describe
from medbench.training.ready import Ready
from medbench.training.sharding import Sharding, verify
from medbench.training.states import Progress, latest, progress, workplace
from medbench.training.tracking import Meter

__all__ = ["train"]

SAVED_AS = {"float32": torch.float32, "float16": torch.float16}
"""bfloat16 for the others: what every matrix product of such a training read its weights as."""


class Watch(TrainerCallback):
    """Looks, once all is wrapped, whether the asked-for sharding is in force."""

    def __init__(self, trainer: Supervised, recipe: Recipe) -> None:
        self.trainer = trainer
        self.recipe = recipe
        self.sharding: Sharding | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look at the wrapped model.

        Raises:
            TrainingError: it is spread in another way.
        """
        trainer = self.trainer
        self.sharding = verify(trainer.model_wrapped, trainer.optimizer, self.recipe)


def train(ready: Ready, checkpoint: Path, *, resume: bool) -> None:
    """Train and leave a checkpoint; each process of a launch calls it.

    Args:
        ready: what was checked and read before.
        checkpoint: the folder to be.
        resume: go on with an unfinished run.

    Raises:
        MedbenchError: what keeps it from starting, or from doing what was asked.
    """
    recipe = ready.recipe
    arguments = training_arguments(recipe, workplace(checkpoint))
    state = enter(ready, checkpoint, resume=resume)
    trainer = make_trainer(ready, arguments, progress(state) if state else Progress())
    watch = Watch(trainer, recipe)
    trainer.add_callback(watch)
    if recipe.tracking.keep_best:
        trainer.add_callback(MeasuresSaved())
    if ready.corpus and ready.held_out:
        trainer.add_callback(Bookends(trainer))
    trainer.train(resume_from_checkpoint=str(state) if state else None)
    done = trainer.add_up()
    assert watch.sharding is not None
    sharding = watch.sharding
    publish(
        trainer,
        recipe,
        ready.tokenizer,
        checkpoint,
        lambda: describe(
            recipe,
            trainer,
            len(ready.examples),
            ready.corpus.parts if ready.corpus else (),
            sharding,
            done,
        ),
    )


def enter(ready: Ready, checkpoint: Path, *, resume: bool) -> Path | None:
    """Let the first process prepare the folder; return the state to go on from."""
    from accelerate import PartialState

    processes = PartialState()
    if processes.is_main_process:
        begin(ready.recipe, checkpoint, resume=resume)
        if ready.corpus:
            same_texts(ready.corpus.digest, workplace(checkpoint))
    processes.wait_for_everyone()
    return latest(workplace(checkpoint))


def make_trainer(ready: Ready, arguments: Any, done: Progress) -> Supervised:
    """Return the Trainer with model, examples and what watches it."""
    recipe = ready.recipe
    at_once = arguments.world_size * arguments.per_device_eval_batch_size
    trainer = Supervised(
        model=build(ready),
        args=arguments,
        data_collator=Collator(int(ready.tokenizer.pad_token_id), ready.layout.packing),
        train_dataset=ready.corpus.draws(recipe)
        if ready.corpus
        else Levelled(ready.examples, recipe.training.global_batch),
        eval_dataset=Levelled(ready.held_out, at_once) if ready.held_out else None,
        general=Levelled(ready.corpus.general, at_once)
        if ready.corpus and ready.corpus.general
        else None,
        callbacks=[Meter(perplexity=ready.corpus is not None)],
        keep=recipe.tracking.keep,
        done=done,
        saved_as=SAVED_AS.get(recipe.training.precision, torch.bfloat16),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def build(ready: Ready) -> Any:
    """Load the model and attach what is trained; its first weights depend on the seed alone."""
    recipe = ready.recipe
    set_seed(recipe.training.seed)
    if not sys.stderr.isatty() or os.environ.get("RANK", "0") != "0":
        transformers_logging.disable_progress_bar()
    model = load_model(recipe, ready.layout.attention)
    transformers_logging.disable_progress_bar()  # the next ones would cut our own line in two
    end_answers(model, int(ready.tokenizer.eos_token_id))
    if ready.layout.packing and recipe.quantization.load != "int8":
        check_packing(model)  # int8 picks its outliers over all rows of a batch, padded or not
    return attach(model, recipe)


def end_answers(model: Any, stop: int) -> None:
    """Name the learnt token in the generation config, and let that be one that can be saved."""
    config = model.generation_config
    ends = config.eos_token_id
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if stop not in known:
        config.eos_token_id = [stop, *known]
    try:
        config.validate(strict=True)
    except ValueError:
        config.do_sample = True  # some name a temperature and forget this


class Levelled(Sequence[Example]):
    """Examples, with empty ones behind them up to a multiple of what is seen at once.

    accelerate would show the first ones twice where processes get unequally many; and the order
    would depend on how a step is divided among them.
    """

    def __init__(self, examples: Sequence[Example], multiple: int) -> None:
        self.examples = examples
        self.size = ceil(len(examples) / multiple) * multiple
        self.empty = Example(examples[0].input_ids[:1], [IGNORED], "")

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        return self.examples[index] if index < len(self.examples) else self.empty
