"""A client's turn, in a process that keeps the base model from one turn to the next."""

import gc
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback

from medbench.errors import TrainingError
from medbench.federated.low_rank import A_NAME, Tensors
from medbench.federated.partition import partition
from medbench.federated.proximal import Proximal
from medbench.federated.schedule import rows_of_turn, seed_of_turn
from medbench.recipe import Recipe, load
from medbench.training.arguments import training_arguments
from medbench.training.batches import Collator
from medbench.training.ready import Ready, prepare
from medbench.training.run import build
from medbench.training.states import Progress

__all__ = ["Learnt", "Turn", "Worker", "adapter", "worker"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a client is asked to do in a round."""

    client: int
    """Its number, from 0."""
    number: int
    """The round, from 1."""
    turn: int
    """How many turns it has finished before."""
    learning_rate: float
    """The highest of the round."""
    proximal_mu: float
    """FedProx's μ."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a client gives back."""

    tensors: Tensors
    """The adapter."""
    metrics: Mapping[str, float | int]
    """Sizes and means, by name; all that leaves a client besides the adapter."""


@lru_cache(maxsize=1)
def worker(recipe: str, overrides: tuple[str, ...]) -> "Worker":
    """Return this process's worker; it is made, and its base model loaded, once.

    Raises:
        MedbenchError: what keeps it from training.
    """
    return Worker(prepare(load(recipe, overrides)))


class Worker:
    """Base model, examples and tokenizer, for any number of clients one after the other."""

    def __init__(self, ready: Ready) -> None:
        self.ready = ready
        self.sources = [one.source for one in ready.examples]

    @cached_property
    def model(self) -> Any:
        """The base with a new adapter on it."""
        model = build(self.ready)
        if self.federated.aggregation == "fixed_a":
            for name, one in model.named_parameters():
                if A_NAME in name:
                    one.requires_grad_(False)
        gc.freeze()  # each Trainer collects garbage when it starts; what stays needs no look
        return model

    @property
    def recipe(self) -> Recipe:
        """What is trained."""
        return self.ready.recipe

    @property
    def federated(self) -> Any:
        """How it is."""
        return self.recipe.federated

    def rows(self, client: int) -> list[int]:
        """Return which examples are a client's."""
        return partition(self.recipe, self.sources, client)

    def train(self, tensors: Tensors, turn: Turn) -> Learnt:
        """Go on from an adapter over a client's next rows.

        Raises:
            TrainingError: the loss is no number any more.
        """
        started = time.monotonic()
        set_adapter(self.model, tensors)
        rows = self.rows(turn.client)
        places = rows_of_turn(self.recipe, turn.client, turn.turn, len(rows))
        examples = [self.ready.examples[rows[place]] for place in places]
        with tempfile.TemporaryDirectory() as scratch:
            trainer = self.trainer(examples, turn, Path(scratch))
            loss = trainer.train().training_loss
        # or the next Trainer would wrap what this one has wrapped
        trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)
        if not np.isfinite(loss):
            raise TrainingError(f"client {turn.client}: the loss is {loss} in round {turn.number}")
        done = trainer.add_up()
        metrics = {
            "num-examples": 1 if self.federated.privacy else len(rows),  # noise fits equal shares
            "loss": float(loss),
            "tokens": done.tokens,
            "supervised-tokens": done.supervised_tokens,
            "steps": trainer.state.global_step,
            "distance": trainer.distance(),
            "seconds": time.monotonic() - started,
        }
        return Learnt(adapter(self.model), metrics)

    def trainer(self, examples: list[Any], turn: Turn, scratch: Path) -> Proximal:
        """Return the Trainer of one turn."""
        training = replace(
            self.recipe.training,
            learning_rate=turn.learning_rate,
            seed=seed_of_turn(self.recipe, turn.number, turn.client),
        )
        arguments = training_arguments(replace(self.recipe, training=training), scratch)
        arguments.set_save(strategy="no")
        trainer = Proximal(
            mu=turn.proximal_mu,
            model=self.model,
            args=arguments,
            data_collator=Collator(
                int(self.ready.tokenizer.pad_token_id), self.ready.layout.packing
            ),
            train_dataset=examples,
            keep=1,
            done=Progress(),
            saved_as=torch.float32,
        )
        trainer.remove_callback(PrinterCallback)
        return trainer


def adapter(model: Any) -> dict[str, Any]:
    """Return a model's adapter by PEFT's names, in their order, in float32."""
    from peft import get_peft_model_state_dict

    found = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: found[name].detach().float().cpu().numpy().copy() for name in sorted(found)}


def set_adapter(model: Any, tensors: Tensors) -> None:
    """Put an adapter into a model.

    Raises:
        TrainingError: it is another model's.
    """
    from peft import set_peft_model_state_dict

    own = {name: one.shape for name, one in adapter(model).items()}
    if own != {name: one.shape for name, one in tensors.items()}:
        raise TrainingError("the server's adapter does not fit the recipe's model; is it the same?")
    set_peft_model_state_dict(model, {name: torch.from_numpy(one) for name, one in tensors.items()})
