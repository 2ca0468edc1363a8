"""The steps of a recipe, and whether each must be done: what it depends on, against what it did."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from medbench import checkpoint
from medbench.data import dataset
from medbench.pipeline.digests import (
    MARK,
    corpus_names,
    folder_digest,
    known_rows_digest,
    known_texts_digest,
    named_texts,
    rows_digest,
    rows_name,
    texts_digest,
)
from medbench.pipeline.job import Job
from medbench.pipeline.state import Record, State
from medbench.recipe import Mixed, Recipe, Source, load, to_yaml
from medbench.recipe.read import leaves

__all__ = [
    "TRAIN",
    "Split",
    "Step",
    "changes",
    "eval_name",
    "eval_steps",
    "made_of",
    "merge_name",
    "merge_step",
    "questions",
    "train_step",
]

TRAIN = "train"
LEARNT = ("kind", "model", "quantization", "data", "corpus", "method", "training", "federated")
"""Sections of a recipe that change what is learnt; machines and logs do not."""
NOT_LEARNT = ("model.facts", "model.start.folder", "method.experts_from", "corpus.facts")
CHOOSES = ("tracking.keep_best", "tracking.validate_every")
OF_THE_BEST = (*CHOOSES, "tracking.save_every")
"""What tells which weights stay, where the best of the saved ones do."""
MOST_REASONS = 3
Split = tuple[str, str, str]
"""(benchmark, subset, split)."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a recipe wants done, and all that its outcome depends on."""

    name: str
    """train, merge <part>, or eval <quantisation> <task>."""
    settings: Mapping[str, str]
    """Name to value."""
    rows: tuple[Split, ...] = ()
    """Questions that it reads."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """What a folder holds to where it is: base, start, experts, checkpoint."""
    texts: tuple[Source, ...] = ()
    """Of a corpus."""

    def inputs(self, state: State) -> dict[str, str]:
        """Return all that it depends on, with digests of rows and folders.

        Raises:
            DataError: rows cannot be read.
        """
        found = dict(self.settings)
        found |= {name: folder_digest(folder, state) for name, folder in self.folders.items()}
        found |= {name: texts_digest(one) for name, one in named_texts(self.texts).items()}
        return found | {rows_name(*one): rows_digest(*one) for one in self.rows}


def train_step(job: Job) -> Step:
    """Return the training of a recipe."""
    rows = tuple(dict.fromkeys(splits(job.recipe)))
    texts = job.recipe.corpus.sources + job.recipe.corpus.general
    return Step(TRAIN, learnt(job.recipe), rows, sources(job), texts)


def sources(job: Job) -> dict[str, Path]:
    """Return the folders that weights are read from; what others leave may not be there yet."""
    base, experts = Path(job.recipe.model.weights), job.recipe.method.experts_from
    found = {"base": base} if base.is_dir() and "start" not in job.starts else {}
    return found | ({"experts": Path(experts)} if experts else {}) | dict(job.starts)


def learnt(recipe: Recipe) -> dict[str, str]:
    """Return the settings that change what is learnt, by their dotted keys.

    What a recipe starts from counts by what it holds, wherever it lies.
    """
    stated = yaml.safe_load(to_yaml(recipe))
    chooses = OF_THE_BEST if recipe.tracking.keep_best else CHOOSES
    return {
        key: str(value)
        for key, value in leaves(stated)
        if (key.partition(".")[0] in LEARNT or key in chooses) and not key.startswith(NOT_LEARNT)
    }


def merge_step(job: Job, part: str) -> Step:
    """Return a merge of a part of the recipe's adapter into what it was trained on."""
    base = Path(job.recipe.model.weights)
    settings = {"part": part}
    if not base.is_dir():
        settings["base"] = f"{job.recipe.model.id} {job.recipe.model.revision}"
    folders = sources(job) | {"checkpoint": job.folder}
    return Step(merge_name(part), settings, folders=folders)


def merge_name(part: str) -> str:
    """Name a merge."""
    return f"merge {part}"


def splits(recipe: Recipe) -> Iterator[Split]:
    """Yield what a training reads."""
    from medbench.training.lengths import datasets

    parts: tuple[Mixed, ...] = recipe.data.mixture + recipe.data.validation
    for part in parts:
        for one in datasets(part):
            yield one.benchmark, one.subset, part.split
    for source in recipe.corpus.sources + recipe.corpus.general:
        for one in datasets(Mixed(benchmark=source.benchmark)) if source.benchmark else ():
            yield one.benchmark, one.subset, "train"


def made_of(job: Job, state: State) -> Record:
    """Return what a finished checkpoint was made of, as it tells itself.

    Only the digest of a base in a folder comes from the record of the run that made it.

    Raises:
        ModelError, RecipeError: the checkpoint cannot be read.
    """
    made = checkpoint.read(job.folder).provenance
    inputs = learnt(load(job.folder / checkpoint.RECIPE))
    for one in made.data:
        inputs[rows_name(one.benchmark, one.subset, one.split)] = f"{MARK}{one.sha256}"
    names = corpus_names(one.source for one in made.corpus)
    inputs |= {name: f"{MARK}{one.sha256}" for name, one in zip(names, made.corpus, strict=True)}
    record = state.records.get(TRAIN)
    if record is not None and record.inputs.items() >= inputs.items():
        inputs = dict(record.inputs)
    return Record(inputs, made.finished, made.seconds)


