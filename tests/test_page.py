"""The page's data: what each score is told with, and that any text comes back as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.cli import main
from medbench.errors import ResultError
from medbench.report.page.html import PROGRAM, board_page, html_of
from medbench.reported import read_reported
from medbench.results import Results, read_results
from tests.board_pages import HOSTILE, data_of, write_board, write_model
from tests.test_report_reported import table as published_table
from tests.test_table import score


@pytest.fixture
def data(tmp_path: Path) -> Any:
    return data_of(board_page(read_results([write_board(tmp_path / "runs")]), ()))


def told(data: Any, cell: Any) -> dict[str, dict[str, str]]:
    return {data["facts"][place]["title"]: dict(data["facts"][place]["pairs"])
            for place in cell["facts"]}  # fmt: skip


def test_rows_and_columns(data: Any) -> None:
    measured = data["measured"]
    assert [(row["name"], row["detail"]) for row in measured["rows"]] == [
        (HOSTILE, "no adapter"), ("alike + an-adapter", "500M · adapter"),
        ("strong", "7B · no adapter"),
    ]  # fmt: skip
    shown = [(one["group"], one["label"], one["language"], one["detail"])
             for one in measured["columns"]]  # fmt: skip
    assert shown == [
        ("MMedBench", "Chinese", "zh", "n 50"),
        ("KorMedMCQA", "chain of thought · Doctor", "ko", "n 50"),
        ("USMLE", "USMLE", "en", "n 50"),
    ]
    assert measured["cells"][0][1] is None
    assert measured["cells"][1][1]["rates"] == {"unparsed": "2.0", "truncated": "30.0"}
    assert measured["cells"][1][1]["is_marked"] is True
    assert "is_marked" not in measured["cells"][2][1]


def test_a_score_tells_where_it_comes_from(data: Any) -> None:
    cell = data["measured"]["cells"][1][1]
    assert (cell["text"], cell["interval"], cell["rank"]) == ("20.0", ["11.2", "33.0"], [2, 2])
    facts = told(data, cell)
    assert facts["Score"] == {
        "task": "kormedmcqa-cot_doctor", "metric": "acc in %", "answers read by": "filter extract",
        "interval": "95 %, Wilson", "n": "50", "protocol": "cot", "few-shot": "0 examples",
        "chat template": "off", "task version": "1", "rows": "50", "rows from": "hub",
        "rows (SHA-256)": "e" * 64, "prompts and targets (hash)": "hash of kormedmcqa-cot_doctor",
    }  # fmt: skip
    run = facts["Run"]
    assert run["date"] == "2023-11-14 22:13 UTC"
    assert run["command"].startswith("medbench eval org/alike --tasks ")
    assert (run["adapter"], run["commit of the model"]) == ("org/an-adapter", "abc123")
    assert (run["backend"], run["versions"]) == ("hf", "medbench 0.1.0")
    assert "Recipe" not in facts


def test_models_asked_alike_share_facts_and_prompts(data: Any) -> None:
    first, second = (row[0]["facts"][0] for row in data["measured"]["cells"][:2])
    assert first == second
    assert len(data["prompts"]) == 9  # three questions of three tasks


def test_a_checkpoint_names_its_recipe(tmp_path: Path) -> None:
    checkpoint = tmp_path / "moved" / "lora"
    base = {"id": "org/base", "revision": "main", "commit": "f00", "architecture": "Llama"}
    provenance = {
        "recipe": "usmle/base/lora", "method": "qlora", "base": base, "data": [], "examples": 4,
        "steps": 30, "tokens": 1024, "supervised_tokens": 9, "loss": 1.23456, "held_out_loss": None,
        "seed": 42, "seconds": 1.0, "finished": "2026-01-01", "command": ["medbench", "train"],
        "launch": {}, "hardware": {}, "packages": {},
    }  # fmt: skip
    where = checkpoint / "results" / "none" / "base__lora"
    path = write_model(where, "org/base", {"usmle": 9}, arguments={"peft": "/gone/lora"})
    (checkpoint / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    data = data_of(board_page(read_results([path]), ()))
    assert data["measured"]["rows"][0]["method"] == "QLoRA"
    recipe = told(data, data["measured"]["cells"][0][0])["Recipe"]
    assert recipe["recipe"] == "usmle/base/lora"
    assert recipe["base"] == "org/base at f00 (Llama)"
    assert recipe["last loss"] == "1.235"
    assert "held-out loss" not in recipe
    (checkpoint / "provenance.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ResultError, match="cannot be read"):
        board_page(read_results([path]), ())


def test_published_numbers_are_as_printed(tmp_path: Path) -> None:
    published = [published_table(tmp_path, "50.00,42.86,46.50 1.5,,")]
    data = data_of(board_page(Results((score("base", "usmle", 0.5),)), published))
    (table,) = data["reported"]
    cells = [cell for row in table["cells"] for cell in row if cell]
    assert [cell["text"] for cell in cells] == ["50.00", "42.86", "46.50", "1.5"]
    assert ["reasons" in cell for cell in cells] == [False, False, True, False]
    assert cells[2]["reasons"] == ["mean: 46.50 is printed, the row's mean is 46.430"]
    assert told(data, cells[0])["Source"]["printed in"] == "a paper"
    assert not any("rank" in cell for cell in cells)


def test_every_published_table_of_the_leaderboard_is_drawn() -> None:
    from medbench import paths

    published = read_reported(paths.folder("leaderboard") / "reported")
    data = data_of(board_page(Results((score("base", "usmle", 0.5),)), published))
    cells = [cell for one in data["reported"] for row in one["cells"] for cell in row if cell]
    assert len(cells) == sum(len(list(table.numbers())) for table in published)


def test_the_command_writes_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, output = write_board(tmp_path / "runs"), tmp_path / "out"
    main(["board", str(runs), "--html", "--output", str(output)])
    page = (output / "board.html").read_text(encoding="utf-8")
    assert [table["title"] for table in data_of(page)["reported"]] != []
    assert "Reported elsewhere" not in capsys.readouterr().out
    for forbidden in ('http-equiv="refresh', " src=", "<iframe", "@import", "url("):
        assert forbidden not in page.split('<script type="application/json"')[0]
    with pytest.raises(SystemExit):
        main(["board", str(runs), "--html"])
    assert "--html writes a page: --output says where it goes" in capsys.readouterr().err


def test_the_program_can_stand_in_a_page() -> None:
    from importlib.resources import files

    for name in PROGRAM:
        text = (files("medbench.report.page") / name).read_text(encoding="utf-8")
        assert "</script" not in text.lower()
        assert "<!--" not in text
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in text, "text becomes text nodes only"


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_comes_back(name: str, prompt: str) -> None:
    empty: Any = {"reported": [], "facts": [], "items": [], "version": "0"}
    page = html_of(empty | {"measured": {"title": name}, "prompts": [prompt]})
    data = data_of(page)
    kept = [text.encode("utf-8", "replace").decode() for text in (name, prompt)]
    assert [data["measured"]["title"], *data["prompts"]] == kept
    assert page.lower().count("</script") == 2
