"""`medbench compare`: the command line, and the files that it writes."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from medbench import paths
from medbench.errors import ResultError

if TYPE_CHECKING:
    from medbench.report.compare.comparison import Comparison

__all__ = ["add_compare", "run_compare", "write"]


def add_compare(command: argparse.ArgumentParser) -> None:
    """Describe `medbench compare`."""
    command.set_defaults(command=run_compare)
    add = command.add_argument
    add("a", type=Path, metavar="A", help="results of one model: a file or a folder, with samples")
    add("b", type=Path, metavar="B", help="results of the other")
    add("--output", type=Path, metavar="DIR", help="write compare.md, .tex and .json there")
    add(
        "--examples",
        type=int,
        default=2,
        metavar="N",
        help="show N questions that B fixed and N that it broke; default: 2",
    )
    add(
        "--cluster",
        metavar="TAG",
        help="questions with the same TAG (exam, year) are not independent; default: those on "
        "the same text",
    )


def run_compare(options: argparse.Namespace) -> None:
    """Print what B changed against A; with --output also write it, with all details.

    Raises:
        ResultError: the runs cannot be read or compared, or the output cannot be written.
    """
    from medbench.report.compare.comparison import compare_runs
    from medbench.report.compare.terminal import show

    if options.examples < 0:
        raise ResultError(f"--examples {options.examples}: there are no fewer than 0")
    found = compare_runs(options.a, options.b, options.cluster)
    show(found, options.examples)
    if options.output is None:
        print("by letter, subject, year: --output DIR")
        return
    for path in write(found, options.output, options.examples):
        print(f"written: {path}")


def write(comparison: "Comparison", output: Path, examples: int) -> list[Path]:
    """Write compare.md, compare.tex and compare.json; each appears whole or not at all.

    Raises:
        ResultError: the folder cannot be written to.
    """
    from medbench.report.compare.document import document, latex_tables
    from medbench.report.compare.record import record

    texts = {
        "compare.md": document(comparison, examples),
        "compare.tex": latex_tables(comparison),
        "compare.json": json.dumps(record(comparison, examples), indent=2, ensure_ascii=False),
    }
    try:
        return paths.write_together(output, texts)
    except OSError as error:
        raise ResultError(f"{output}: cannot be written ({error.strerror})") from error
