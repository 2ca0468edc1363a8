"""Rows to clients, by flwr-datasets' partitioners over the project's own examples."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from medbench import data
from medbench.errors import DataError, RecipeError
from medbench.question import Question
from medbench.recipe import Recipe
from medbench.training.lengths import datasets

__all__ = ["labels", "partition"]

OF_QUESTIONS = ("benchmark", "subset", "language", "answer")


def partition(recipe: Recipe, sources: Sequence[str], client: int) -> list[int]:
    """Return which examples are a client's, as numbers from 0.

    Every client that reads the same recipe and rows finds the same division, with nobody told. IID:
    shuffled, then cut into equal parts. Dirichlet: Hsu, Qi & Brown, arXiv 1909.06335, as
    flwr-datasets draws it.

    Args:
        recipe: says how they are divided.
        sources: of each example, as `Example.source` has it.
        client: its number, from 0.

    Raises:
        DataError: there are too few for so many clients.
        RecipeError: rows do not have what they are to be divided by.
    """
    federated = recipe.federated
    assert federated is not None
    if federated.partition == "own":
        return list(range(len(sources)))
    if len(sources) < federated.clients:
        raise DataError(
            f"federated.clients: {federated.clients}, and there are {len(sources)} examples"
        )
    table = labelled(recipe, sources).shuffle(seed=recipe.training.seed)
    divider = partitioner(recipe)
    divider.dataset = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of each draw that left somebody with nothing
        try:
            own = divider.load_partition(client)
        except ValueError as error:
            raise DataError(
                f"federated.alpha: {federated.alpha} leaves one of {federated.clients} clients "
                f"without rows in ten draws over {len(sources)} examples; raise it"
            ) from error
    return sorted(int(row) for row in own["row"])


def labelled(recipe: Recipe, sources: Sequence[str]) -> Any:
    """Return a table of row numbers, and of what they are divided by."""
    from datasets import Dataset

    federated = recipe.federated
    assert federated is not None
    columns: dict[str, Any] = {"row": list(range(len(sources)))}
    if federated.partition == "dirichlet":
        columns["label"] = labels(recipe, sources)
    return Dataset.from_dict(columns)


def partitioner(recipe: Recipe) -> Any:
    """Return flwr-datasets' partitioner."""
    from flwr_datasets.partitioner import DirichletPartitioner, IidPartitioner

    federated = recipe.federated
    assert federated is not None
    if federated.partition == "iid":
        return IidPartitioner(federated.clients)
    return DirichletPartitioner(
        federated.clients,
        partition_by="label",
        alpha=federated.alpha,
        min_partition_size=1,
        seed=recipe.training.seed,
    )


def labels(recipe: Recipe, sources: Sequence[str]) -> list[str]:
    """Return what each example is divided by.

    Raises:
        RecipeError: there is nothing of that name.
    """
    federated = recipe.federated
    assert federated is not None
    rows = questions(recipe)
    found = [label(rows[source.rpartition(" ")[0]], federated.partition_by) for source in sources]
    if any(found):
        return found
    tags = sorted({tag for one in rows.values() for tag in one.tags})
    raise RecipeError(
        f"federated.partition_by: no row has {federated.partition_by!r}; "
        f"there are {', '.join([*OF_QUESTIONS, *tags])}"
    )


def questions(recipe: Recipe) -> Mapping[str, Question]:
    """Return the mixture's questions by what an example's source says before its protocol."""
    return {
        f"{one.benchmark}/{one.subset} {question.id}": question
        for part in recipe.data.mixture
        for one in datasets(part)
        for question in data.load(one.benchmark, one.subset, part.split).questions
    }


def label(question: Question, name: str) -> str:
    """Return one property of a question; empty where it has none of that name."""
    if name == "answer":
        return "".join(sorted(question.gold))
    if name == "subset":
        return f"{question.benchmark}/{question.subset}"
    return str(getattr(question, name)) if name in OF_QUESTIONS else question.tags.get(name, "")
