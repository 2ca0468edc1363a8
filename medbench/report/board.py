"""The function behind `medbench board`: tables in the terminal; all formats and a page on disk."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medbench import paths
from medbench.errors import ResultError
from medbench.report.formats import latex, markdown
from medbench.report.pictures import Pictures, pictures, write_pictures
from medbench.report.record import as_json
from medbench.report.reported import on_benchmarks, reported_table, reported_terminal
from medbench.report.table import table, terminal
from medbench.reported import ReportedTable, read_reported
from medbench.results import Results, read_results

if TYPE_CHECKING:
    from medbench.report.ties import Ties

__all__ = ["FORMATS", "board"]

FORMATS = {"md": "markdown", "csv": "csv", "tex": "latex", "json": "json", "svg": "", "png": ""}
TIES = {"md": markdown, "tex": latex}


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
        formats: Of `FORMATS`: md, csv, tex, json, svg, png.
        before: Also draw before_after.svg and .png: all others beside this model.
        with_ties: Also tell which models can be told apart, and write ties.md, ties.tex.
        reported: Also show what others published on these benchmarks, in reported.md, .csv, … and
            in pictures under reported/.
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
    ties = _ties(results) if with_ties else None
    reported_terminal(tables)
    is_drawn = output is not None and any(not FORMATS[name] for name in chosen)
    drawn = pictures(results, tables, before) if is_drawn else Pictures()
    if drawn.left_out:
        print(f"not drawn: {drawn.left_out}")
    try:
        return tuple(_write(results, output, chosen, drawn, ties, tables, page)) if output else ()
    except OSError as error:
        raise ResultError(f"{output}: cannot be written ({error.strerror})") from error


def _ties(results: Results) -> "Ties":
    """Print which models can be told apart."""
    from medbench.report.ties import show, ties

    found = ties(results)
    show(found)
    return found


def _page(results: Results, published: Sequence[ReportedTable]) -> str:
    """Return the page; comparing models question by question takes numpy and scipy."""
    from medbench.report.page.html import board_page

    return board_page(results, published)


def _published(results: Results) -> tuple[ReportedTable, ...]:
    """Return the published tables on the benchmarks that were measured."""
    tables = read_reported(paths.folder("leaderboard") / "reported")
    return on_benchmarks(tables, {score.benchmark for score in results.scores})


def _texts(
    results: Results,
    formats: Sequence[str],
    ties: "Ties | None",
    published: Sequence[ReportedTable],
    page: str,
) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of every file that is text."""
    for suffix in (name for name in formats if FORMATS[name]):
        is_json = suffix == "json"
        yield (
            f"board.{suffix}",
            as_json(results, ties) if is_json else table(results, FORMATS[suffix]),
        )
        if published:
            yield f"reported.{suffix}", reported_table(published, FORMATS[suffix])
        if ties and suffix in TIES:
            from medbench.report.ties import blocks, notes

            yield f"ties.{suffix}", TIES[suffix](blocks(ties), notes(ties))
    if page:
        yield "board.html", page


def _write(
    results: Results,
    output: Path,
    formats: Sequence[str],
    drawn: Pictures,
    ties: "Ties | None",
    published: Sequence[ReportedTable],
    page: str,
) -> list[Path]:
    """Draw into a temporary folder beside the targets, then move each file into place."""
    output.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with tempfile.TemporaryDirectory(dir=output, prefix=".board-") as folder:
        for name, text in _texts(results, formats, ties, published, page):
            draft = Path(folder, name)
            draft.write_text(text, encoding="utf-8", newline="")
            written.append(draft.replace(output / name))
        if figures := [name for name in formats if not FORMATS[name]]:
            for name, draft in [*write_pictures(drawn, Path(folder), figures)]:
                (output / name).parent.mkdir(exist_ok=True)
                written.append(draft.replace(output / name))
    return written
