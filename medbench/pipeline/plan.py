"""Which steps of a recipe are done, and why the others are not."""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from medbench import checkpoint
from medbench.errors import MedbenchError
from medbench.pipeline.job import Job
from medbench.pipeline.state import State
from medbench.pipeline.steps import (
    TRAIN,
    Step,
    changes,
    eval_steps,
    made_of,
    merge_step,
    questions,
    train_step,
)
from medbench.recipe import Recipe

__all__ = ["STOPPED", "Plan", "Todo", "make_plan"]

NEW = "new"
AFTER = "after the training"
STOPPED = "goes on where it was stopped"


@dataclass(frozen=True, slots=True)
class Todo:
    """One step of a plan."""

    step: Step
    """What is to be done."""
    reason: str
    """Why; empty: it is done and unchanged."""
    takes: str = ""
    """About how much a training is."""
    questions: int = 0
    """That an evaluation asks, as far as its dataset's size is known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps of a recipe."""

    job: Job
    """The recipe."""
    train: Todo | None
    """Its training, if there is one."""
    merges: tuple[Todo, ...]
    """What others start from of its adapter."""
    evals: Mapping[str, tuple[Todo, ...]]
    """Quantisation to the tasks under it."""

    @property
    def is_made(self) -> bool:
        """What others start from is there and unchanged."""
        steps = (*([self.train] if self.train else []), *self.merges)
        return not any(one.reason for one in steps)


def make_plan(job: Job, state: State, unmade: Collection[str] = ()) -> Plan:
    """Compare a recipe with what was done.

    Args:
        job: the recipe.
        state: its records.
        unmade: recipes whose checkpoint is to be made, or made anew, before.

    Raises:
        MedbenchError: something that it names does not exist.
    """
    check(job)
    train, waits = None, next((f"after {one}" for one in job.after if one in unmade), "")
    if job.trains:
        step = train_step(job)
        reason = train_reason(job, step, state)
        train = Todo(step, reason or waits, training(job.recipe))
        waits = AFTER if train.reason else ""
    merges = [merge_step(job, part) for part in job.merges]
    asked = job.recipe.evaluation
    evals = {
        variant: tuple(
            Todo(
                step, waits or eval_reason(job, step, state), questions=questions(name, asked.limit)
            )
            for name, step in zip(asked.tasks, eval_steps(job, variant), strict=True)
        )
        for variant in job.variants
    }
    return Plan(
        job,
        train,
        tuple(Todo(one, waits or merge_reason(job, one, state)) for one in merges),
        evals,
    )


def check(job: Job) -> None:
    """Refuse what one process on one machine cannot do.

    Raises:
        MedbenchError: the recipe wants several machines, and none has trained it yet.
    """
    words = [*job.links, "--output", str(job.folder)]
    if job.recipe.launch.nodes > 1 and not (job.folder / checkpoint.RECIPE).is_file():
        raise MedbenchError(
            f"it trains on {job.recipe.launch.nodes} machines: run `medbench train` on each with "
            f"{shlex.join(words)}, then `medbench run` goes on from there"
        )


def train_reason(job: Job, step: Step, state: State) -> str:
    """Say why a training must be done; empty: it is."""
    if (job.folder / checkpoint.RECIPE).is_file():
        return changes(step, made_of(job, state), state)
    record = state.records.get(TRAIN)
    if record is not None and unfinished(job) and not changes(step, record, state):
        return STOPPED
    return NEW


def unfinished(job: Job) -> bool:
    """Tell whether a training left states to go on from."""
    from medbench.training.states import workplace

    return (workplace(job.folder) / checkpoint.RECIPE).is_file()


def merge_reason(job: Job, step: Step, state: State) -> str:
    """Say why a merge must be done; empty: it is."""
    record = state.records.get(step.name)
    folder = job.merged(step.settings["part"])
    if record is None or not record.finished or not (folder / checkpoint.PROVENANCE).is_file():
        return NEW
    return changes(step, record, state)


def eval_reason(job: Job, step: Step, state: State) -> str:
    """Say why a task must be evaluated; empty: it was."""
    record = state.records.get(step.name)
    if record is None or not record.finished:
        return NEW
    if not (job.output / record.results).is_file():
        return "its results are gone"
    return changes(step, record, state)


def training(recipe: Recipe) -> str:
    """Say how much a training is."""
    from medbench.training.estimate import estimate

    expected = estimate(recipe)
    words = [f"{expected.steps:,} steps", f"about {expected.tokens:,} tokens"]
    if expected.memory:
        words.append(f"{expected.memory.total:.0f} GiB")
    return ", ".join(words)
