"""The function behind `medbench board`: tables in the terminal; all formats and a page on disk."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from medbench import paths
from medbench.errors import ResultError
from medbench.report.before_after import before_after
from medbench.report.plot import figure
from medbench.report.reported import on_benchmarks, reported_table, reported_terminal
from medbench.report.table import table, terminal
from medbench.reported import ReportedTable, read_reported
from medbench.results import Results, read_results

__all__ = ["FORMATS", "board"]

FORMATS = {"md": "markdown", "csv": "csv", "tex": "latex", "svg": "", "png": ""}


def board(
    paths: Sequence[Path],
    output: Path | None = None,
    formats: Iterable[str] = tuple(FORMATS),
    before: str | None = None,
    with_ties: bool = False,
    reported: bool = False,
    html: bool = False,
) -> tuple[Path, ...]:
    """Print the leaderboard of some results, and write it to a folder.

    Args:
        paths: lm-eval's result files, or folders of them.
        output: The folder for board.md, board.csv, …; nothing is written without one.
        formats: Of `FORMATS`: md, csv, tex, svg, png.
        before: Also draw before_after.svg and .png: all others beside this model.
        with_ties: Also tell which models can be told apart, and write ties.md.
        reported: Also show what others published on these benchmarks, in reported.md, .csv, ….
        html: Also write board.html, one page with every score's run and some of its questions, and
            with the published tables behind a tab of their own.

    Returns:
        The files written; each appears whole or not at all, the tables before the figure.

    Raises:
        ResultError: if results cannot be read, a format is unknown, there is nothing to compare
            with `before` or to rank, or output cannot be written.
        MissingExtra: if a figure is asked for without matplotlib.
    """
    chosen = tuple(dict.fromkeys(formats))
    if unknown := [name for name in chosen if name not in FORMATS]:
        raise ResultError(f"no format {', '.join(unknown)}; there are {', '.join(FORMATS)}")
    results = read_results(paths)
    published = _published(results) if reported or html else ()
    tables = published if reported else ()
    page = _page(results, published) if html and output else ""
    terminal(results)
    ties = _ties(results) if with_ties else ""
    reported_terminal(tables)
    try:
        return tuple(_write(results, output, chosen, before, ties, tables, page)) if output else ()
    except OSError as error:
        raise ResultError(f"{output}: cannot be written ({error.strerror})") from error


def _ties(results: Results) -> str:
    """Print which models can be told apart, and return it as Markdown."""
    from medbench.report.ties import markdown, show, ties

    found = ties(results)
    show(found)
    return markdown(found)


def _page(results: Results, published: Sequence[ReportedTable]) -> str:
    """Return the page; comparing models question by question takes numpy and scipy."""
    from medbench.report.page.html import board_page

    return board_page(results, published)


def _published(results: Results) -> tuple[ReportedTable, ...]:
    """Return the published tables on the benchmarks that were measured."""
    tables = read_reported(paths.folder("leaderboard") / "reported")
    return on_benchmarks(tables, {score.benchmark for score in results.scores})


def _write(
    results: Results,
    output: Path,
    formats: Sequence[str],
    before: str | None,
    ties: str,
    published: Sequence[ReportedTable],
    page: str,
) -> list[Path]:
    """Draw into a temporary folder beside the targets, then move each file into place."""
    output.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with tempfile.TemporaryDirectory(dir=output, prefix=".board-") as folder:
        for suffix in (name for name in formats if FORMATS[name]):
            draft = Path(folder, f"board.{suffix}")
            draft.write_text(table(results, FORMATS[suffix]), encoding="utf-8", newline="")
            written.append(draft.replace(output / draft.name))
            if published:
                draft = Path(folder, f"reported.{suffix}")
                text = reported_table(published, FORMATS[suffix])
                draft.write_text(text, encoding="utf-8", newline="")
                written.append(draft.replace(output / draft.name))
        for name, text in (("ties.md", ties), ("board.html", page)):
            if text:
                draft = Path(folder, name)
                draft.write_text(text, encoding="utf-8", newline="")
                written.append(draft.replace(output / draft.name))
        if figures := [name for name in formats if not FORMATS[name]]:
            drafts = figure(results, Path(folder, "board"), figures)
            if before is not None:
                drafts += before_after(results, before, Path(folder, "before_after"), figures)
            written += [draft.replace(output / draft.name) for draft in drafts]
    return written
