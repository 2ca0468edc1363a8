"""The page as it looks: on a phone, in light and dark, and how quick a large board is to sort."""

from pathlib import Path
from typing import Any

import pytest

from medbench.report.page.html import board_page
from medbench.results import read_results
from tests.board_pages import write_large_board

COLUMN = """place => [...document.querySelectorAll('#measured tbody tr')]
  .map(row => row.querySelectorAll('td')[place + 1].innerText.split('\\n')[0])"""
CONTRAST = """() => {
  const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = color => { paint.clearRect(0, 0, 1, 1); paint.fillStyle = color;
    paint.fillRect(0, 0, 1, 1); return [...paint.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => { const part = v => (v /= 255) <= 0.03928 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b); };
  const ground = node => { for (; node; node = node.parentElement) {
    const color = rgb(getComputedStyle(node).backgroundColor); if (color[3] === 255) return color; }
    return [255, 255, 255]; };
  const faint = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(one => one.nodeType === 3 && one.data.trim());
    if (!own || !node.checkVisibility() || node.closest('script, noscript')) continue;
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(faint)];
}"""


def test_a_phone_scrolls_the_table_and_not_the_page(open_page: Any, board_file: Path) -> None:
    page = open_page(board_file, viewport={"width": 390, "height": 844}, has_touch=True)
    for tab in ("measured", "reported"):
        page.locator(f"#tab-{tab}").click()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        frame = page.locator(f"#{tab} .frame").first
        assert frame.evaluate("one => one.scrollWidth > one.clientWidth")
        frame.evaluate("one => { one.scrollLeft = 10000 }")
        left = frame.evaluate("one => one.getBoundingClientRect().left")
        name = frame.locator("tbody th").first.bounding_box()
        assert name is not None
        assert name["x"] == pytest.approx(left, abs=2)  # it stays


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_can_be_read(
    open_page: Any, board_file: Path, scheme: str
) -> None:
    page = open_page(board_file, color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = {"light": "rgb(251, 251, 249)", "dark": "rgb(20, 23, 27)"}
    assert page.evaluate(ground) == colours[scheme]
    assert page.evaluate(CONTRAST) == []
    page.locator("#measured td.marked button").click()
    assert page.evaluate(CONTRAST) == []
    page.keyboard.press("Escape")
    page.locator("#tab-reported").click()
    assert page.evaluate(CONTRAST) == []
    other = "dark" if scheme == "light" else "light"
    toggle = page.locator("#theme")
    for _ in range(1 if other == "light" else 2):
        toggle.click()
    assert toggle.inner_text().split()[-1] == other.capitalize()
    assert page.evaluate(ground) == colours[other]


def test_a_large_board_is_sorted_whole(open_page: Any, tmp_path: Path) -> None:
    """The first rows are put in place at once, the others after the page was drawn."""
    from playwright.sync_api import expect

    runs = write_large_board(tmp_path / "runs", 200, [f"task{number:02}" for number in range(20)])
    file = tmp_path / "board.html"
    file.write_text(board_page(read_results([runs]), ()), encoding="utf-8", newline="")
    page = open_page(file)
    rows = page.locator("#measured tbody tr")
    for place in (7, 3):  # the page opens sorted by another
        page.locator(f'#measured [data-place="{place}"] button').first.click()
        expect(rows).to_have_count(200)
        values = [((model * 37 + place * 11) % 500) / 5 for model in range(200)]
        found = [float(text) for text in page.evaluate(COLUMN, place)]
        assert found == sorted(values, reverse=True)
