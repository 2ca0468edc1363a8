"""`medbench run`: the command line."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.errors import MedbenchError

if TYPE_CHECKING:
    from medbench.pipeline.job import Job
    from medbench.pipeline.plan import Plan
    from medbench.pipeline.work import Outcome

__all__ = ["add_run", "run_run"]

STOPPED = 130
"""The exit code of what Ctrl-C stopped."""


def add_run(command: argparse.ArgumentParser) -> None:
    """Describe `medbench run`."""
    command.set_defaults(command=run_run)
    add = command.add_argument
    add("recipes", nargs="+", metavar="RECIPE|FOLDER", help="YAML files, folders, names in the zoo")
    add("overrides", nargs="*", metavar="key=value", help="settings of the recipes to change")
    add("--output", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    add(
        "--dry-run", action="store_true", help="show what is done and what is to be done, then stop"
    )


def run_run(options: argparse.Namespace) -> None:
    """Train, evaluate and compare what was not, or show the plan.

    Raises:
        MedbenchError: a recipe failed; the others have been done.
    """
    from medbench.pipeline.job import find_jobs

    words = [*options.recipes, *options.overrides]  # argparse does not tell them apart
    overrides = [word for word in words if "=" in word]
    places = [word for word in words if "=" not in word]
    if not places:
        raise MedbenchError("name a recipe or a folder of recipes")
    jobs, faults = find_jobs(places, overrides, options.output.resolve())
    plans = make_plans(jobs, faults)
    print_plans(plans, faults)
    outcomes = [] if options.dry_run else run_all([plan.job for plan in plans])
    failures = [f"{name}: {fault}" for name, fault in faults.items()]
    failures += [f"{one.job}, {one.step}: {one.words}" for one in outcomes if not one.is_ok]
    if failures:
        raise MedbenchError("\n".join([f"{len(failures)} failed:", *failures]))


def make_plans(jobs: "list[Job]", faults: dict[str, str]) -> "list[Plan]":
    """Return the plans; what cannot be planned becomes a fault."""
    from medbench.pipeline.plan import make_plan
    from medbench.pipeline.state import State

    plans = []
    for job in jobs:
        try:
            plans.append(make_plan(job, State.read(job.state_file)))
        except MedbenchError as error:
            faults[job.name] = str(error)
    return plans


def print_plans(plans: "list[Plan]", faults: dict[str, str]) -> None:
    """Print what is done and what is to be done."""
    from rich.console import Console

    from medbench.pipeline.show import show_plan

    show_plan(plans, faults, Console())


def run_all(jobs: "list[Job]") -> "list[Outcome]":
    """Work through recipes one after another, then draw the board; stopping is no failure."""
    from rich.console import Console

    from medbench.pipeline.process import stop_on_sigterm
    from medbench.pipeline.show import show_outcomes
    from medbench.pipeline.work import Outcome, draw_board, work

    outcomes: list[Outcome] = []
    try:
        with stop_on_sigterm():
            for job in jobs:
                try:
                    outcomes += work(job)
                except MedbenchError as error:
                    outcomes.append(Outcome(job.name, "plan", str(error), is_ok=False))
            board = draw_board(jobs[0].output) if jobs else None
            outcomes += [board] if board else []
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(STOPPED)
    if outcomes:
        show_outcomes(outcomes, Console())
    return outcomes
