"""What a recipe will take, before weights, rows or the network: `medbench train --dry-run`."""

from dataclasses import dataclass
from math import ceil

from medbench.recipe import Recipe
from medbench.training.lengths import lengths
from medbench.training.memory import Memory, adapter_parameters, devices_needed, memory

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Steps, tokens and memory of a run; a baseline has none of the first two."""

    examples: int
    """In an epoch."""
    steps: int
    """Optimiser steps in all."""
    effective_batch: int
    """Examples in a step, over all devices."""
    tokens_per_step: int
    """Within a third: no tokenizer has been asked."""
    supervised_per_step: int
    """Of these, what the loss is taken on."""
    trained: int | None
    """Weights that learn; None: the recipe has no model.facts."""
    memory: Memory | None
    """What each device holds at its fullest; None: the recipe has no model.facts."""
    devices_needed: int | None
    """The fewest 80 GB cards that hold it; None: no number does, or there are no model.facts."""

    @property
    def tokens(self) -> int:
        """Of the whole run."""
        return self.steps * self.tokens_per_step


def estimate(recipe: Recipe) -> Estimate:
    """Return what a recipe will take.

    Raises:
        DataError: the mixture names what does not exist.
        TaskError: it names a protocol that does not exist.
    """
    size, facts = lengths(recipe), recipe.model.facts
    batch = recipe.replicas * recipe.training.per_device_batch * recipe.accumulation
    steps = recipe.training.max_steps or ceil(
        ceil(size.examples / batch) * (recipe.training.epochs or 0)
    )
    trained = None
    if facts and recipe.kind == "sft":
        is_full = recipe.method.name == "full"
        trained = facts.parameters if is_full else adapter_parameters(recipe, facts)
    answer = 2 * size.longest_answer_tokens
    return Estimate(
        examples=size.examples,
        steps=0 if recipe.kind == "baseline" else steps,
        effective_batch=0 if recipe.kind == "baseline" else batch,
        tokens_per_step=round(batch * size.tokens),
        supervised_per_step=round(batch * size.answer_tokens),
        trained=trained,
        memory=memory(recipe, answer) if facts else None,
        devices_needed=devices_needed(recipe, answer) if facts else None,
    )