def eval_steps(job: Job, variant: str) -> list[Step]:
    """Return a step for each task, group or wildcard that the recipe names.

    Raises:
        TaskError: there is no such task, or it takes no examples.
    """
    from medbench.engine.plan import check_shots
    from medbench.scoring.extract import EXTRACTOR_VERSION

    model, evaluation = job.recipe.model, job.recipe.evaluation
    own = {one.name: one.shots for name in evaluation.tasks for one in tasks(name)}
    check_shots(own, evaluation.num_fewshot)
    common: dict[str, str] = {
        "quantization": variant,
        "backend": evaluation.backend,
        "chat_template": job.recipe.chat_template,
        "gen_kwargs": evaluation.gen_kwargs,
        "limit": str(evaluation.limit),
        "num_fewshot": str(evaluation.num_fewshot),
        "extractor": str(EXTRACTOR_VERSION),
    }
    if not job.trains and not model.start:
        common |= {"model": f"{model.id} {model.revision}", "tokenizer": model.tokenizer.id}
    return [
        Step(
            eval_name(variant, name),
            common | {f"task {one.name}": f"{one.protocol} {one.version}" for one in tasks(name)},
            tuple(dict.fromkeys(rows_of(tasks(name), evaluation.num_fewshot))),
            folders(job),
        )
        for name in evaluation.tasks
    ]


def eval_name(variant: str, task: str) -> str:
    """Name an evaluation step."""
    return f"eval {variant} {task}"


def folders(job: Job) -> dict[str, Path]:
    """Return the folders whose content an evaluation depends on; what is not there yet, too."""
    return sources(job) | ({"checkpoint": job.folder} if job.trains else {})


@dataclass(frozen=True, slots=True)
class Task:
    """What is known of a task without loading it."""

    name: str
    benchmark: str
    subset: str
    protocol: str
    version: str
    shots: int | None
    """Examples before each question; None: as many as a run says."""


@cache
def tasks(name: str) -> tuple[Task, ...]:
    """Return the tasks behind a name, a group or a wildcard.

    Raises:
        TaskError: there is none.
    """
    from lm_eval.tasks._yaml_loader import load_yaml

    from medbench.engine.plan import resolve, task_manager

    manager = task_manager()
    names = dict.fromkeys(
        member
        for one in resolve((name,), manager)
        for member in (manager.task_index[one].cfg["task"] if one in manager.all_groups else (one,))
    )
    found = []
    for one in names:
        config: dict[str, Any] = load_yaml(manager.task_index[one].yaml_path, resolve_func=False)
        metadata, subset = config["metadata"], config["dataset_kwargs"]["subset"]
        found.append(
            Task(
                one,
                metadata["benchmark"],
                subset,
                metadata["protocol"],
                str(metadata["version"]),
                config.get("num_fewshot"),
            )
        )
    return tuple(found)


def questions(name: str, limit: int | None) -> int:
    """Return how many questions a task asks, as far as its datasets' sizes are known."""
    sizes = [dataset(one.benchmark, one.subset).sizes["test"] for one in tasks(name)]
    return sum(min(size, limit or size) for size in sizes)


def rows_of(found: Sequence[Task], num_fewshot: int | None) -> Iterator[Split]:
    """Yield the splits that tasks read: the questions, and the examples if there are any."""
    for task in found:
        yield task.benchmark, task.subset, "test"
        shots = task.shots if num_fewshot is None or task.shots == 0 else num_fewshot
        if shots:
            yield task.benchmark, task.subset, dataset(task.benchmark, task.subset).shots


def changes(step: Step, record: Record, state: State) -> str:
    """Say what is other than it was when a step was done; empty: nothing that can be compared.

    Settings come first: rows and weights are only read where all settings are alike.
    """
    before = {name: value for name, value in record.inputs.items() if not value.startswith(MARK)}
    differ = [
        difference(name, before.get(name), step.settings.get(name))
        for name in [*before, *(one for one in step.settings if one not in before)]
        if before.get(name) != step.settings.get(name)
    ]
    if not differ:
        differ = [
            f"{name} changed"
            for name, value in record.inputs.items()
            if value.startswith(MARK) and (now := digest_now(step, name, state)) and now != value
        ]
    more = f" and {len(differ) - MOST_REASONS} more" if len(differ) > MOST_REASONS else ""
    return ", ".join(differ[:MOST_REASONS]) + more


def difference(name: str, before: str | None, now: str | None) -> str:
    """Say how a setting changed."""
    if before is None or now is None:
        return f"{name} {'is new' if before is None else 'is gone'}"
    return f"{name} {before or 'empty'} → {now or 'empty'}"


def digest_now(step: Step, name: str, state: State) -> str:
    """Return the digest of rows, texts or a folder now; empty where that cannot be told."""
    folder, source = step.folders.get(name), named_texts(step.texts).get(name)
    if folder is not None:
        return folder_digest(folder, state) if folder.is_dir() else ""
    if source is not None:
        return known_texts_digest(source)
    # rows that are out of reach could not be evaluated again either
    return next((known_rows_digest(*one) for one in step.rows if rows_name(*one) == name), "")
