"""`medbench verify`: a stranger asks a published checkpoint some of its published questions again.

The results files say how each question was asked, the samples beside them what was answered; they
hold no text, so the rows come from where the verifier has them, and hashes tell that they are the
same. Drawn questions are asked once more, and answers compared one by one.
"""

import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medbench import checkpoint, data
from medbench.engine.answers import OTHER_RULE, answer
from medbench.engine.run import Run
from medbench.errors import DataError, ResultError
from medbench.leaderboard.measured import Measured, measured_runs
from medbench.model_names import model_path
from medbench.publish.asked import asked
from medbench.publish.weights import compare_weights
from medbench.results import Score

__all__ = ["Compared", "How", "Verification", "verify"]

Sample = Mapping[str, Any]
MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError)
"""What files raise that are not as lm-eval and medbench write them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What the verifier chooses."""

    share: float = 0.01
    """Of the published questions, at least one."""
    seed: int = 0
    """Of the draw."""
    base: str = ""
    """Where the base of an adapter is; empty: where the adapter says."""
    device: str | None = None
    """cpu, cuda, …; None: what there is."""
    trust_remote_code: bool = False
    """Run code that comes with a model."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One question, as published and as answered now."""

    run: str
    """Folder and file of the results."""
    task: str
    number: int
    """In the task's rows, from 0."""
    published: str
    answered: str
    is_same_question: bool
    """Row and prompt have the published hashes."""
    margin: float | None
    """By how many nats today's answer is likelier than the published one; None: it was written."""

    @property
    def agrees(self) -> bool:
        """The same question has the same answer."""
        return self.is_same_question and self.published == self.answered


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found."""

    items: tuple[Compared, ...]
    published: int
    """Questions with a published answer."""
    notes: tuple[str, ...]
    """Runs that were left out, and weights that could not be compared."""
    exchanged: tuple[str, ...]
    """Weights that are not those that were merged, or measured."""

    @property
    def differing(self) -> float:
        """Share of the questions that do not agree."""
        return sum(not one.agrees for one in self.items) / len(self.items)


def verify(folder: Path, how: How) -> Verification:
    """Ask a share of the published questions again.

    Raises:
        MedbenchError: there is nothing to verify, the rows are others, or the model cannot be
            loaded.
    """
    found = checkpoint.read(folder)
    runs, notes = verifiable(found)
    exchanged, unsure = compare_weights(found, runs)
    drawn, published = draw(runs, how)
    check_rows(runs, drawn)
    items = [
        one
        for number, chosen in drawn.items()
        for one in asked_again(runs[number], chosen, found, how)
    ]
    return Verification(tuple(items), published, (*notes, *unsure), exchanged)


def verifiable(found: checkpoint.Checkpoint) -> tuple[list[Measured], list[str]]:
    """Return the runs of this very checkpoint that can be asked again, and why others cannot.

    Raises:
        ResultError: there are none.
    """
    runs, notes = [], []
    for run in measured_runs([found.path]):
        if run.facts is None:
            notes.append(
                f"{run.name}: left out, no medbench_{run.stamp}.json says how it was asked"
            )
        elif run.facts.get("backend") == "openai":
            notes.append(f"{run.name}: left out, it was asked through a server")
        elif is_of_base(run, found):
            notes.append(f"{run.name}: left out, it is of the base")
        elif not run.samples:
            notes.append(f"{run.name}: left out, its samples are not beside it")
        else:
            runs.append(run)
    if not runs:
        told = "\n".join(["nothing in it can be verified", *notes])
        raise ResultError(f"{found.path}: {told}")
    return runs, notes


def is_of_base(run: Measured, found: checkpoint.Checkpoint) -> bool:
    """Tell whether a run beside a checkpoint's own is its base's."""
    if found.is_adapter:
        return not (run.facts or {}).get("adapter")
    own, base = run.model.rpartition("/")[2], model_path(found.provenance.base.id)
    return own == base.rpartition("/")[2]


def draw(runs: Sequence[Measured], how: How) -> tuple[dict[int, dict[str, tuple[int, ...]]], int]:
    """Draw a share of all published questions: run → task → their numbers, ascending.

    Raises:
        ResultError: the share is none.
    """
    if not 0 < how.share <= 1:
        raise ResultError(f"--share {how.share:g} must be above 0 and at most 1")
    pool = sorted(
        {
            (number, task, int(one["doc_id"]))
            for number, run in enumerate(runs)
            for task, samples in run.samples.items()
            for one in samples
            if one["filter"] != OTHER_RULE
        }
    )
    count = max(1, round(how.share * len(pool)))
    drawn: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, task, item in sorted(random.Random(how.seed).sample(pool, count)):
        drawn[number][task].append(item)
    chosen = {
        number: {task: tuple(items) for task, items in tasks.items()}
        for number, tasks in drawn.items()
    }
    return chosen, len(pool)


def check_rows(runs: Sequence[Measured], drawn: Mapping[int, Mapping[str, Any]]) -> None:
    """See that the rows here are those that were scored, before a model loads.

    Raises:
        DataError: they are others, task by task.
    """
    faults = []
    for number, tasks in drawn.items():
        for task in tasks:
            score, facts = score_of(runs[number], task), (runs[number].facts or {})["tasks"]
            here = data.load(score.benchmark, score.subset, "test")
            told = str(facts.get(task, {}).get("sha256"))
            if told != here.digest:
                faults.append(f"{task}: rows with SHA-256 {told[:12]} were scored, {here.source} "
                              f"has {here.digest[:12]}")  # fmt: skip
    if faults:
        told = "\n".join(f"  {fault}" for fault in dict.fromkeys(faults))
        raise DataError(f"the published questions are not here (MEDBENCH_DATA):\n{told}")


def score_of(run: Measured, task: str) -> Score:
    """Return one number of a task, for its settings."""
    return next(score for score in run.scores if score.task == task)


def asked_again(
    run: Measured,
    chosen: Mapping[str, tuple[int, ...]],
    found: checkpoint.Checkpoint,
    how: How,
) -> Iterator[Compared]:
    """Ask one run's questions as they were asked, and compare."""
    from medbench.engine.evaluate import evaluate

    with tempfile.TemporaryDirectory(prefix="medbench-") as scratch:
        try:
            again = settings(run, chosen, found, how)
        except MALFORMED as error:
            raise ResultError(f"{run.name} does not say how it was asked ({error!r})") from error
        (done,) = evaluate(Run(**again, output=Path(scratch)))
        now = Measured.read(done.path)
    for task in chosen:
        published, answered = by_number(run.samples[task]), by_number(now.samples[task])
        for number in chosen[task]:
            try:
                yield compared(run, task, number, published[number], answered[number])
            except MALFORMED as error:
                where = f"{run.name}: {task} {number}"
                raise ResultError(f"{where} is no sample of lm-eval ({error!r})") from error


