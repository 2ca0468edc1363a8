"""Bytes, by the shapes of the real recipes: the published numbers to the last digit."""

import numpy as np
import pytest
import torch

from medbench.federated.traffic import MIB, adapter_shapes, budget, message_bytes
from medbench.recipe import load
from tests.test_adapters import build, peft_config


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("bio-medical-llama-3-8b/dora", 3000.96),
        ("jsl-medllama-3-8b/qlora", 273.33),
        ("meerkat-7b/qlora", 18972.96),
        ("phi-4/qlora", 19014.79),
    ],
)
def test_published_budget(name: str, published: float) -> None:
    """P·C·(2T-1): their last log line comes before the last replies."""
    recipe = load(f"flowertune/{name}")
    assert recipe.model.facts and recipe.federated
    found = budget(recipe, recipe.model.facts)
    assert round(found.published, 2) == published
    assert found.total == pytest.approx(found.message * 3 * 2 * recipe.federated.rounds)


def test_what_really_travels() -> None:
    recipe = load("flowertune/bio-medical-llama-3-8b/dora")
    assert recipe.model.facts
    assert round(budget(recipe, recipe.model.facts).total, 2) == 3158.91


@pytest.mark.parametrize("name", ["bio-medical-llama-3-8b/dora", "phi-4/qlora"])
def test_shapes_are_peft_s(name: str) -> None:
    """At full size, without weights."""
    import peft

    recipe = load(f"flowertune/{name}")
    assert recipe.model.facts
    with torch.device("meta"):
        model = peft.get_peft_model(
            build(recipe, recipe.model.facts, "meta"), peft_config(recipe, recipe.method)
        )
    found = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    shapes = [tuple(one.shape) for one in found.values()]
    assert sorted(shapes) == sorted(adapter_shapes(recipe, recipe.model.facts))


def test_bytes_are_numpy_s() -> None:
    """Flower writes each tensor with `numpy.save`."""
    import io

    shapes = [(32, 4096), (4096, 32), (1024,), (1, 1)]
    written = io.BytesIO()
    for shape in shapes:
        np.save(written, np.zeros(shape, dtype=np.float32), allow_pickle=False)
    assert message_bytes(shapes) == written.tell()
    assert MIB == 1 << 20
