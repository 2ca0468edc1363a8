"""A checkpoint named as the model: what `medbench train` left, or published, is taken as it is."""

from dataclasses import replace
from typing import Any

from medbench import checkpoint
from medbench.engine.adapter import find_adapter
from medbench.engine.run import BASE, Run
from medbench.errors import ModelError
from medbench.hub.files import file_of, is_local
from medbench.recipe import Recipe, load

__all__ = ["as_trained", "on_base", "recipe_of"]


def recipe_of(name: str, revision: str = "main") -> Recipe | None:
    """Return the recipe of a checkpoint that medbench trained; None: it is none.

    Other tools leave a `recipe.yaml`, too; a provenance beside it says that it is medbench's.

    Raises:
        RecipeError: it cannot be read.
    """
    if file_of(name, checkpoint.PROVENANCE, revision) is None:
        return None
    file = file_of(name, checkpoint.RECIPE, revision)
    return load(file) if file else None


def as_trained(run: Run) -> Run:
    """Return the run with prompts wrapped as in training, where `auto` leaves it open.

    What counts are the recipes of the model and of the adapters on it; where they differ, and where
    there are none, `auto` stays.

    Raises:
        RecipeError: a recipe cannot be read.
    """
    if run.chat_template != "auto" or run.backend == "openai":
        return run
    found = [recipe_of(run.model, run.revision)]
    found += [recipe_of(name) for name in run.adapters if name != BASE]
    ways = {recipe.chat_template for recipe in found if recipe is not None}
    return replace(run, chat_template=ways.pop()) if len(ways) == 1 else run


def on_base(run: Run) -> Run:
    """Return the run of an adapter's base with the adapter on it; any other run as it is.

    The base is the one that the adapter names, at the commit that it was trained on where that is
    known; prompts are tokenized as in training if the adapter brings a tokenizer. Of a repository
    of the Hub, `run.revision` is the adapter's, of a folder the base's.

    Raises:
        ModelError: the adapter's description cannot be used, or others are asked for too.
    """
    if run.backend == "openai" or not is_adapter(run):
        return run
    is_here = is_local(run.model)
    adapter = find_adapter(run.model, None if is_here else run.revision)
    folder = adapter.path
    if not adapter.base:
        raise ModelError(
            f"{folder / checkpoint.ADAPTER} names no base: set base_model_name_or_path there"
        )
    if run.adapters:
        raise ModelError(
            f"{run.model} is an adapter itself; to evaluate several, name the base as MODEL "
            f"({adapter.base}) and each of them with --adapter"
        )
    settings: dict[str, Any] = {"model": adapter.base, "adapters": (str(folder),)}
    if run.revision == "main" or not is_here:
        settings["revision"] = checkpoint.base_revision(folder, adapter.base, adapter.revision)
    if run.tokenizer is None and (folder / "tokenizer_config.json").is_file():
        settings["tokenizer"] = str(folder)
    return replace(run, **settings)


def is_adapter(run: Run) -> bool:
    """Tell whether the model is an adapter: a whole model may have a description beside it."""
    name, revision = run.model, run.revision
    return bool(
        file_of(name, checkpoint.ADAPTER, revision) and not file_of(name, "config.json", revision)
    )
