"""The page in a real browser: what a reader sees and does, and that nothing leaves the machine."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medbench.report.page.html import html_of
from tests.board_pages import HOSTILE


@pytest.fixture
def page(open_page: Any, board_file: Path) -> Any:
    return open_page(board_file)


def models(page: Any) -> list[str]:
    return [name.split(" ")[0] for name in page.locator("#measured tbody .model").all_inner_texts()]


HEADS = "#measured thead [data-place] button span:first-child"


def columns(page: Any) -> list[str]:
    return list(page.locator(HEADS).all_inner_texts())


def header(page: Any, name: str) -> Any:
    return page.locator("#measured thead th", has=page.locator(f'button:has-text("{name}")'))


def test_sorting_by_click_and_by_keyboard(page: Any) -> None:
    usmle = header(page, "USMLE")
    usmle.locator("button").click()
    assert models(page) == ["strong", "alike", "<script>alert('name')<img"]
    assert usmle.get_attribute("aria-sort") == "descending"
    usmle.locator("button").focus()
    page.keyboard.press("Enter")
    assert models(page) == ["<script>alert('name')<img", "alike", "strong"]
    assert usmle.get_attribute("aria-sort") == "ascending"
    assert page.locator("#measured [aria-sort]").count() == 1
    doctor = header(page, "Doctor").locator("button")
    doctor.click()
    assert models(page)[-1].startswith("<script>")  # not run: last, whichever way round
    doctor.press("Space")
    assert models(page) == ["alike", "strong", "<script>alert('name')<img"]
    header(page, "Model").locator("button").click()
    assert models(page) == ["<script>alert('name')<img", "alike", "strong"]
    assert "Sorted by name." in page.inner_text("#status")


def test_ranks_are_those_of_the_column_that_is_sorted_by(page: Any) -> None:
    assert page.locator("#measured td.rank").all_inner_texts() == ["1–2", "1–2", "3"]
    assert "pairwise tests on the same questions" in page.inner_text("#status")
    header(page, "Doctor").locator("button").click()
    assert page.locator("#measured td.rank").all_inner_texts() == ["1", "2", ""]
    header(page, "Model").locator("button").click()
    assert page.locator("#measured td.rank").all_inner_texts() == ["", "", ""]


@pytest.mark.parametrize(
    ("field", "choice", "rows", "labels"),
    [
        ("name", "STRONG", ["strong"], 4),
        ("name", "nobody", [], 0),
        ("benchmark", "USMLE", ["strong", "alike", "<script>alert('name')<img"], 2),
        ("language", "ko", ["strong", "alike", "<script>alert('name')<img"], 2),
        ("size", "up to 1B", ["alike"], 4),
        ("size", "unknown", ["<script>alert('name')<img"], 4),
        ("method", "adapter", ["alike"], 4),
        ("method", "no adapter", ["strong", "<script>alert('name')<img"], 4),
    ],
)
def test_filters(page: Any, field: str, choice: str, rows: list[str], labels: int) -> None:
    from playwright.sync_api import expect

    control = page.locator(f"#{field}")
    control.fill(choice) if field == "name" else control.select_option(choice)
    if rows:
        expect(page.locator(HEADS)).to_have_count(labels)
        expect(page.locator("#measured tbody tr")).to_have_count(len(rows))
        assert models(page) == rows
    else:
        assert page.inner_text("#status") == "Nothing matches these filters."
    page.locator("#filters button").click()
    expect(page.locator(HEADS)).to_have_text(
        ["Model", "Chinese", "chain of thought · Doctor", "USMLE"]
    )
    expect(page.locator("#measured tbody tr")).to_have_count(3)


def test_reported_numbers_stand_apart(page: Any) -> None:
    assert page.locator("#measured").is_visible()
    assert not page.locator("#reported").is_visible()
    page.locator("#tab-measured").press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-reported"
    assert not page.locator("#measured").is_visible()
    assert page.locator("#reported tbody tr").count() > 100
    assert page.locator("#reported .rank").count() == 0
    page.locator("#reported td.marked button").first.click()
    details = page.locator("#details")
    assert "‡" in details.locator(".reason").first.inner_text()
    assert "printed in" in details.inner_text()


def test_a_cell_opens_its_provenance_by_keyboard(page: Any) -> None:
    first = page.locator("#measured tbody button").first
    first.focus()
    assert page.inner_text("#tip").startswith("90.0 [78.6, 95.7], rank 1–2")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#tip").endswith("unparsed 2.0 %, truncated 30.0 %")
    page.keyboard.press("Enter")
    text = page.inner_text("#details")
    for told in ("alike + an-adapter", "KorMedMCQA · chain of thought · Doctor", "20.0",
                 "95 % interval 11.2 to 33.0", "truncated 30.0 %", "medbench eval org/alike",
                 "org/an-adapter", "abc123", "hash of kormedmcqa-cot_doctor", "medbench 0.1.0",
                 "0 examples", "The first 3 of 50 items.", "부족한 비타민은 무엇인가? (0)",
                 "I think that it is A"):  # fmt: skip
        assert told in text
    assert page.locator("#details pre[lang=ko]").count() > 0
    page.keyboard.press("Escape")
    assert not page.locator("#details").is_visible()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("20.0 [")


def test_tab_passes_the_cells_once(page: Any) -> None:
    assert page.locator('#measured tbody button[tabindex="0"]').count() == 1


def test_scores_with_unread_outputs_are_marked(page: Any) -> None:
    marked = page.locator("#measured td.marked")
    assert marked.count() == 1
    assert marked.inner_text().split() == [
        "20.0†", "unparsed", "2.0", "%", "truncated", "30.0", "%",
    ]  # fmt: skip


def test_names_and_prompts_stay_text(page: Any) -> None:
    assert page.locator("#measured .model", has_text="<script>").inner_text() == HOSTILE
    assert page.locator("#measured img").count() == 0
    page.locator("#measured tbody tr", has_text="<script>").locator("button").last.click()
    assert page.inner_text("#details-title") == HOSTILE
    assert "</script><script>alert('prompt')</script><!--" in page.inner_text("#details")
    assert page.locator("#details script, #details img").count() == 0


NAMES = st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=20)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=NAMES)
def test_any_name_is_shown_as_it_is(open_page: Any, tmp_path: Path, names: list[str]) -> None:
    row: Any = {"detail": "", "method": "", "parameters": None}
    table: Any = {"title": "T", "columns": [], "cells": [[] for _ in names], "notes": []}
    table["rows"] = [row | {"name": name} for name in names]
    table["columns"] = [{"group": "G", "label": "L", "benchmark": "b", "language": "", "detail": "",
                         "higher_is_better": True}]  # fmt: skip
    table["cells"] = [[{"text": "1.0", "facts": []}] for _ in names]
    empty: Any = {"reported": [], "facts": [], "prompts": [], "items": [], "version": "0"}
    file = tmp_path / "names.html"
    file.write_text(html_of(empty | {"measured": table}), encoding="utf-8", newline="")
    page = open_page(file)
    drawn = page.evaluate("[...document.querySelectorAll('.model')].map(one => one.textContent)")
    kept = [name.encode("utf-8", "replace").decode() for name in names]
    assert sorted(drawn) == sorted(kept)
    page.context.close()


def test_the_policy_lets_nothing_out(browser: Any, board_file: Path) -> None:
    page = browser.new_page()
    page.goto(board_file.as_uri())
    policy = page.locator('meta[http-equiv="Content-Security-Policy"]').get_attribute("content")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    tried = page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')")
    assert tried == "refused"
    page.close()
