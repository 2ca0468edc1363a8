"""Which steps of a recipe are done, and why the others are not."""

from collections.abc import Mapping
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
    evals: Mapping[str, tuple[Todo, ...]]
    """Quantisation to the tasks under it."""


def make_plan(job: Job, state: State) -> Plan:
    """Compare a recipe with what was done.

    Raises:
        MedbenchError: something that it names does not exist.
    """
    check(job)
    train = None
    if job.trains:
        step = train_step(job)
        train = Todo(step, train_reason(job, step, state), training(job.recipe))
    waits = train is not None and bool(train.reason)
    asked = job.recipe.evaluation
    evals = {
        variant: tuple(
            Todo(
                step,
                AFTER if waits else eval_reason(job, step, state),
                questions=questions(name, asked.limit),
            )
            for name, step in zip(asked.tasks, eval_steps(job, variant), strict=True)
        )
        for variant in job.variants
    }
    return Plan(job, train, evals)


def check(job: Job) -> None:
    """Refuse what one process on one machine cannot do.

    Raises:
        MedbenchError: the recipe wants several machines, and none has trained it yet.
    """
    if job.recipe.launch.nodes > 1 and not (job.folder / checkpoint.RECIPE).is_file():
        raise MedbenchError(
            f"it trains on {job.recipe.launch.nodes} machines: run `medbench train` on each with "
            f"--output {job.folder}, then `medbench run` goes on from there"
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
