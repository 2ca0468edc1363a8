"""The tables that a run begins and ends with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from medbench.pipeline.plan import Plan
from medbench.pipeline.work import Outcome

__all__ = ["show_outcomes", "show_plan"]

NARROW = ("recipe", "step", "took")
"""Columns that keep their words whole; the others give way."""


def show_plan(plans: Sequence[Plan], faults: Mapping[str, str], console: Console) -> None:
    """Print what is done, what is to be done, why, and about how much it is."""
    table = frame("recipe", "step", "state", "takes")
    for plan in plans:
        name = plan.job.name
        for step, reason, takes in lines(plan):
            state = Text(reason or "done", style="yellow" if reason else "green")
            table.add_row(name, step, state, takes)
            name = ""
    for name in faults:
        table.add_row(name, "", Text("cannot be run, see below", style="red"), "")
    console.print(table)


def lines(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield (step, why it is to be done, how much it is); tasks with the same reason share one."""
    if plan.train:
        yield "train", plan.train.reason, plan.train.takes
    for one in plan.merges:
        yield one.step.name, one.reason, one.takes
    for variant, todos in plan.evals.items():
        for reason in dict.fromkeys(one.reason for one in todos):
            same = [one for one in todos if one.reason == reason]
            names = [one.step.name.split(" ", 2)[2] for one in same]
            tasks = names[0] if len(names) == 1 else f"{len(names)} tasks"
            asked = sum(one.questions for one in same)
            yield f"eval {variant}", reason, f"{tasks}, {asked:,} questions"


def show_outcomes(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print how each step ended."""
    table = frame("recipe", "step", "outcome", "took")
    name = ""
    for one in outcomes:
        words = Text(one.words if one.is_ok else f"failed: {one.words.splitlines()[0]}")
        words.stylize("green" if one.is_ok else "red")
        shown = "" if one.job == name else one.job
        table.add_row(shown, one.step, words, clock(one.seconds) if one.seconds else "")
        name = one.job
    console.print(table)


def frame(*headers: str) -> Table:
    """Return an empty table."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in headers:
        justify: Literal["left", "right"] = "right" if header == "took" else "left"
        table.add_column(header, overflow="fold", justify=justify, no_wrap=header in NARROW)
    return table


def clock(seconds: float) -> str:
    """Return a time as h:mm:ss, or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
