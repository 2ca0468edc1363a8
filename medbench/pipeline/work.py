"""Doing what a plan says: each step a `medbench …` of its own, recorded as soon as it is done."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medbench import checkpoint
from medbench.pipeline.job import Job
from medbench.pipeline.plan import STOPPED, Plan, Todo, make_plan
from medbench.pipeline.process import call
from medbench.pipeline.state import Record, State, locked
from medbench.pipeline.steps import TRAIN

__all__ = ["Outcome", "draw_board", "work"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended."""

    job: str
    """The recipe's name."""
    step: str
    """train, eval nf4, …"""
    words: str
    """done, unchanged, failed: why."""
    seconds: float = 0.0
    """That it took."""
    is_ok: bool = True
    """It did not fail."""


def work(job: Job) -> Iterator[Outcome]:
    """Do what is not done of a recipe; yield each step's end.

    A failure ends the recipe, but for evaluations under other quantisations.

    Raises:
        MedbenchError: it cannot be planned, or another run is at work on it.
    """
    with locked(job.lock_file) as lock:
        state = State.read(job.state_file)
        plan = make_plan(job, state)
        if plan.train is not None:
            outcome = train(job, plan.train, state, lock)
            yield outcome
            if not outcome.is_ok:
                return
            if plan.train.reason:
                plan = make_plan(job, state)
        for todo in plan.merges:
            outcome = merge(job, todo, state, lock)
            yield outcome
            if not outcome.is_ok:
                return
        for variant in plan.evals:
            yield evaluate(plan, variant, state, lock)


def train(job: Job, todo: Todo, state: State, lock: int) -> Outcome:
    """Train, or go on with it; what was there of another recipe is put aside."""
    if not todo.reason:
        return Outcome(job.name, TRAIN, "unchanged")
    inputs = todo.step.inputs(state)
    if todo.reason != STOPPED:
        put_aside(job)
    state.put(TRAIN, Record(inputs))
    announce(job, TRAIN, todo.reason)
    started = time.monotonic()
    code, said = call(job.train_command(resume=todo.reason == STOPPED), lock)
    seconds = time.monotonic() - started
    if code or not (job.folder / checkpoint.RECIPE).is_file():
        return Outcome(job.name, TRAIN, said, seconds, is_ok=False)
    state.put(TRAIN, Record(inputs, now(), seconds))
    return Outcome(job.name, TRAIN, "done", seconds)


def put_aside(job: Job) -> None:
    """Hide the checkpoint of another recipe, with its results, and unfinished work.

    Nothing that took hours is deleted.
    """
    from medbench.training.states import workplace

    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for folder in (job.folder, workplace(job.folder)):
        if folder.exists():
            aside = folder.with_name(f".{folder.name}.before-{stamp}")
            folder.rename(aside)
            print(f"what was in {folder} is kept in {aside}", flush=True)


def merge(job: Job, todo: Todo, state: State, lock: int) -> Outcome:
    """Merge a part of the adapter into its base; an older merge can be made again, so it goes."""
    step = todo.step
    if not todo.reason:
        return Outcome(job.name, step.name, "unchanged")
    folder = job.merged(step.settings["part"])
    inputs = step.inputs(state)
    state.put(step.name, Record(inputs))
    scratch = folder.with_name(f".{folder.name}.unfinished")
    for old in (scratch, folder):  # of a run that was killed, and of another checkpoint
        if old.exists():
            shutil.rmtree(old)
    announce(job, step.name, todo.reason)
    started = time.monotonic()
    code, said = call(job.merge_command(step.settings["part"], scratch / folder.name), lock)
    seconds = time.monotonic() - started
    if code or not (scratch / folder.name).is_dir():
        return Outcome(job.name, step.name, said, seconds, is_ok=False)
    os.replace(scratch / folder.name, folder)
    scratch.rmdir()
    state.put(step.name, Record(inputs, now(), seconds))
    return Outcome(job.name, step.name, "done", seconds)


def evaluate(plan: Plan, variant: str, state: State, lock: int) -> Outcome:
    """Score the tasks that are not done under a quantisation, in one process."""
    job, step = plan.job, f"eval {variant}"
    todo = [one for one in plan.evals[variant] if one.reason]
    if not todo:
        return Outcome(job.name, step, "unchanged")
    names = [one.step.name.split(" ", 2)[2] for one in todo]
    inputs = {one.step.name: one.step.inputs(state) for one in todo}
    folder = job.results(variant)
    for scratch in folder.glob(".results-*"):  # of a run that was killed
        shutil.rmtree(scratch)
    before = results(folder)
    announce(job, step, ", ".join(names))
    started = time.monotonic()
    code, said = call(job.eval_command(variant, names), lock, quiet=True)
    seconds = time.monotonic() - started
    written = sorted(results(folder) - before)
    if code or not written:
        return Outcome(job.name, f"{step}: {', '.join(names)}", said, seconds, is_ok=False)
    where = str(written[-1].relative_to(job.output))
    for name, found in inputs.items():
        state.put(name, Record(found, now(), seconds, where))
    return Outcome(job.name, step, f"done: {', '.join(names)}", seconds)


def announce(job: Job, step: str, words: str) -> None:
    """Say what begins."""
    print(f"── {job.name} · {step} · {words}", flush=True)


def results(folder: Path) -> set[Path]:
    """Return lm-eval's results files below a folder."""
    return set(folder.glob("*/results_*.json"))


def draw_board(output: Path) -> Outcome | None:
    """Draw the tables of everything that was evaluated below a folder, if anything was."""
    found = {
        output / record.results
        for file in sorted(output.rglob("*.run.json"))
        if not any(part.startswith(".") for part in file.relative_to(output).parts)
        for name, record in State.read(file).records.items()
        if name.startswith("eval ") and record.finished
    }
    files = sorted(str(path) for path in found if path.is_file())
    if not files:
        return None
    with locked(output / ".board.lock") as lock:
        started = time.monotonic()
        code, said = call(["board", *files, "--html", "--output", str(output)], lock)
    seconds = time.monotonic() - started
    return Outcome("all", "board", said if code else str(output / "board.md"), seconds, not code)


def now() -> str:
    """Return the time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
