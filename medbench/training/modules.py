"""What a recipe says of a model's parts, against the model built without weights."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from medbench.errors import ModelError
from medbench.recipe import EXPERTS, LOW_RANK, Recipe
from medbench.training.model import first_line

__all__ = ["module_faults", "skeleton"]

ALL_LINEAR = "all-linear"


def skeleton(config: Any, *, trust_remote_code: bool = False) -> Any:
    """Build a model on the meta device, where tensors have shapes and no storage.

    Raises:
        ModelError: its class cannot be built.
    """
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    except (ValueError, ImportError, RuntimeError) as error:
        raise ModelError(f"the model cannot be built: {first_line(error)}") from error


def module_faults(model: Any, recipe: Recipe) -> list[str]:
    """Return what the recipe names and the model does not have."""
    kinds = {name: module for name, module in model.named_modules() if name}
    linear = {name for name, one in kinds.items() if is_linear(one)}
    faults = []
    asked, found = recipe.model.architecture, type(model).__name__
    if asked and asked != found:
        faults.append(f"model.architecture: {asked}; {recipe.model.id} is a {found}")
    layer = recipe.model.layer_class
    classes = {type(one).__name__ for one in kinds.values()}
    if layer and layer not in classes:
        faults.append(f"model.layer_class: {missing(layer, classes)}")
    if recipe.method.name in LOW_RANK:
        targets = recipe.method.target_modules or ()
        if ALL_LINEAR in targets and len(targets) > 1:
            faults.append(f"method.target_modules: {ALL_LINEAR} stands alone, or is left out")
        known = targets if ALL_LINEAR in targets else ()
        faults += unmatched("target_modules", [one for one in targets if one not in known], linear)
        faults += unmatched("modules_to_save", recipe.method.modules_to_save or (), set(kinds))
    if recipe.method.name in EXPERTS:
        plain = {name for name, one in kinds.items() if isinstance(one, nn.Linear)}
        for key in ("target_modules", "expert_modules"):
            faults += unmatched(key, getattr(recipe.method, key) or (), plain)
    if recipe.method.name == "orthogonal_lora":
        from medbench.training.orthogonal import source_faults

        faults += source_faults(recipe, model)
    return faults


def is_linear(module: Any) -> bool:
    """Tell whether a low-rank adapter can stand beside a module."""
    return isinstance(module, nn.Linear | nn.Embedding) or type(module).__name__ == "Conv1D"


def unmatched(key: str, wanted: Iterable[str], names: set[str]) -> list[str]:
    """Return a fault for each name that no module ends with, as PEFT matches them."""
    ends = {name.rpartition(".")[2] for name in names}
    return [
        f"method.{key}: {missing(one, ends)}"
        for one in wanted
        if not any(name == one or name.endswith(f".{one}") for name in names)
    ]


def missing(name: str, known: set[str]) -> str:
    """Say that the model has no such part, and which it has."""
    near = get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    has = ", ".join(near or sorted(one for one in known if not one.isdigit()))
    return f"the model has no {name}; {'did you mean' if near else 'it has'} {has}?"
