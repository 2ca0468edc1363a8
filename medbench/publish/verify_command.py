"""`medbench verify`: the command line."""

import argparse
from collections import defaultdict
from typing import TYPE_CHECKING

from medbench.errors import ResultError

if TYPE_CHECKING:
    from medbench.publish.verify import Compared, Verification

__all__ = ["add_verify", "run_verify"]

TOLERANCE = 0.05
"""Other machines round otherwise: near-ties fall to the other side."""


def add_verify(command: argparse.ArgumentParser) -> None:
    """Describe `medbench verify`."""
    command.set_defaults(command=run_verify)
    add = command.add_argument
    add("checkpoint", metavar="REPO_ID|FOLDER", help="a checkpoint published with its samples")
    add("--share", type=float, default=0.01, help="of the published questions; default: 0.01")
    add("--seed", type=int, default=0, metavar="N", help="of the draw; default: 0")
    add("--tolerance", type=float, default=TOLERANCE, metavar="SHARE",
        help=f"of the answers that may differ; default: {TOLERANCE:g}")  # fmt: skip
    add("--revision", metavar="NAME", help="branch, tag or commit on the Hub; default: main")
    add("--base", default="", metavar="PATH_OR_REPO", help="where an adapter's base is")
    add("--device", help="cpu, cuda, cuda:1, mps; default: what there is")
    add("--trust-remote-code", action="store_true", help="run code that comes with the model")


def run_verify(options: argparse.Namespace) -> None:
    """Ask again, and print what agrees.

    Raises:
        ResultError: the weights are not those that were scored, more answers differ than may, or
            questions are not those published; all at once.
    """
    from medbench.hub.files import folder_of
    from medbench.publish.verify import How, verify

    how = How(share=options.share, seed=options.seed, base=options.base, device=options.device,
              trust_remote_code=options.trust_remote_code)  # fmt: skip
    found = verify(folder_of(options.checkpoint, options.revision), how)
    show(found, options.seed)
    faults = list(found.exchanged)
    others = sum(not one.is_same_question for one in found.items)
    if others:
        faults.append(
            f"{others} of {len(found.items)} questions are not put as they were: the prompts or "
            "the task have changed since; verify with the version of medbench that published them"
        )
    elif found.differing > options.tolerance:
        faults.append(
            f"{found.differing:.1%} of the answers differ from those published; "
            f"{options.tolerance:.1%} may"
        )
    if faults:
        raise ResultError("\n".join(faults))
    print("agrees with what was published")


def show(found: "Verification", seed: int) -> None:
    """Print a table of tasks, then every answer that differs."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for note in found.notes:
        console.print(Text(note, "dim"))
    table = Table(box=None, pad_edge=False)
    table.add_column("task", overflow="fold")
    for header in ("asked", "same question", "agree", "differ"):
        table.add_column(header, justify="right")
    tasks: dict[str, list[Compared]] = defaultdict(list)
    for one in found.items:
        tasks[one.task].append(one)
    for task, own in [*sorted(tasks.items()), ("all", list(found.items))]:
        same, agree = sum(one.is_same_question for one in own), sum(one.agrees for one in own)
        differ = Text(str(len(own) - agree), "bold red" if agree < len(own) else "")
        table.add_row(Text(task), str(len(own)), str(same), str(agree), differ)
    console.print(table)
    for one in found.items:
        if not one.agrees:
            console.print(Text(told(one)))
    console.print(f"{len(found.items)} of {found.published:,} published questions, seed {seed}")


def told(one: "Compared") -> str:
    """Return one line about an answer that differs."""
    where = f"{one.run}: {one.task} {one.number}"
    if not one.is_same_question:
        return f"{where}: another row or prompt than the published one"
    near = "" if one.margin is None else f" ({one.margin:.2g} nats apart)"
    before, after = one.published or "nothing", one.answered or "nothing"
    return f"{where}: published {before!r}, now {after!r}{near}"
