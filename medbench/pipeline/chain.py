"""Recipes that start from what other recipes leave: which these are, and in which order they run.

A recipe names another one at the keys of `NAMES`. Before it runs, that one is trained, and what is
asked for of its adapter is merged; then the name gives way to the folder.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from medbench.checkpoint import ADAPTER
from medbench.errors import RecipeError
from medbench.pipeline.job import Job, identity, of_its_kind
from medbench.pipeline.misfits import EXPERTS_FROM, START, misfits
from medbench.recipe import Recipe, find, load

__all__ = ["link"]


class Link(NamedTuple):
    """A key that names a recipe."""

    key: str
    """Dotted, as it stands in the YAML."""
    folder: str
    """The key that takes the folder."""
    holds: str
    """What lies there."""


LINKS = (
    Link(START, "model.start.folder", "start"),
    Link(EXPERTS_FROM, EXPERTS_FROM, "experts"),
)
OF_ITS_START = "model.start."
OF_THE_CHAIN = ("model.", "corpus.")
"""What the command line says of model and corpus is for what others start from, too."""


@dataclass(slots=True)
class Chain:
    """Jobs by name, as they are found."""

    jobs: dict[str, Job]
    """Those that were asked for, and those that they start from."""
    overrides: Sequence[str]
    """Settings of the command line."""
    faults: dict[str, list[str]] = field(default_factory=dict)
    """What keeps a recipe from running."""
    needs: dict[str, dict[str, str]] = field(default_factory=dict)
    """Job to key to the name of the job that it names."""

    def follow(self, job: Job) -> None:
        """Find what a job starts from, and what that starts from."""
        self.needs[job.name] = {}
        for key, name in named(job.recipe):
            try:
                other = self.pull(name, job)
            except RecipeError as error:
                self.fault(job.name, f"{key}: {error}")
                continue
            self.needs[job.name][key] = other.name
            if other.name not in self.needs:
                self.follow(other)

    def pull(self, name: str, job: Job) -> Job:
        """Return the job of a recipe that another one names; make it where nobody asked for it.

        Raises:
            RecipeError: there is no such recipe, or it cannot be read.
        """
        file = find(Path(name), job.file.parent)
        known = next((one for one in self.jobs.values() if one.file == file), None)
        if known:
            return known
        own = tuple(
            one
            for one in self.overrides
            if one.startswith(OF_THE_CHAIN) and not one.startswith(OF_ITS_START)
        )
        own = of_its_kind(file, own)
        new = Job(like(job, file), load(file, own), file, own, job.output, is_asked=False)
        if new.name in self.jobs:
            raise RecipeError(f"{file} would be made in the place of another recipe, {new.name}")
        self.jobs[new.name] = new
        return new

    def fault(self, name: str, message: str) -> None:
        """Note what is wrong with a job."""
        self.faults.setdefault(name, []).append(message)

    def order(self) -> list[str]:
        """Return the names, each behind what it starts from; circles are faults."""
        done: list[str] = []

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                circle = " → ".join((*path[path.index(name) :], name))
                for one in path[path.index(name) :]:
                    self.fault(one, f"starts from itself: {circle}")
            elif name not in done:
                for other in self.needs[name].values():
                    visit(other, (*path, name))
                if name not in done:
                    done.append(name)

        for name in self.needs:
            visit(name, ())
        return done


def link(jobs: Sequence[Job], overrides: Sequence[str]) -> tuple[list[Job], dict[str, str]]:
    """Add what recipes start from, put all in order, and tell each where its start will lie.

    Returns:
        The jobs, and by name the faults of those that cannot be run.
    """
    chain = Chain({job.name: job for job in jobs}, overrides)
    for job in jobs:
        if job.name not in chain.needs:
            chain.follow(job)
    linked: dict[str, Job] = {}
    for name in chain.order():
        job, needs = chain.jobs[name], chain.needs[name]
        broken = [one for one in needs.values() if one not in linked]
        for one in broken:
            if name not in chain.faults:
                chain.fault(name, f"starts from {one}, which cannot be run")
        for key in needs if not broken else ():
            for message in misfits(key, job.recipe, linked[needs[key]].recipe):
                chain.fault(name, message)
        if name not in chain.faults:
            linked[name] = placed(job, {key: linked[one] for key, one in needs.items()})
            ask_for_merge(linked, needs.get(START), job.recipe)
    wanted = needed(linked, chain.needs)
    faults = {name: "\n".join(dict.fromkeys(found)) for name, found in chain.faults.items()}
    return [job for name, job in linked.items() if name in wanted], faults


def needed(linked: Mapping[str, Job], needs: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return the names of what was asked for and can run, and of all that it starts from."""
    found: set[str] = set()
    waiting = [name for name, job in linked.items() if job.is_asked]
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting += needs[name].values()
    return found


def named(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield (key, name) of what a recipe names; a folder that is there is no recipe's name."""
    for key, folder, _ in LINKS:
        name = setting(recipe, key)
        is_known = (
            setting(recipe, folder) if folder != key else (Path(str(name)) / ADAPTER).is_file()
        )
        if name and not is_known:
            yield key, str(name)


def setting(recipe: Recipe, key: str) -> Any:
    """Return what a recipe says at a dotted key; None where a section is missing."""
    return reduce(lambda part, name: part and getattr(part, name), key.split("."), recipe)


def like(job: Job, file: Path) -> str:
    """Name a recipe as a job is named: by its path below the same folder, or in the zoo."""
    own = job.file.with_suffix("").as_posix()
    root = Path(own.removesuffix(job.name)) if own.endswith(job.name) else job.file.parent
    return identity(file, root if file.is_relative_to(root) else file.parent)


def ask_for_merge(linked: dict[str, Job], name: str | None, recipe: Recipe) -> None:
    """Let a recipe's adapter be merged as another one wants it."""
    part = name and merge(linked[name], recipe)
    if name and part and part not in linked[name].merges:
        linked[name] = replace(linked[name], merges=(*linked[name].merges, part))


def merge(other: Job, recipe: Recipe) -> str | None:
    """Return what must be merged of a recipe's checkpoint for another one; None: it is whole."""
    assert recipe.model.start, "only a recipe with a start is asked"
    return None if other.recipe.method.name == "full" else recipe.model.start.merge or "all"


def placed(job: Job, others: Mapping[str, Job]) -> Job:
    """Return a job that knows the folders of those that it starts from."""
    if not others:
        return job
    starts, links = {}, []
    for key, folder, holds in LINKS:
        if key in others:
            part = merge(others[key], job.recipe) if key == START else None
            starts[holds] = others[key].merged(part) if part else others[key].folder
            links.append(f"{folder}={json.dumps(str(starts[holds]))}")
    return replace(
        job,
        recipe=load(job.file, (*job.overrides, *links)),
        after=tuple(dict.fromkeys(other.name for other in others.values())),
        starts=starts,
        links=tuple(links),
    )
