"""`medbench train`: the command line; all that is heavy is imported inside."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medbench.recipe import Recipe

__all__ = ["add_train", "run_train"]

STRATEGIES = ("single", "ddp", "fsdp", "deepspeed_zero2", "deepspeed_zero3")


def add_train(command: argparse.ArgumentParser) -> None:
    """Describe `medbench train`."""
    command.set_defaults(command=run_train)
    add = command.add_argument
    add("recipe", metavar="RECIPE", help="YAML file, or name in the zoo (adapters/)")
    add("overrides", nargs="*", metavar="key=value", help="settings of the recipe to change")
    add("--launch", choices=STRATEGIES, help="how processes share the work; default: the recipe's")
    add("--output", type=Path, metavar="DIR", help="the checkpoint; default: runs/RECIPE")
    add("--dry-run", action="store_true", help="steps, tokens, memory; no network, no weights")
    add("--show", type=int, metavar="N", help="show N examples as the model sees them, then stop")
    add("--resume", action="store_true", help="go on with an unfinished run")


def run_train(options: argparse.Namespace) -> None:
    """Train one model, or show what would be trained."""
    from medbench.errors import RecipeError
    from medbench.recipe import load

    overrides = [*options.overrides, *launch_override(options.launch)]
    recipe = load(options.recipe, overrides)
    if recipe.kind == "baseline":
        raise RecipeError(f"{recipe.name} is a {recipe.kind}: there is nothing to train")
    if options.dry_run:
        print(plan(recipe))
    elif options.show is not None:
        show_examples(recipe, options.show)
    else:
        checkpoint = (options.output or Path("runs") / recipe.name).resolve()
        start(recipe, options.recipe, overrides, checkpoint, resume=options.resume)


def launch_override(strategy: str | None) -> list[str]:
    """Return --launch as a setting."""
    return [f"launch.strategy={strategy}"] if strategy else []


def plan(recipe: "Recipe") -> str:
    """Return what a run will take, as text."""
    from tabulate import tabulate

    from medbench.training.estimate import estimate

    expected, launch = estimate(recipe), recipe.launch
    rows = [
        ("model", recipe.model.id),
        ("method", recipe.method.name),
        ("launch", f"{launch.strategy}, {launch.nodes} × {launch.devices} devices"),
        (
            f"{'windows' if recipe.kind == 'pretrain' else 'examples'} in an epoch",
            f"{expected.examples:,}",
        ),
        ("steps", f"{expected.steps:,}"),
        ("effective batch", f"{expected.effective_batch:,}"),
        ("tokens in a step, about", f"{expected.tokens_per_step:,}"),
        ("supervised of these", f"{expected.supervised_per_step:,}"),
        ("tokens in all, about", f"{expected.tokens:,}"),
    ]
    if expected.memory is None:
        rows.append(("memory", "unknown: the recipe has no model.facts"))
    else:
        parts = ("weights", "gradients", "optimizer", "activations", "logits", "reserve")
        rows.append(("weights that learn", f"{expected.trained:,}"))
        rows += [(f"GiB a device: {one}", f"{getattr(expected.memory, one):.1f}") for one in parts]
        rows.append(("GiB a device: together", f"{expected.memory.total:.1f}"))
        rows.append(("80 GB devices needed", str(expected.devices_needed or "more than 64")))
    if recipe.kind == "pretrain":
        from medbench.training.corpus.outlook import outlook_rows

        rows += outlook_rows(recipe, expected.steps, expected.tokens, expected.state_bytes)
    return tabulate(rows, tablefmt="plain", disable_numparse=True, colalign=("left", "right"))


def show_examples(recipe: "Recipe", count: int) -> None:
    """Print the first examples of the mixture, or windows of the corpus."""
    from medbench.training.corpus.read import read_corpus
    from medbench.training.examples import build_examples
    from medbench.training.model import load_tokenizer
    from medbench.training.show import show

    tokenizer = load_tokenizer(recipe)
    if recipe.kind == "pretrain":
        show(read_corpus(recipe, tokenizer).windows, tokenizer, count)
    else:
        show(build_examples(recipe, tokenizer, "mixture"), tokenizer, count)


def check_start(recipe: "Recipe", name: str) -> None:
    """Refuse to train on another recipe's checkpoint before that is made.

    Raises:
        RecipeError: it is not known where it lies, or it is no whole model.
    """
    from medbench.errors import RecipeError

    made = recipe.model.start
    if made and made.folder is None:
        raise RecipeError(
            f"{recipe.name} starts from what {made.recipe} leaves: `medbench run {name}` makes "
            "both; model.start.folder=DIR names weights that are there already"
        )
    if made and not (Path(str(made.folder)) / "config.json").is_file():
        raise RecipeError(
            f"model.start.folder: {made.folder} holds no whole model; `medbench merge` makes one "
            "of an adapter"
        )


def start(
    recipe: "Recipe", name: str, overrides: list[str], checkpoint: Path, *, resume: bool
) -> None:
    """Check everything, then train here or in processes of their own."""
    from medbench.training.launch import launch, program_arguments
    from medbench.training.ready import prepare

    check_start(recipe, name)
    ready = prepare(recipe)
    if recipe.launch.strategy == "single":
        from medbench.training.run import train

        train(ready, checkpoint, resume=resume)
    else:
        launch(recipe, program_arguments(name, overrides, checkpoint, resume=resume))
    print(f"checkpoint: {checkpoint}")
