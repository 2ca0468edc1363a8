"""`medbench train`: the command line; all that is heavy is imported inside."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medbench.recipe import Recipe

__all__ = ["add_train", "carry_out", "plan", "settings", "start"]

STRATEGIES = ("single", "ddp", "fsdp", "deepspeed_zero2", "deepspeed_zero3")


def add_train(command: argparse.ArgumentParser) -> None:
    """Describe `medbench train`."""
    add = command.add_argument
    add("recipe", metavar="RECIPE", help="YAML file, or name in the zoo (adapters/)")
    add("overrides", nargs="*", metavar="key=value", help="settings of the recipe to change")
    add("--launch", choices=STRATEGIES, help="how processes share the work; default: the recipe's")
    add("--output", type=Path, metavar="DIR", help="the checkpoint; default: runs/RECIPE")
    add("--dry-run", action="store_true", help="steps, tokens, memory; no network, no weights")
    add("--show", type=int, metavar="N", help="show N examples as the model sees them, then stop")
    add("--resume", action="store_true", help="go on with an unfinished run")


def carry_out(
    options: argparse.Namespace,
    recipe: "Recipe",
    plan: Callable[["Recipe"], str],
    start: Callable[["Recipe", Path, argparse.Namespace], None],
) -> None:
    """Print the plan or some examples, or start; a plan needs no weights.

    Args:
        options: the command line.
        recipe: what it names.
        plan: gives what a run will take, as text.
        start: trains, and leaves a checkpoint in a folder.
    """
    if options.dry_run:
        print(plan(recipe))
    elif options.show is not None:
        show_examples(recipe, options.show)
    else:
        checkpoint = (options.output or Path("runs") / recipe.name).resolve()
        start(recipe, checkpoint, options)
        print(f"checkpoint: {checkpoint}")


def settings(options: argparse.Namespace) -> list[str]:
    """Return what a command line changes of its recipe, --launch included."""
    launch = [f"launch.strategy={options.launch}"] if options.launch else []
    return [*options.overrides, *launch]


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
        rows.append(("memory", f"unknown: {missing_sizes(recipe)}"))
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


def missing_sizes(recipe: "Recipe") -> str:
    """Say which sizes an estimate lacks."""
    from medbench.training.shapes import unsized

    facts = recipe.model.facts
    if facts is None:
        return "the recipe has no model.facts"
    return f"model.facts does not tell how large {', '.join(unsized(recipe, facts))} is"


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


def start(recipe: "Recipe", checkpoint: Path, options: argparse.Namespace) -> None:
    """Check everything, then train here or in processes of their own."""
    from medbench.training.launch import launch, program_arguments
    from medbench.training.ready import prepare

    ready = prepare(recipe)
    if recipe.launch.strategy == "single":
        from medbench.training.run import train

        train(ready, checkpoint, resume=options.resume)
    else:
        words = program_arguments(
            options.recipe, settings(options), checkpoint, resume=options.resume
        )
        launch(recipe, words)
