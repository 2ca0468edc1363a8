"""The look of every picture: fonts, lines of text, files that are the same on every run."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.drawing import Pen, bound, plane, save, write, write_title
from medbench.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

pytest.importorskip("matplotlib")

HOSTILE = ["$a_{b}$ \\frac", "_hidden", "<script>&", "two\nlines\x00", "😀", "x" * 300, "^_$\\"]
NATIVE = ["中文", "日本語", "한국어", "Русский", "Français"]


def words(text: str, pen: Pen) -> "Figure":
    """Draw one line."""
    figure, axes = plane()
    write(axes, 0.3, 0.4, pen.plain(text), 9)
    return bound(figure, 4, 1)


def test_files(tmp_path: Path) -> None:
    paths = save(lambda pen: words("hello", pen), tmp_path / "a.v1", ["svg", "png"], "digest 123")
    assert [path.name for path in paths] == ["a.v1.svg", "a.v1.png"]
    assert ET.parse(paths[0]).getroot().tag.endswith("svg")
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    for path in paths:
        assert b"digest 123" in path.read_bytes()
        assert b"<dc:date>" not in path.read_bytes()


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_every_run_is_the_same_whatever_the_user_sets(tmp_path: Path, ending: str) -> None:
    import matplotlib

    (plain,) = save(lambda pen: words("hello", pen), tmp_path / "plain", [ending])
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 40, "text.usetex": True}):
        (own,) = save(lambda pen: words("hello", pen), tmp_path / "own", [ending])
        assert matplotlib.rcParams["font.size"] == 40
    assert own.read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("text", [*HOSTILE, *NATIVE])
def test_any_text_is_drawn_as_it_is(tmp_path: Path, text: str) -> None:
    """Warnings are errors here: a sign without a glyph would be one."""
    (path,) = save(lambda pen: words(text, pen), tmp_path / "x", ["svg"])
    ET.parse(path)
    assert "<script>" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", NATIVE)
def test_no_tofu(text: str) -> None:
    pen = Pen()
    assert (pen.plain(text) == text) == pen.can_write(text)
    assert all(pen.can_write(sign) or sign == "?" for sign in pen.plain(text))
    assert pen.can_write("Русский Français")  # DejaVu Sans comes with matplotlib


def test_signs_without_a_font(monkeypatch: pytest.MonkeyPatch) -> None:
    pen = Pen()
    monkeypatch.setattr(pen, "signs", {ord(sign) for sign in "ab "})
    assert pen.plain("a漢b字") == "a?b?"


@settings(deadline=None, max_examples=60)
@given(st.text("abcdef _$-m.W ", max_size=60), st.floats(0.4, 3))
def test_lines_fit(text: str, width: float) -> None:
    pen = Pen()
    for line in pen.wrap(text, 8, width):
        assert pen.width(line, 8) <= width or len(line) <= 6
    assert len(pen.wrap(text, 8, width, 2)) <= 2
    line, size = pen.fit(text, 8, width)
    assert 6 <= size <= 8
    assert pen.width(line, size) <= width + 1e-6 or len(line) <= 6


def test_long_titles_take_lines() -> None:
    pen, (_, axes) = Pen(), plane()
    low = write_title(axes, 0.3, "a title of many words " * 4, 4, pen)
    assert low == pytest.approx(0.34 + 0.24 * (len(axes.texts) - 1))
    assert 1 < len(axes.texts) <= 3
    assert all(pen.width(text.get_text(), 13, "bold") <= 4 for text in axes.texts)


def test_a_tall_picture_is_coarser(tmp_path: Path) -> None:
    (path,) = save(lambda _: bound(plane()[0], 1, 400), tmp_path / "x", ["png"])
    assert int.from_bytes(path.read_bytes()[20:24]) <= 30_000


def test_without_matplotlib_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install 'medbench\[plot\]'"):
        save(lambda pen: words("hello", pen), tmp_path / "x", ["svg"])
