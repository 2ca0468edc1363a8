"""`medbench add` and `medbench check`: the command line."""

import argparse
import sys
from pathlib import Path

from medbench import paths
from medbench.errors import ResultError

__all__ = ["add_add", "add_check", "run_add", "run_check"]


def add_add(command: argparse.ArgumentParser) -> None:
    """Describe `medbench add`."""
    command.set_defaults(command=run_add)
    command.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="files, folders")
    _add_leaderboard(command)


def add_check(command: argparse.ArgumentParser) -> None:
    """Describe `medbench check`."""
    command.set_defaults(command=run_check)
    _add_leaderboard(command)


def _add_leaderboard(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--leaderboard",
        type=Path,
        default=paths.folder("leaderboard"),
        metavar="DIR",
        help="default: the one that `medbench path leaderboard` prints",
    )


def run_add(options: argparse.Namespace) -> None:
    """Add runs, and name the files written."""
    from medbench.leaderboard.add import add

    written, notes = add(options.results, options.leaderboard)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    for path in written:
        print(path)
    if not written:
        print("nothing to add: these results are there already")


def run_check(options: argparse.Namespace) -> None:
    """Check a leaderboard; a fault is an error.

    Raises:
        ResultError: every fault.
    """
    from medbench.leaderboard.check import check_leaderboard

    verdict = check_leaderboard(options.leaderboard)
    for note in verdict.notes:
        print(f"note: {note}")
    if verdict.faults:
        told = "\n".join(f"  {fault}" for fault in verdict.faults)
        raise ResultError(f"{len(verdict.faults)} faults in {options.leaderboard}:\n{told}")
