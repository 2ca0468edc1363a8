"""Scores of a round's adapter on the recipe's tasks, by the project's own evaluation."""

import tempfile
from pathlib import Path

from medbench.engine.evaluate import evaluate
from medbench.engine.run import Run
from medbench.recipe import Recipe
from medbench.results import Score, read_results

__all__ = ["score"]

ACCURACY = "acc"
OWN_FILTERS = ("none", "extract")
AT_LOAD = ("nf4", "fp4", "int8")


def score(recipe: Recipe, adapter: Path) -> dict[str, float]:
    """Return the accuracy of an adapter by task, from 0 to 1; nothing stays on the disk.

    Raises:
        MedbenchError: the tasks cannot run as the recipe asks.
    """
    federated, evaluation = recipe.federated, recipe.evaluation
    assert federated is not None
    load = recipe.quantization.load
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(
            model=recipe.model.weights,
            revision=recipe.model.revision,
            tokenizer=recipe.model.tokenizer.id or None,
            trust_remote_code=recipe.model.trust_remote_code,
            adapters=(str(adapter),),
            tasks=evaluation.tasks,
            quantization=load if load in AT_LOAD else None,
            num_fewshot=evaluation.num_fewshot,
            chat_template=recipe.chat_template,
            gen_kwargs=evaluation.gen_kwargs or None,
            limit=federated.evaluate_limit or evaluation.limit,
            output=Path(scratch),
        )
        found = read_results([one.path for one in evaluate(run)])
    return {name(one): one.value for one in found.scores if one.metric == ACCURACY}


def name(score: Score) -> str:
    """Return the task; and how answers were read, where that is the original's way."""
    return score.task if score.filter in OWN_FILTERS else f"{score.task} {score.filter}"
