"""Bytes, by the shapes of the real recipes: the published numbers to the last digit."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest
import torch

from medbench.federated.command import plan_of_rounds
from medbench.federated.traffic import MIB, budget, message_bytes
from medbench.recipe import load
from medbench.training.estimate import estimate
from medbench.training.memory import adapter_parameters
from medbench.training.methods import peft_config
from medbench.training.shapes import adapter_shapes
from tests.test_adapters import build


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
    found = budget(recipe)
    assert found and recipe.federated
    assert round(found.published, 2) == published
    assert found.total == pytest.approx(found.message * 3 * 2 * recipe.federated.rounds)


def test_what_really_travels() -> None:
    recipe = load("flowertune/bio-medical-llama-3-8b/dora")
    found = budget(recipe)
    assert found and round(found.total, 2) == 3158.91


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("bio-medical-llama-3-8b/dora", []),
        ("phi-4/qlora", []),
        ("meerkat-7b/qlora", ["method.target_modules=[q_proj, lm_head]"]),
        ("meerkat-7b/qlora", ["method.modules_to_save=[lm_head, embed_tokens]"]),
        (
            "bio-medical-llama-3-8b/dora",
            ["method.target_modules=[embed_tokens, v_proj]", "method.modules_to_save=[o_proj]"],
        ),
    ],
)
def test_shapes_are_peft_s(name: str, overrides: list[str]) -> None:
    """At full width, without weights; what stands outside of the layers, and whole modules, too."""
    import peft

    recipe = load(f"flowertune/{name}", overrides)
    assert recipe.model.facts
    facts = replace(recipe.model.facts, layers=2)
    with torch.device("meta"):
        model = peft.get_peft_model(build(recipe, facts, "meta"), peft_config(recipe))
    found = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    shapes = sorted(tuple(one.shape) for one in found.values())
    assert shapes == sorted(adapter_shapes(recipe, facts))
    trained, _ = model.get_nb_trainable_parameters()
    assert trained == adapter_parameters(recipe, facts) == sum(map(prod, shapes))


def test_modules_of_unknown_size() -> None:
    """No number is better than a guess."""
    recipe = load("flowertune/phi-4/qlora", ["method.target_modules=[o_proj, c_attn]"])
    assert budget(recipe) is None
    assert (estimate(recipe).trained, estimate(recipe).memory) == (None, None)
    assert "unknown: model.facts does not tell how large c_attn is" in plan_of_rounds(recipe)


def test_bytes_are_numpy_s() -> None:
    """Flower writes each tensor with `numpy.save`."""
    import io

    shapes = [(32, 4096), (4096, 32), (1024,), (1, 1)]
    written = io.BytesIO()
    for shape in shapes:
        np.save(written, np.zeros(shape, dtype=np.float32), allow_pickle=False)
    assert message_bytes(shapes) == written.tell()
    assert MIB == 1 << 20
