"""Questions on the page: read from samples, cut to size, and without texts that were taken out."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from medbench.errors import ResultError
from medbench.leaderboard.measured import compressed
from medbench.report.page import items as page_items
from medbench.report.page.items import ItemCollection
from medbench.results import Score, read_results
from tests.board_pages import samples, write_model
from tests.compared_runs import STAMP


def written(folder: Path, task: str, right: int = 2) -> tuple[Score, Path]:
    """Write one model, and return its score and the samples' file."""
    path = write_model(folder, "org/base", {task: right}, n=5)
    (score,) = read_results([path]).scores
    return score, folder / f"samples_{task}_{STAMP}.jsonl"


def test_chosen_and_written_answers(tmp_path: Path) -> None:
    items = ItemCollection()
    for task in ("usmle", "kormedmcqa-cot_doctor"):
        score, _ = written(tmp_path / task, task)
        items.add(score)
    chosen, wrote = items.items
    assert chosen["note"] == "The first 3 of 5 items."
    assert [one["verdict"] for one in chosen["shown"]] == ["right", "right", "wrong"]
    assert [one["gold"] for one in chosen["shown"]] == ["A", "B", "C"]
    assert [one["output"] for one in chosen["shown"]] == ["A", "B", "A"]
    assert items.prompts[chosen["shown"][1]["prompt"]].endswith("(1)\nA. vitamin A1\n"
                                                                "B. vitamin B1\nC. vitamin C1\n"
                                                                "D. vitamin D1")  # fmt: skip
    assert wrote["language"] == "ko"
    assert wrote["shown"][2]["output"] == "I think that it is A"
    assert wrote["shown"][2]["read"] == "A"


@pytest.mark.parametrize("task", ["usmle", "kormedmcqa-cot_doctor"])
def test_samples_of_a_leaderboard_hold_no_text(tmp_path: Path, task: str) -> None:
    score, path = written(tmp_path / "run", task)
    path.with_name(f"{path.name}.gz").write_bytes(compressed(tuple(samples(task, 5, 2))))
    path.unlink()
    items = ItemCollection()
    assert items.add(score) == 0
    assert items.items[0]["note"].endswith(page_items.LICENSED)
    assert items.prompts == []
    first = items.items[0]["shown"][0]
    assert "prompt" not in first and "gold" not in first
    assert first["hashes"].startswith("doc ")
    assert first.get("read", first["output"]) in ("A", "choice 1")
    assert "vitamin" not in json.dumps(items.items)


def test_without_samples_there_is_nothing(tmp_path: Path) -> None:
    score, path = written(tmp_path / "run", "usmle")
    path.unlink()
    assert ItemCollection().add(score) is None


def test_long_texts_are_cut_in_the_middle(tmp_path: Path) -> None:
    score, path = written(tmp_path / "run", "usmle")
    sample = samples("usmle", 1, 1)[0]
    sample["arguments"]["gen_args_0"]["arg_0"] = "a" * 5000 + "the question"
    path.write_text(json.dumps(sample), encoding="utf-8")
    items = ItemCollection()
    items.add(score)
    (prompt,) = items.prompts
    assert prompt.endswith("the question")
    assert " … [3,812 characters] … " in prompt
    assert len(prompt) < 1300


def test_a_full_page_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_items, "MOST_CHARACTERS", 100)
    score, _ = written(tmp_path / "run", "usmle")
    items = ItemCollection()
    items.add(score)
    items.add(score)
    assert items.items[0]["shown"] and not items.items[1]["shown"]
    assert "as many texts as it may" in items.items[1]["note"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("", b"[1]\n"), ("", b'{"filter": '), ("", b"\xff\n"), (".gz", b"no gzip"),
     (".gz", gzip.compress(b"{}", mtime=0)[:-4])],
)  # fmt: skip
def test_broken_samples_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    score, path = written(tmp_path / "run", "usmle")
    path.unlink()
    path.with_name(f"{path.name}{name}").write_bytes(content)
    with pytest.raises(ResultError, match="samples_usmle_"):
        ItemCollection().add(score)


def test_samples_of_other_tasks_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    score, path = written(tmp_path / "run", "usmle")
    strange: list[dict[str, Any]] = [
        {"doc_id": 0, "filter": "none", "target": 2, "arguments": [["x", "y"]], "doc": "text",
         "filtered_resps": ["free text"], "resps": [["free text"]], "acc": 0.5},
        {"doc_id": 1, "filter": "none"},
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, strange)), encoding="utf-8")
    items = ItemCollection()
    items.add(score)
    one, other = items.items[0]["shown"]
    assert items.prompts == ["x"]
    assert (one["verdict"], one["output"], one["read"]) == ("0.5", "free text", "free text")
    assert (other["verdict"], other["output"]) == ("not graded", "")
