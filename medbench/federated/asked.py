"""What a federated run is asked for, from `medbench train` or from Flower's run configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from medbench.errors import RecipeError
from medbench.recipe import Federated, Recipe, load

__all__ = ["Asked"]


@dataclass(frozen=True)
class Asked:
    """One run."""

    recipe_name: str
    """A file, or a name in the zoo."""
    overrides: tuple[str, ...]
    """Settings that are other than the recipe's: key=value."""
    output: Path
    """The checkpoint to be."""
    resume: bool = False
    """Go on with an unfinished run."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return what Flower's run configuration says (train/federated/pyproject.toml).

        Raises:
            RecipeError: it names no recipe.
        """
        name = str(config.get("recipe", ""))
        if not name:
            raise RecipeError("no recipe: flwr run … --run-config 'recipe=\"flowertune/…\"'")
        return cls(
            name,
            tuple(str(config.get("overrides", "")).split()),
            Path(str(config.get("output") or Path("runs") / name)).resolve(),
            bool(config.get("resume", False)),
        )

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe with its settings.

        Raises:
            RecipeError: it cannot be read, or is not federated.
        """
        recipe = load(self.recipe_name, self.overrides)
        if recipe.federated is None:
            raise RecipeError(f"{recipe.name} has no section federated: who are the clients?")
        return recipe

    @property
    def federated(self) -> Federated:
        """Its section of that name."""
        assert self.recipe.federated is not None
        return self.recipe.federated
