"""`medbench push`, `push-results` and `pull`: the command line; heavy imports are inside."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.publish.gates import GATES

if TYPE_CHECKING:
    from medbench.publish.push import Order
    from medbench.publish.remote import Change, Place, Sent

__all__ = ["add_pull", "add_push", "add_push_results", "run_pull", "run_push", "run_push_results"]

MARKS = {"new": "+", "changed": "~", "same": "=", "goes": "-"}


def add_push(command: argparse.ArgumentParser) -> None:
    """Describe `medbench push`."""
    command.set_defaults(command=run_push)
    add = command.add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT", help="folder that `medbench train` left")
    add_place(command)
    add("--results", nargs="+", type=Path, default=[], metavar="RESULTS",
        help="its scores, samples beside them")  # fmt: skip
    add("--base-results", nargs="+", type=Path, default=[], metavar="RESULTS",
        help="the base's scores on the same questions, for the difference")  # fmt: skip
    add(
        "--base-model", metavar="ID[@COMMIT]", help="the base on the Hub, if training read a folder"
    )
    add("--merged", action="store_true", help="merge the adapter into its base first")
    add("--licence", default="", metavar="NAME", help="to publish under, as the Hub calls it")
    add("--trust-remote-code", action="store_true", help="run code that comes with the model")
    add("--skip", action="extend", nargs="+", choices=GATES, default=[], metavar="GATE",
        help=f"gates that are left out: {', '.join(GATES)}")  # fmt: skip


def add_push_results(command: argparse.ArgumentParser) -> None:
    """Describe `medbench push-results`."""
    command.set_defaults(command=run_push_results)
    add_place(command)
    command.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="files, folders")


def add_place(command: argparse.ArgumentParser) -> None:
    """Describe where on the Hub something goes, and how."""
    add = command.add_argument
    add("repo", metavar="REPO_ID", help="OWNER/NAME; made where it is missing")
    add("--private", action="store_true", help="a repository that is made is private")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--branch", default="main", metavar="B", help="default: main")
    where.add_argument("--pull-request", action="store_true", help="ask for the change instead")
    add("--tag", metavar="T", help="name the commit")
    add("--dry-run", action="store_true", help="check and show everything; publish nothing")


def add_pull(command: argparse.ArgumentParser) -> None:
    """Describe `medbench pull`."""
    command.set_defaults(command=run_pull)
    add = command.add_argument
    add("repo", metavar="REPO_ID", help="OWNER/NAME")
    add("folder", type=Path, metavar="DIR", help="the folder to be")
    add("--revision", metavar="R", help="branch, tag, commit or refs/pr/N; default: main")
    add("--dataset", action="store_true", help="a results dataset, not a model")


def place_of(options: argparse.Namespace, *, dataset: bool) -> "Place":
    """Return where something goes."""
    from medbench.publish.remote import Place

    return Place(
        repo=options.repo,
        kind="dataset" if dataset else "model",
        private=options.private,
        branch=options.branch,
        pull_request=options.pull_request,
        tag=options.tag,
    )


def run_push(options: argparse.Namespace) -> None:
    """Publish a checkpoint, or show what would be published."""
    from medbench import checkpoint
    from medbench.publish.candidate import Candidate
    from medbench.publish.push import Order, push

    candidate = Candidate(
        checkpoint.read(options.checkpoint),
        tuple(options.results),
        tuple(options.base_results),
        licence=options.licence,
        trust_remote_code=options.trust_remote_code,
    )
    order = Order(
        candidate=candidate,
        place=place_of(options, dataset=False),
        base_model=options.base_model,
        merged=options.merged,
        skip=tuple(options.skip),
    )
    if options.dry_run:
        preview(order)
        return
    tell(push(order))


def preview(order: "Order") -> None:
    """Run the gates, and print what a push would publish.

    Raises:
        PublishError: a gate would stop it; told after all the rest.
    """
    from medbench.errors import PublishError
    from medbench.publish import certify_command
    from medbench.publish.gates import run_gates
    from medbench.publish.push import CARD, as_published, check, prepare, stopped

    check(order)
    with as_published(order) as order:
        findings = run_gates(order.candidate, order.skip)
        prepared = prepare(order, findings)
        card = prepared.content[CARD]
        assert isinstance(card, bytes), "the card is made, not read"
        print(card.decode())
        certify_command.show(findings)
        show(changes_of(prepared.content, order.place, prepared.outdated))
        note(prepared.notes)
    if fault := stopped(findings):
        raise PublishError(f"nothing would be published:\n{fault}")


def changes_of(
    content: "dict[str, Path | bytes]", place: "Place", outdated: Sequence[str]
) -> "tuple[Change, ...]":
    """Return what would change; all is new where the Hub cannot be asked."""
    from medbench.errors import PublishError
    from medbench.publish.content import size_of
    from medbench.publish.remote import Change, compare

    try:
        return compare(content, place, outdated)
    except PublishError as error:
        note([f"what is there cannot be told: {error}"])
        return tuple(Change(path, size_of(content[path]), "new") for path in sorted(content))


def run_push_results(options: argparse.Namespace) -> None:
    """Publish measured runs, or show what would be published."""
    from medbench.publish.push_results import results_content
    from medbench.publish.remote import send

    content, notes = results_content(options.results, options.repo)
    note(notes)
    place = place_of(options, dataset=True)
    if options.dry_run:
        show(changes_of(content, place, ()))
        return
    tell(send(content, place, "medbench: measured runs"))


def run_pull(options: argparse.Namespace) -> None:
    """Download a revision."""
    from medbench.publish.base import check_repo
    from medbench.publish.remote import pull

    check_repo(options.repo)
    commit = pull(
        options.repo, options.folder, options.revision, "dataset" if options.dataset else "model"
    )
    print(f"{options.folder}: {options.repo} at {commit}")


def tell(sent: "Sent") -> None:
    """Say what came of a push."""
    if not sent.is_new:
        print(f"nothing to publish: {sent.url} has all of it, at {sent.commit}")
        return
    show([one for one in sent.changes if one.state != "same"])
    print(f"published: {sent.url} at {sent.commit}")


def show(changes: "Sequence[Change]") -> None:
    """Print a line for each file: what becomes of it, its size, its path; then what is sent."""
    for one in changes:
        print(f"{MARKS[one.state]} {size(one.size):>9}  {one.path}")
    sent = [one.size for one in changes if one.state in ("new", "changed")]
    print(f"{len(sent)} of {len(changes)} files to send, {size(sum(sent))}")


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def note(lines: Iterable[str]) -> None:
    """Print what the publisher should know."""
    for line in lines:
        print(f"note: {line}", file=sys.stderr)
