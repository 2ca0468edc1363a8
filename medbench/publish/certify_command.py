"""`medbench certify`: the gates without an upload."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from medbench.errors import ModelError
from medbench.publish.gates import GATES, Finding

__all__ = ["add_certify", "run_certify", "show"]

MARKS = {"passed": "green", "FAILED": "bold red", "skipped": "yellow"}


def add_certify(command: argparse.ArgumentParser) -> None:
    """Describe `medbench certify`."""
    command.set_defaults(command=run_certify)
    add = command.add_argument
    add("checkpoint", metavar="PATH_OR_REPO", help="what `medbench train` left, or published")
    add("--revision", metavar="R", help="branch, tag or commit on the Hub; default: main")
    add("--results", type=Path, nargs="+", default=[], metavar="RESULTS",
        help="what was measured with it; samples beside them")  # fmt: skip
    add("--base", default="", metavar="DIR", help="the base in a local folder; default: the Hub's")
    add("--licence", default="", metavar="NAME", help="to publish under, as the Hub calls it")
    add("--trust-remote-code", action="store_true", help="run code that comes with the model")
    add("--skip", action="extend", nargs="+", default=[], choices=GATES, metavar="GATE",
        help=f"leave out some of {', '.join(GATES)}")  # fmt: skip


def run_certify(options: argparse.Namespace) -> None:
    """Run the gates and print their reports.

    Raises:
        ModelError: a gate failed, or the folder is no checkpoint.
        ResultError: results cannot be read.
    """
    from medbench.checkpoint import read
    from medbench.hub.files import folder_of, is_local
    from medbench.leaderboard.measured import measured_runs
    from medbench.publish.candidate import Candidate
    from medbench.publish.gates import run_gates

    checkpoint = read(folder_of(options.checkpoint, options.revision))
    results = tuple(run.path for run in measured_runs(options.results))
    repo = "" if is_local(options.checkpoint) else options.checkpoint
    candidate = Candidate(
        checkpoint,
        results,
        base=options.base,
        licence=options.licence,
        trust_remote_code=options.trust_remote_code,
        repo=repo,
    )
    findings = run_gates(candidate, options.skip)
    show(findings)
    if failed := [one.gate for one in findings if one.stops]:
        names = ", ".join(failed)
        raise ModelError(f"{names} failed; to leave it out: --skip {' '.join(failed)}")


def show(findings: Iterable[Finding]) -> None:
    """Print each gate's verdict and report."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console()
    for one in findings:
        mark = "passed" if one.passed else "skipped" if one.is_skipped else "FAILED"
        console.print(Text.assemble((mark, MARKS[mark]), f" {one.gate}"))
        console.print(Padding(Text(one.report), (0, 0, 0, 2)))
