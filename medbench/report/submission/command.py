"""`medbench export`: the command line."""

import argparse
import sys
from pathlib import Path

from medbench import paths
from medbench.errors import ResultError

__all__ = ["add_export", "run_export"]


def add_export(command: argparse.ArgumentParser) -> None:
    """Describe `medbench export`."""
    command.set_defaults(command=run_export)
    add = command.add_argument
    add("results", nargs="+", type=Path, metavar="RESULTS",
        help="files or folders of one model, with the samples that lm_eval wrote")  # fmt: skip
    add("--format", required=True, choices=("mmedbench", "flowertune"), help="whose leaderboard")
    add("--output", required=True, type=Path, metavar="DIR", help="write the files there")


def run_export(options: argparse.Namespace) -> None:
    """Write the files, and say what whoever sends them should know.

    Raises:
        ResultError: something is missing from the runs, or the folder cannot be written to.
    """
    from medbench.report.submission.asked import only_model
    from medbench.report.submission.flowertune import flowertune
    from medbench.report.submission.mmedbench import mmedbench

    model, results = only_model(options.results)
    is_mmedbench = options.format == "mmedbench"
    made = mmedbench(results) if is_mmedbench else flowertune(model, results)
    try:
        written = paths.write_together(options.output, made.files)
    except OSError as error:
        raise ResultError(f"{options.output}: cannot be written ({error.strerror})") from error
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    for path in written:
        print(f"written: {path}")
