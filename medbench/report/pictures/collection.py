"""Which pictures a board has: each with a digest of what it shows, which its files keep."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench.drawing import Pen, save
from medbench.report.grid import Panel, grid
from medbench.report.pictures.bars import MOST_MODELS, bars
from medbench.report.pictures.before_after import before_after, parts_of
from medbench.report.pictures.heatmap import heatmap, measured_sheet
from medbench.report.pictures.pareto import pareto, pareto_parts
from medbench.report.pictures.published import published_panels
from medbench.report.pictures.radar import radar, radars
from medbench.report.pictures.reported_sheet import reported_sheet
from medbench.reported import ReportedTable
from medbench.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "Pictures", "is_current", "pictures", "write_pictures"]

STYLE = 2
"""Raised whenever pictures of the same data are to look otherwise."""
ONE_MODEL = "one model only"
NO_LANGUAGES = "fewer than three languages"
NO_SIZES = "no known sizes that differ"
NO_SHARES = "nothing in percent"
TOO_MANY = f"more than {MOST_MODELS} models: see the heat map"
IRRELEVANT = ("source", "date")
"""Fields of a score that no picture shows."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, not drawn yet."""

    name: str
    """Path of its files below the board's folder, without ending."""
    digest: str
    """Of all that it shows."""
    draw: "Callable[[Pen], Figure]"
    """Draws it."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a board."""

    drawn: tuple[Picture, ...] = ()
    """That say something."""
    left_out: str = ""
    """Which would say nothing, and why, in one line; empty if none."""


def pictures(
    results: Results, published: Sequence[ReportedTable] = (), before: str | None = None
) -> Pictures:
    """Return the pictures of measured results and of published tables.

    Args:
        results: What `read_results` returned.
        published: Published tables, each with pictures of its own.
        before: Also draw what the other models gained and lost against this one.

    Raises:
        ResultError: if there is nothing to compare with `before`.
    """
    found = list(_measured(results))
    if before is not None:
        parts = parts_of(grid(results).panels, before)
        found.append(("before_after", _picture("before_after", before_after, parts, before)))
    for table in published:
        found += _reported(table, results)
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, one in found:
        if isinstance(one, str):
            kind = name.rpartition("_")[2]
            missing[kind, one].append(name)
    return Pictures(
        tuple(one for _, one in found if isinstance(one, Picture)),
        "; ".join(_left_out(*key, names) for key, names in missing.items()),
    )


Found = tuple[str, Picture | str]
"""A picture's name, and the picture or why there is none."""


def _measured(results: Results) -> Iterator[Found]:
    panels = [panel for panel in grid(results).panels if panel.scale == 100]
    models = {name for panel in panels for column in panel.columns for name in column.cells}
    if not panels or len(models) > MOST_MODELS:
        yield "board", TOO_MANY if panels else NO_SHARES
    else:
        yield "board", _picture("board", bars, panels)
    sheet = measured_sheet(panels) if len(models) > 1 else None
    yield "heatmap", _picture("heatmap", heatmap, sheet) if sheet else ONE_MODEL
    yield from _of_panels("", ("Medical question answering", ""), panels)


def _reported(table: ReportedTable, results: Results) -> Iterator[Found]:
    name = f"reported/{table.name}_"
    sheet = reported_sheet(table, results)
    yield f"{name}heatmap", _picture(f"{name}heatmap", heatmap, sheet) if sheet else NO_SHARES
    yield from _of_panels(name, (table.title, ", as reported"), published_panels(table))


def _of_panels(name: str, title: tuple[str, str], panels: Sequence[Panel]) -> Iterator[Found]:
    own, spoken = f"{name}radar", radars(panels)
    words = " by language".join(title)
    yield own, _picture(own, radar, words, spoken) if spoken else NO_LANGUAGES
    own, sized = f"{name}pareto", pareto_parts(panels)
    words = " by size".join(title)
    yield own, _picture(own, pareto, words, sized) if sized else NO_SIZES


def _picture(name: str, draw: "Callable[..., Figure]", *content: object) -> Picture:
    said = json.dumps([STYLE, name, plain(content)], ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(said.encode()).hexdigest()
    return Picture(name, f"medbench {digest}", partial(_drawn, draw, content))


def _drawn(draw: "Callable[..., Figure]", content: tuple[object, ...], pen: Pen) -> "Figure":
    return draw(*content, pen)


def plain(value: Any) -> Any:
    """Return what a picture shows as JSON has it."""
    if is_dataclass(value):
        names = [field.name for field in fields(value) if field.name not in IRRELEVANT]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, float):
        return round(value, 9)  # machines differ in the last digits
    return [plain(one) for one in value] if isinstance(value, Sequence | tuple) and not isinstance(
        value, str) else value  # fmt: skip


def _left_out(kind: str, reason: str, names: Sequence[str]) -> str:
    """Return `radar of flowertune, pmc_llama (fewer than three languages)`."""
    own = [name.removeprefix("reported/").removesuffix(f"_{kind}") for name in names]
    tables = [name for name in own if name != kind]
    few = ", ".join(tables) if len(tables) < 4 else f"{len(tables)} published tables"
    of = f"{', and' * (kind in own)} of {few}" if tables else ""
    return f"{kind}{of} ({reason})"


def write_pictures(
    found: Pictures, folder: Path, formats: Sequence[str]
) -> Iterator[tuple[str, Path]]:
    """Draw every picture into a folder; yield the name of each file below it, and the file.

    Raises:
        MissingExtra: if matplotlib is not installed.
    """
    for picture in found.drawn:
        stem = folder / picture.name
        stem.parent.mkdir(parents=True, exist_ok=True)
        for path in save(picture.draw, stem, formats, picture.digest):
            yield path.relative_to(folder).as_posix(), path


def is_current(picture: Picture, file: Path) -> bool:
    """Tell whether a file shows what the picture would show now."""
    return file.is_file() and picture.digest.encode() in file.read_bytes()
