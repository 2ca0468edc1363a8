"""The pictures of a board: which there are, that nothing overlaps, and their digests."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from medbench import paths
from medbench.drawing import Pen
from medbench.report.grid import grid
from medbench.report.pictures import Picture, is_current, pictures, write_pictures
from medbench.report.pictures.heatmap import (
    heatmap,
    measured_sheet,
)
from medbench.report.pictures.pareto import pareto, pareto_parts
from medbench.report.pictures.radar import radar, radars
from medbench.reported import read_reported
from medbench.results import Results

if TYPE_CHECKING:
    pass

from tests.pictured import MANY, ODD, board_of, overlaps, published

pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def look() -> Any:
    """Set text as it is set when a picture is saved."""
    import matplotlib

    pen = Pen()
    with matplotlib.rc_context({"text.parse_math": False, "font.family": pen.families}):
        yield


CASES = [(["a-7B", "b-13B"], 1, 0.0), (ODD, 13, 0.0), (MANY[:9], 40, 0.3)]


@pytest.mark.parametrize(("models", "tasks", "missing"), CASES)
def test_nothing_is_clipped_or_overlaps(models: list[str], tasks: int, missing: float) -> None:
    panels = grid(board_of(models, tasks, missing)).panels
    drawn = [heatmap(measured_sheet(panels), Pen()), pareto("By size", pareto_parts(panels), Pen())]
    if spoken := radars(panels):
        drawn.append(radar("By language", spoken, Pen()))
    assert [overlaps(figure) for figure in drawn] == [[]] * len(drawn)


@pytest.mark.parametrize("name", ["flowertune", "kormedmcqa_appendix", "mmedbench_accuracy"])
def test_published_tables_can_be_drawn(name: str) -> None:
    tables = read_reported(paths.folder("leaderboard") / "reported")
    table = next(table for table in tables if table.name == name)
    for picture in pictures(board_of(["a"], 13), [table]).drawn:
        if picture.name.startswith("reported/"):
            assert overlaps(picture.draw(Pen())) == []


def test_what_says_nothing_is_left_out_with_the_reason() -> None:
    found = pictures(board_of(["a"], 1), [published(name=name) for name in "wxyz"])
    assert [one.name for one in found.drawn] == [
        "board", *(f"reported/{name}_{kind}" for name in "wxyz" for kind in ("heatmap", "radar"))
    ]  # fmt: skip
    assert found.left_out == (
        "heatmap (one model only); radar (fewer than three languages); pareto, and of 4 published "
        "tables (no known sizes that differ)"
    )
    assert "board (more than 28 models" in pictures(board_of(MANY, 1)).left_out


def test_pictures_of_the_same_data_are_the_same(tmp_path: Path) -> None:
    found = pictures(board_of(["a-1B", "b-7B"], 6))
    assert [picture.name for picture in found.drawn] == ["board", "heatmap", "radar", "pareto"]
    first, second = (dict(write_pictures(found, tmp_path / name, ["svg"])) for name in "ab")
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes()


def digests(results: Results) -> dict[str, str]:
    return {picture.name: picture.digest for picture in pictures(results).drawn}


def test_a_digest_follows_what_is_shown_and_nothing_else() -> None:
    results = board_of(["a-1B", "b-7B"], 6)
    moved = tuple(replace(one, source=Path("elsewhere"), date=1.0) for one in results.scores)
    other = (replace(results.scores[0], value=0.5), *results.scores[1:])
    assert digests(Results(moved)) == digests(results)
    changed = digests(Results(other))
    assert all(changed[name] != digest for name, digest in digests(results).items())


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_file_tells_whether_it_is_current(tmp_path: Path, ending: str) -> None:
    (old,), (new,) = (pictures(board_of([name], 1)).drawn for name in "ab")
    ((_, file),) = write_pictures(pictures(board_of(["a"], 1)), tmp_path, [ending])
    assert isinstance(old, Picture)
    assert is_current(old, file)
    assert not is_current(new, file)
    assert not is_current(old, tmp_path / "missing.svg")
