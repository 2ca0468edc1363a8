"""`medbench run`: the command line."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.errors import MedbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    from medbench.pipeline.chain import link
    from medbench.pipeline.job import check_overrides, find_jobs

    words = [*options.recipes, *options.overrides]  # argparse does not tell them apart
    overrides = [word for word in words if "=" in word]
    places = [word for word in words if "=" not in word]
    if not places:
        raise MedbenchError("name a recipe or a folder of recipes")
    found, faults = find_jobs(places, overrides, options.output.resolve())
    jobs, misfits = link(found, overrides)
    faults |= misfits
    check_overrides(jobs, faults, overrides)
    for job in jobs:
        if not job.is_asked:
            wants = [one.name for one in jobs if job.name in one.after]
            print(f"{job.name} is made too: {', '.join(wants)} starts from it")
    plans = make_plans(jobs, faults)
    print_plans(plans, faults)
    outcomes = [] if options.dry_run else run_all([plan.job for plan in plans])
    failures = [f"{name}: {fault}" for name, fault in faults.items()]
    failures += [f"{one.job}, {one.step}: {one.words}" for one in outcomes if not one.is_ok]
    if failures:
        raise MedbenchError("\n".join([f"{len(failures)} failed:", *failures]))


def make_plans(jobs: "list[Job]", faults: dict[str, str]) -> "list[Plan]":
    """Return the plans; what cannot be planned becomes a fault."""
    from medbench.pipeline.plan import Plan, make_plan
    from medbench.pipeline.state import State

    plans: list[Plan] = []
    for job in jobs:
        unmade = [plan.job.name for plan in plans if not plan.is_made]
        try:
            plans.append(make_plan(job, State.read(job.state_file), unmade))
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
    from medbench.pipeline.work import draw_board

    outcomes: list[Outcome] = []
    made: set[str] = set()
    try:
        with stop_on_sigterm():
            for job in jobs:
                outcomes += run_one(job, made)
            board = draw_board(jobs[0].output) if jobs else None
            outcomes += [board] if board else []
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(STOPPED)
    if outcomes:
        show_outcomes(outcomes, Console())
    return outcomes


def run_one(job: "Job", made: set[str]) -> "Iterator[Outcome]":
    """Work through one recipe, unless what it starts from failed; note it if it can be built on."""
    from medbench.pipeline.work import Outcome, work

    is_made = True
    missing = [one for one in job.after if one not in made]
    try:
        if missing:
            raise MedbenchError(f"it starts from {', '.join(missing)}, which is not there")
        for outcome in work(job):
            yield outcome
            is_made &= outcome.is_ok or outcome.step.startswith("eval ")
    except MedbenchError as error:
        yield Outcome(job.name, "plan", str(error), is_ok=False)
        is_made = False
    if is_made:
        made.add(job.name)