def settings(
    run: Measured,
    chosen: Mapping[str, tuple[int, ...]],
    found: checkpoint.Checkpoint,
    how: How,
) -> dict[str, Any]:
    """Return a run's settings as its files tell them, for the checkpoint in this folder."""
    again = asdict(asked(run.path, run.facts or {}, chosen)) | {
        "model": str(found.path),
        "tasks": tuple(chosen),
        "items": chosen,
        "device": how.device,
        "trust_remote_code": how.trust_remote_code,
    }
    if how.base and found.is_adapter:
        own = (found.path / "tokenizer_config.json").is_file()
        again |= {"model": how.base, "adapters": (str(found.path),)}
        again["tokenizer"] = str(found.path) if own else None
        again["revision"] = checkpoint.base_revision(found.path, how.base, "main")
    return again


def by_number(samples: Sequence[Sample]) -> dict[int, Sample]:
    """Return a task's samples by question, as our own filter read them."""
    return {int(one["doc_id"]): one for one in samples if one["filter"] != OTHER_RULE}


def compared(run: Measured, task: str, number: int, published: Sample, now: Sample) -> Compared:
    """Compare one question's answers."""
    row = {"doc": now["doc"]}  # published samples leave the text behind
    before, after = answer({**published, **row}), answer(now)
    is_same = all(published[key] == now[key] for key in ("doc_hash", "prompt_hash"))
    margin = None
    if choices := now["doc"]["choices"]:
        log_probs = [float(one) for one, _ in now["filtered_resps"]]
        margin = max(log_probs) - log_probs[choices.index(before)]
    return Compared(run.name, task, number, before, after, is_same, margin)
