"""`medbench push`: a checkpoint with its card, its scores and its certificate, in one commit."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from medbench import checkpoint as checkpoints
from medbench.checkpoint import CURVE, RECIPE, WEIGHTS
from medbench.errors import PublishError
from medbench.leaderboard.measured import measured_runs
from medbench.publish.base import HubBase, check_repo, hub_base
from medbench.publish.candidate import Candidate
from medbench.publish.card.card import model_card
from medbench.publish.card.subject import Subject, terms_of
from medbench.publish.content import NAMES, Content, check_secrets, checkpoint_content
from medbench.publish.gates import Finding, run_gates
from medbench.publish.licences import name_fault
from medbench.publish.records import eval_results, every_eval_ever
from medbench.publish.remote import Place, Sent, send
from medbench.publish.scores import Scores, scores_of
from medbench.recipe import load

__all__ = [
    "CARD",
    "OUTDATED",
    "Order",
    "Prepared",
    "as_published",
    "check",
    "prepare",
    "push",
    "stopped",
]

CARD = "README.md"
RESULTS = "results"
EVAL_RESULTS = ".eval_results/medbench.yaml"
EVERY_EVAL_EVER = f"{RESULTS}/every_eval_ever.json"
MEASURED = ("results_*.json", "medbench_*.json", "samples_*.jsonl", "samples_*.jsonl.gz")
"""How a run's files are called."""
OUTDATED = (
    *NAMES, "*.safetensors", "*.safetensors.index.json",
    "adapter_model.bin", "pytorch_model*.bin", "pytorch_model.bin.index.json",
    EVAL_RESULTS, EVERY_EVAL_EVER,
    *(f"{folder}/{name}" for folder in (RESULTS, f"{RESULTS}/*") for name in MEASURED),
)  # fmt: skip
"""What must not stay beside new weights: libraries would load the old ones' files, and readers take
the old scores for the new ones. Other files of a repository are none of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One push, as asked for on the command line."""

    candidate: Candidate
    place: Place
    base_model: str | None = None
    """ID or ID@REVISION of the base on the Hub; None: as training noted."""
    merged: bool = False
    """Merge the adapter into its base first."""
    skip: tuple[str, ...] = ()
    """Gates that do not stop it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is to be published."""

    content: Content
    outdated: tuple[str, ...]
    """Patterns of files that go if they are not in the content."""
    notes: tuple[str, ...]
    """What the publisher should know."""


def push(order: Order) -> Sent:
    """Publish a checkpoint, after the gates.

    Raises:
        MedbenchError: everything that can be known without the Hub; what a gate found; why the Hub
            did not take it. Nothing is published then.
    """
    check(order)
    with as_published(order) as order:
        findings = run_gates(order.candidate, order.skip)
        if fault := stopped(findings):
            raise PublishError(f"nothing was published:\n{fault}")
        prepared = prepare(order, findings)
        message = f"medbench: {order.candidate.checkpoint.provenance.recipe}"
        return send(prepared.content, order.place, message, prepared.outdated)


def stopped(findings: Sequence[Finding]) -> str:
    """Return what the gates found, and how to publish all the same; empty: they let it pass."""
    stops = [one for one in findings if one.stops]
    if not stops:
        return ""
    told = [f"  {one.gate}: {line}" for one in stops for line in one.report.splitlines()]
    words = " ".join(f"--skip {one.gate}" for one in stops)
    return "\n".join([*told, f"{words} publishes it all the same"])


def check(order: Order) -> None:
    """Refuse what cannot become a publication, before the gates load a model.

    Raises:
        MedbenchError: base, files or results are not fit.
    """
    check_repo(order.place.repo)
    checkpoint = order.candidate.checkpoint
    base = hub_base(checkpoint, order.base_model)
    if order.merged:
        check_merged(order.candidate)
    licences = [one for one in (terms_of(order.candidate).base,) if one]
    if "licence" not in order.skip and (fault := name_fault(licences, order.place.repo)):
        raise PublishError(f"{fault}; --skip licence publishes it all the same")
    checkpoint_content(checkpoint, base, order.place.repo)
    scores_of(order.candidate)
    result_content(order.candidate.results)


