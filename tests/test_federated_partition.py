"""Rows to clients: each row to one, the same for all who ask, as unlike as alpha says."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medbench.errors import DataError, RecipeError
from medbench.recipe import Recipe, load

pytest.importorskip("flwr_datasets", reason="pip install 'medbench[federated]'")
from medbench.federated.partition import labels, partition

RECIPE = """
model: {id: some/model}
data:
  mixture:
    - {benchmark: mmedbench, protocol: letters}
    - {benchmark: kormedmcqa, protocol: direct}
method: {name: lora, rank: 4, alpha: 8, target_modules: all-linear}
training: {max_steps: 1, schedule: constant, global_batch: 1}
federated: {clients: 5}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Sample rows of two benchmarks, ten subsets."""
    file = tmp_path / "recipe.yaml"
    file.write_text(RECIPE, encoding="utf-8")
    return load(file)


@pytest.fixture
def sources(recipe: Recipe) -> list[str]:
    """What `Example.source` says of each row."""
    from medbench import data
    from medbench.training.lengths import datasets

    return [
        f"{one.benchmark}/{one.subset} {question.id} {part.protocol}"
        for part in recipe.data.mixture
        for one in datasets(part)
        for question in data.load(one.benchmark, one.subset, part.split).questions
    ]


def settings(recipe: Recipe, **changed: Any) -> Recipe:
    assert recipe.federated
    return replace(recipe, federated=replace(recipe.federated, **changed))


def divided(recipe: Recipe, sources: list[str]) -> list[list[int]]:
    assert recipe.federated
    return [partition(recipe, sources, one) for one in range(recipe.federated.clients)]


@pytest.mark.parametrize(
    "how",
    [
        {"partition": "iid"},
        {"partition": "iid", "clients": 20},
        {"partition": "dirichlet", "alpha": 5.0},
        {"partition": "dirichlet", "alpha": 1.0, "partition_by": "answer"},
    ],
)
def test_each_row_is_one_client_s(how: dict[str, Any], recipe: Recipe, sources: list[str]) -> None:
    one = settings(recipe, **how)
    found = divided(one, sources)
    assert sorted(row for rows in found for row in rows) == list(range(len(sources)))
    assert all(found) and found == divided(one, sources)
    other = replace(one, training=replace(one.training, seed=7))
    assert found != divided(other, sources)
    if how["partition"] == "iid":
        assert max(map(len, found)) - min(map(len, found)) <= 1


def test_alpha(recipe: Recipe, sources: list[str]) -> None:
    """The smaller it is, the more of a client's rows are of one kind."""
    shares = []
    for alpha in (0.5, 100.0):
        one = settings(recipe, partition="dirichlet", alpha=alpha, clients=3)
        kinds = labels(one, sources)
        largest = [max(Counter(kinds[row] for row in own).values()) / len(own)
                   for own in divided(one, sources)]  # fmt: skip
        shares.append(sum(largest) / 3)
    assert shares[0] > shares[1]


def test_labels(recipe: Recipe, sources: list[str]) -> None:
    by = {
        name: set(labels(settings(recipe, partition="dirichlet", partition_by=name), sources))
        for name in ("benchmark", "subset", "language", "answer")
    }
    assert by["benchmark"] == {"mmedbench", "kormedmcqa"}
    assert by["language"] == {"en", "zh", "ja", "fr", "ru", "es", "ko"}
    assert {"mmedbench/french", "kormedmcqa/nurse"} <= by["subset"] and len(by["subset"]) == 10
    assert {"A", "B", "C"} <= by["answer"]


def test_own_rows_are_not_divided(recipe: Recipe, sources: list[str]) -> None:
    own = settings(recipe, partition="own")
    assert divided(own, sources) == [list(range(len(sources)))] * 5


def test_faults(recipe: Recipe, sources: list[str]) -> None:
    with pytest.raises(DataError, match=r"federated.clients: 999, and there are \d+ examples"):
        partition(settings(recipe, clients=999), sources, 0)
    with pytest.raises(RecipeError, match=r"no row has 'ward'; there are benchmark, subset, lang"):
        partition(settings(recipe, partition="dirichlet", partition_by="ward"), sources, 0)
    few = settings(recipe, partition="dirichlet", alpha=1e-4, partition_by="benchmark")
    with pytest.raises(DataError, match=r"federated.alpha: 0.0001 leaves one of 5 clients without"):
        partition(few, sources, 0)
