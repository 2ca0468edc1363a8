"""The table of recipes, generated from the YAML under `adapters/` (adapters/README.md)."""

from itertools import groupby
from pathlib import Path

from tabulate import tabulate

from medbench.recipe import Recipe, Reported, load, recipes
from medbench.training.corpus.sources import source_name
from medbench.training.estimate import estimate

__all__ = ["zoo_table"]

HEADERS = ["recipe", "model", "method", "data", "steps", "devices", "GiB each", "80 GB", "reported"]
MOST_SCORES = 4


def zoo_table(style: str = "github", folder: Path | None = None) -> str:
    """Return every recipe with what it does, what it takes and what its source reports."""
    zoo = [load(path) for path in recipes(folder)]
    parts = []
    for name, group in groupby(zoo, key=lambda recipe: recipe.name.partition("/")[0]):
        table = tabulate([row(one) for one in group], HEADERS, style, disable_numparse=True)
        parts.append(f"### {name}\n\n{table}")
    return "\n\n".join([*parts, unchecked(zoo)])


def row(recipe: Recipe) -> list[str]:
    """Return one recipe's columns."""
    expected, launch = estimate(recipe), recipe.launch
    devices = launch.devices * launch.nodes
    reported = next(iter(recipe.reported.values()), None)
    return [
        f"`{recipe.name}`",
        model(recipe),
        method(recipe),
        data(recipe, expected.examples),
        steps(recipe, expected.steps),
        f"{devices} × {launch.strategy}" if devices > 1 else "1",
        f"{expected.memory.total:.0f}" if expected.memory else "?",
        str(expected.devices_needed or "?"),
        scores(reported) if reported else "",
    ]


def model(recipe: Recipe) -> str:
    """Name the model, and what was made of it before."""
    start = recipe.model.start
    return f"{recipe.model.id}, after `{start.recipe}`" if start else recipe.model.id


def steps(recipe: Recipe, count: int) -> str:
    """Return the steps of a run; of federated ones: rounds, clients in each, steps of a turn."""
    if recipe.federated is None:
        return f"{count:,}" if count else ""
    return f"{recipe.federated.rounds} × {recipe.federated.clients_per_round} × {count}"


def method(recipe: Recipe) -> str:
    """Say how the weights are trained and held."""
    load = recipe.quantization.load
    name = "as it is" if recipe.kind == "baseline" else recipe.method.name
    size = f" r{recipe.method.rank}/α{recipe.method.alpha:g}" if recipe.method.alpha else ""
    return f"{name}{size}{'' if load == 'none' else f', {load}'}"


def data(recipe: Recipe, examples: int) -> str:
    """Name what is trained on, and how much of it."""
    if recipe.kind == "pretrain":
        return f"{', '.join(map(source_name, recipe.corpus.sources))}: {examples:,} windows"
    names = dict.fromkeys(f"{one.benchmark} {one.protocol}" for one in recipe.data.mixture)
    return f"{', '.join(names)}: {examples:,}" if names else ""


def scores(reported: Reported) -> str:
    """Show reported scores in %: their average where there is one."""
    percent = {name: score * 100 / reported.out_of for name, score in reported.scores.items()}
    if "average" in percent:
        return f"average {percent['average']:.1f}"
    shown = [f"{name} {score:.1f}" for name, score in list(percent.items())[:MOST_SCORES]]
    return ", ".join(shown)


def unchecked(zoo: list[Recipe]) -> str:
    """List the models that no test can build."""
    names = sorted({one.model.id for one in zoo if one.model.trust_remote_code})
    return (
        "The tests build every model from its facts and look for its target modules and layer "
        f"class. Not checked, as their code comes with their weights: {', '.join(names)}."
    )