def check_merged(candidate: Candidate) -> None:
    """Refuse what is merged already, and scores of what the merged model is not.

    Raises:
        PublishError: names it, and what to do instead.
    """
    path = candidate.checkpoint.path
    if not candidate.checkpoint.is_adapter:
        raise PublishError(f"--merged: {path} is a whole model; push it as it is")
    for run in measured_runs(list(candidate.results)) if candidate.results else []:
        if WEIGHTS in ((run.facts or {}).get("weights") or {}):
            raise PublishError(
                f"--merged: {run.name} was measured with an adapter beside its base, and the "
                f"merged model's weights are others: `medbench merge {path}`, score the folder "
                "that it makes, and push that"
            )


@contextmanager
def as_published(order: Order) -> Iterator[Order]:
    """Give the order of what is published: a merged model lies in a temporary folder until then.

    Raises:
        ModelError: the adapter cannot be merged.
    """
    if not order.merged:
        yield order
        return
    from medbench.training.merge import merge

    own = order.candidate
    adapter, trust = own.checkpoint, own.runs_code
    with tempfile.TemporaryDirectory(prefix="medbench-push-") as folder:
        made = merge(adapter.path, Path(folder) / "merged", trust_remote_code=trust)
        whole = replace(own, checkpoint=checkpoints.read(made.path), adapter=adapter)
        yield replace(order, candidate=whole, merged=False)


def prepare(order: Order, findings: tuple[Finding, ...]) -> Prepared:
    """Gather everything that is published.

    Args:
        order: what `as_published` gives.
        findings: of the gates.

    Raises:
        MedbenchError: what is wrong with the checkpoint or its results.
    """
    from huggingface_hub import get_token

    checkpoint, repo = order.candidate.checkpoint, order.place.repo
    base = hub_base(checkpoint, order.base_model)
    scores = scores_of(order.candidate)
    content = checkpoint_content(checkpoint, base, repo)
    subject = described(order, base, scores, content, findings)
    content |= result_content(order.candidate.results)
    if any(row.is_published for row in scores.rows):
        content[EVAL_RESULTS] = eval_results(scores.rows, repo)
        content[EVERY_EVAL_EVER] = every_eval_ever(scores.rows, repo, base)
    content[CARD] = model_card(subject).encode()
    check_secrets(content, get_token())
    return Prepared(content, OUTDATED, tuple(notes(subject)))


def described(
    order: Order,
    base: HubBase,
    scores: Scores,
    content: Content,
    findings: tuple[Finding, ...],
) -> Subject:
    """Return what the card tells."""
    text, checkpoint = content[RECIPE], order.candidate.checkpoint
    assert isinstance(text, bytes), "the recipe is written anew"
    return Subject(
        repo=order.place.repo,
        candidate=order.candidate,
        base=base,
        recipe=load(checkpoint.recipe),
        recipe_text=text.decode(),
        is_adapter=checkpoint.is_adapter,
        is_merged=checkpoint.provenance.merged_from is not None,
        scores=scores,
        findings=findings,
        skipped=order.skip,
        has_curve=f"{CURVE}.png" in content,
    )


def result_content(results: Sequence[Path], below: str = RESULTS) -> Content:
    """Return result files as `medbench add` keeps them: no benchmark's text, no machine's folders.

    Raises:
        ResultError: they cannot be read.
        PublishError: two runs of one second have different content.
    """
    content: Content = {}
    for run in measured_runs(list(results)) if results else []:
        for name, file in run.files().items():
            path = f"{below}/{name}"
            if content.get(path, file) != file:
                raise PublishError(f"two runs have a file {name}, with different content")
            content[path] = file
    return content


def notes(subject: Subject) -> Iterator[str]:
    """Yield what the publisher should know before it is public."""
    if not subject.scores.rows:
        yield "no --results: the card has no scores"
    elif not any(row.contrast for row in subject.scores.rows):
        yield "no --base-results: the card cannot tell whether training helped"
    if not all(row.is_published for row in subject.scores.rows):
        yield "scores on the packaged sample are marked in the card, and in no machine's record"
    if subject.terms.base is None:
        yield "the base's licence is not known: the card has none; model.facts.licence states it"
    if not subject.has_curve:
        yield f"there is no {CURVE}.png: the card has no picture of the training"
