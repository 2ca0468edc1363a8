"""Heat maps: legible cells, ranked rows, published numbers and measured ones apart."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.drawing import Pen
from medbench.report.grid import grid
from medbench.report.pictures.heatmap import (
    contrast,
    fill,
    heatmap,
    ink,
    measured_sheet,
)
from medbench.report.pictures.published import FLAGGED, published_panels, row_names
from medbench.report.pictures.reported_sheet import reported_sheet
from medbench.reported import Remark
from medbench.results import Results

if TYPE_CHECKING:
    pass

from tests.pictured import TASKS, board_of, published, said, score

pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def look() -> Any:
    """Set text as it is set when a picture is saved."""
    import matplotlib

    pen = Pen()
    with matplotlib.rc_context({"text.parse_math": False, "font.family": pen.families}):
        yield


@given(st.floats(0, 1))
def test_cells_can_be_read(share: float) -> None:
    colour = fill(share)
    assert contrast(colour, (float(ink(colour) == "white"),) * 3) >= 4.5


def test_contrast_is_wcags() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast((1, 1, 1), (0.4667,) * 3) == pytest.approx(4.48, abs=0.01)  # #777777


def test_rows_are_ranked_and_gaps_come_last() -> None:
    scores = [score(m, *TASKS[0], v) for m, v in (("low", 0.2), ("high", 0.6), ("part", 0.9))]
    scores += [score(m, *TASKS[1], v) for m, v in (("low", 0.3), ("high", 0.5))]
    (section,) = measured_sheet(grid(Results(tuple(scores))).panels).sections
    assert [line.name for line in section.lines] == ["high", "low", "part"]
    assert said(heatmap(measured_sheet(grid(Results(tuple(scores))).panels), Pen())).count("—") == 1


def test_published_numbers_keep_their_flags_and_intervals() -> None:
    (panel,) = published_panels(published())  # hours are no share
    assert row_names(published()) == ("a 7B · plain", "a 7B · tuned", "GPT-4")
    cells = {column.label: column.cells for column in panel.columns}
    plain, tuned = (cells["English"][f"a 7B · {way}"] for way in ("plain", "tuned"))
    assert plain.interval == pytest.approx((0.431, 0.569), abs=1e-3)  # Wilson, 100 of 200
    assert (FLAGGED in tuned.marks, tuned.interval) == (True, None)  # 50.33 is no k/200
    low, high = cells["Avg"]["a 7B · plain"].interval or (0, 0)
    half = 1.96 * (0.25 + 2 * 0.24) ** 0.5 / 200**0.5 / 3
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-4)
    assert cells["Avg"]["a 7B · tuned"].interval is None


def test_two_rows_alike_but_for_their_source() -> None:
    table = published()
    rows = (table.rows[0], replace(table.rows[0], source="page"))
    assert row_names(replace(table, rows=rows)) == ("a 7B · plain · paper", "a 7B · plain · page")


def test_measured_rows_stand_apart() -> None:
    sheet = reported_sheet(published(), board_of(["mine"], 13))
    assert sheet is not None
    assert [section.title for section in sheet.sections] == [
        "As reported",
        "Measured with medbench",
    ]
    (line,) = sheet.sections[1].lines
    assert (line.name, line.detail) == ("mine", "letters")
    measured = {s.subset: s.value for s in board_of(["mine"], 6).scores}
    mean = sum(measured.values()) / 6
    values = [cell.score.value if cell else None for cell in line.cells]
    assert values == pytest.approx([*(measured[subset] for _, subset in TASKS[:3]), mean])
    words = said(heatmap(sheet, Pen()))
    assert {"Title, as reported", "plain", "tuned"} <= set(words)
    assert words.count("‡") == 1


def test_a_remark_is_a_flag() -> None:
    table = published(remarks=(Remark("wrong", model="GPT-4"),))
    assert FLAGGED in published_panels(table)[0].columns[0].cells["GPT-4"].marks
