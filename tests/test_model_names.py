"""Names of models: methods alone say little, and all of them are known."""

from typing import get_args

from medbench.model_names import METHODS, Model, display_names
from medbench.recipe.method import MethodName


def test_every_method_of_a_recipe_is_known() -> None:
    assert set(METHODS) == set(get_args(MethodName))


def test_a_stage_is_shown_with_its_recipe() -> None:
    folder = "runs/medcare/smollm2-135m"
    models = {
        Model("SmolLM2-135M", f"{folder}/stage1", ""),
        Model(f"{folder}/stage1-attention", f"{folder}/stage2", ""),
        Model("staged", "", ""),
    }
    assert sorted(display_names(models).values()) == [
        "SmolLM2-135M + medcare/smollm2-135m/stage1",
        "medcare/smollm2-135m/stage1-attention + medcare/smollm2-135m/stage2",
        "staged",
    ]


def test_two_models_of_one_recipe_path_are_told_apart() -> None:
    models = {Model(f"/{place}/smollm2/usmle/full", "", "") for place in "ab"}
    assert sorted(display_names(models).values()) == [
        "a/smollm2/usmle/full",
        "b/smollm2/usmle/full",
    ]
