"""The function behind `medbench board`: the tables in the terminal, all formats on disk."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from medbench.errors import ResultError
from medbench.report.plot import figure
from medbench.report.table import table, terminal
from medbench.results import Results, read_results

__all__ = ["FORMATS", "board"]

FORMATS = {"md": "markdown", "csv": "csv", "tex": "latex", "html": "html", "svg": "", "png": ""}


def board(
    paths: Sequence[Path], output: Path | None = None, formats: Iterable[str] = tuple(FORMATS)
) -> tuple[Path, ...]:
    """Print the leaderboard of some results, and write it to a folder.

    Args:
        paths: lm-eval's result files, or folders of them.
        output: The folder for board.md, board.csv, …; nothing is written without one.
        formats: Of `FORMATS`: md, csv, tex, html, svg, png.

    Returns:
        The files written; each appears whole or not at all, the tables before the figure.

    Raises:
        ResultError: if results cannot be read, a format is unknown, or output cannot be written.
        MissingExtra: if a figure is asked for without matplotlib.
    """
    chosen = tuple(dict.fromkeys(formats))
    if unknown := [name for name in chosen if name not in FORMATS]:
        raise ResultError(f"no format {', '.join(unknown)}; there are {', '.join(FORMATS)}")
    results = read_results(paths)
    terminal(results)
    try:
        return tuple(_write(results, output, chosen)) if output else ()
    except OSError as error:
        raise ResultError(f"{output}: cannot be written ({error.strerror})") from error


def _write(results: Results, output: Path, formats: Sequence[str]) -> list[Path]:
    """Draw into a temporary folder beside the targets, then move each file into place."""
    output.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with tempfile.TemporaryDirectory(dir=output, prefix=".board-") as folder:
        for suffix in (name for name in formats if FORMATS[name]):
            draft = Path(folder, f"board.{suffix}")
            draft.write_text(table(results, FORMATS[suffix]), encoding="utf-8", newline="")
            written.append(draft.replace(output / draft.name))
        if figures := [name for name in formats if not FORMATS[name]]:
            drafts = figure(results, Path(folder, "board"), figures)
            written += [draft.replace(output / draft.name) for draft in drafts]
    return written
