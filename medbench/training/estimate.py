"""What a recipe will take, before weights, rows or the network: `medbench train --dry-run`."""

from dataclasses import dataclass
from math import ceil

from medbench.recipe import Recipe
from medbench.training.corpus.outlook import outlook
from medbench.training.lengths import Lengths, lengths
from medbench.training.memory import Memory, adapter_parameters, devices_needed, memory, state_bytes
from medbench.training.shapes import unsized

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
    """Weights that learn; None: model.facts do not tell."""
    memory: Memory | None
    """What each device holds at its fullest; None: model.facts do not tell."""
    state_bytes: float
    """Of a saved state, all devices' parts together; 0: model.facts do not tell."""
    devices_needed: int | None
    """The fewest 80 GB cards that hold it; None: no number does, or model.facts do not tell."""

    @property
    def tokens(self) -> int:
        """Of the whole run."""
        return self.steps * self.tokens_per_step


def estimate(recipe: Recipe) -> Estimate:
    """Return what a recipe will take.

    Raises:
        DataError: the mixture names what does not exist.
        RecipeError: nothing tells how large its corpus is.
        TaskError: it names a protocol that does not exist.
    """
    size, facts = expected(recipe), recipe.model.facts
    if facts and unsized(recipe, facts):
        facts = None
    batch = recipe.replicas * recipe.training.per_device_batch * recipe.accumulation
    steps = recipe.training.max_steps or ceil(
        ceil(size.examples / batch) * (recipe.training.epochs or 0)
    )
    trained = None
    if facts and recipe.kind != "baseline":
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
        state_bytes=state_bytes(recipe, facts, trained or 0) if facts else 0,
        devices_needed=devices_needed(recipe, answer) if facts else None,
    )


def expected(recipe: Recipe) -> Lengths:
    """Return the number and the mean length of what an epoch shows."""
    if recipe.kind != "pretrain":
        return lengths(recipe)
    found = outlook(recipe)
    longest = recipe.data.sequence_length / 2  # of which each token is learnt, not half of them
    return Lengths(found.windows, 0.0, found.window_tokens, longest)
