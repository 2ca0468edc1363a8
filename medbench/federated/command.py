"""`medbench train RECIPE --federated`: the command line; all that is heavy is imported inside."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.errors import RecipeError
from medbench.training import command
from medbench.training.command import carry_out, settings

if TYPE_CHECKING:
    from medbench.recipe import Recipe

__all__ = ["add_federated", "run"]


def add_federated(training: argparse.ArgumentParser) -> None:
    """Add to the description of `medbench train`."""
    training.add_argument(
        "--federated", action="store_true", help="among the recipe's clients, simulated here"
    )
    training.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    """Train in one place, or among clients, or show what would be trained."""
    from medbench.recipe import load

    recipe = load(options.recipe, settings(options))
    check_place(recipe, is_federated=options.federated)
    if recipe.federated is None:
        carry_out(options, recipe, command.plan, command.start)
    else:
        carry_out(options, recipe, plan_of_rounds, start)


def check_place(recipe: "Recipe", *, is_federated: bool) -> None:
    """Refuse to train a model as it is, or in one place what is meant for many, or the reverse.

    Raises:
        RecipeError: says what to type.
    """
    federated, training = recipe.federated, recipe.training
    if recipe.kind == "baseline":
        raise RecipeError(f"{recipe.name} is a {recipe.kind}: there is nothing to train")
    if is_federated and federated is None:
        raise RecipeError(f"--federated: {recipe.name} has no section federated: who are clients?")
    if federated is not None and not is_federated:
        steps = (training.max_steps or 0) * federated.clients_per_round * federated.rounds
        raise RecipeError(
            f"{recipe.name} is federated: add --federated; to train on as many examples in one "
            f"place: federated=null training.max_steps={steps}"
        )


def plan_of_rounds(recipe: "Recipe") -> str:
    """Return what one client's turn takes, and what travels, as text."""
    from tabulate import tabulate

    table = tabulate(list(travel(recipe)), tablefmt="plain", disable_numparse=True)
    return f"a client's turn\n{command.plan(recipe)}\n\nall rounds\n{table}"


def travel(recipe: "Recipe") -> Iterator[tuple[str, str]]:
    """Yield what is sent, as text."""
    from medbench.federated.traffic import budget

    federated, expected = recipe.federated, budget(recipe)
    assert federated is not None
    yield "rounds", f"{federated.rounds}"
    yield "clients in each", f"{federated.clients_per_round} of {federated.clients}"
    if expected is None:
        yield "MiB down and up, all rounds", "unknown"
    else:
        yield "MiB of an adapter in float32", f"{expected.message:,.2f}"
        yield "MiB down and up, all rounds", f"{expected.total:,.2f}"
        yield "as FlowerTune publishes it", f"{expected.published:,.2f}"


def start(recipe: "Recipe", checkpoint: Path, options: argparse.Namespace) -> None:
    """Check everything, then train among clients that this machine plays."""
    from medbench.federated.asked import Asked
    from medbench.federated.simulate import check_flower, simulate
    from medbench.training.ready import prepare

    check_flower()
    prepare(recipe)
    simulate(Asked(options.recipe, tuple(settings(options)), checkpoint, options.resume))
