"""The generated parts of the documents: replaced alone, checked in CI."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from medbench import docs
from medbench.docs import main, stale, stale_pictures, update
from medbench.errors import MedbenchError

DOCUMENT = "# Title\n<!-- tasks:start -->\nold\nlines\n<!-- tasks:end -->\nmine\n"


@pytest.mark.parametrize(
    ("document", "content", "expected"),
    [
        (DOCUMENT, "new", "# Title\n<!-- tasks:start -->\nnew\n<!-- tasks:end -->\nmine\n"),
        (DOCUMENT, r"a\1 \g<0>", DOCUMENT.replace("old\nlines", r"a\1 \g<0>")),
        (
            "<!-- tasks:start -->\n<!-- tasks:end -->",
            "x",
            "<!-- tasks:start -->\nx\n<!-- tasks:end -->",
        ),
        (
            f"{DOCUMENT}<!-- other:start -->\nold\n<!-- other:end -->\n",
            "new",
            f"{DOCUMENT}<!-- other:start -->\nold\n<!-- other:end -->\n".replace(
                "old\nlines", "new"
            ),
        ),
    ],
)
def test_update_replaces_only_the_part(document: str, content: str, expected: str) -> None:
    assert update(document, "tasks", content) == expected
    assert update(expected, "tasks", content) == expected


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<!-- tasks:start -->\n",
        "<!-- tasks:end -->\n",
        "<!-- tasks:end -->\n<!-- tasks:start -->\n",
        "<!-- eval-help:start -->\n<!-- eval-help:end -->\n",
    ],
)
def test_missing_marks_are_an_error(document: str) -> None:
    with pytest.raises(MedbenchError, match="no part <!-- tasks:start -->"):
        update(document, "tasks", "new")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two documents with one part each, both still empty."""
    parts = {"tasks": ("tasks/README.md", lambda: "| usmle |"), "say": ("README.md", lambda: "hi")}
    for name, (file, _) in parts.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"before\n<!-- {name}:start -->\n<!-- {name}:end -->\nafter\n", "utf-8")
    monkeypatch.setattr(docs, "PARTS", parts)
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["docs"])
    return tmp_path


def check(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> tuple[int, str]:
    """Run with --check; return the exit code and what was said."""
    monkeypatch.setattr(sys, "argv", ["docs", "--check"])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0), capsys.readouterr().err


def test_written_once_then_up_to_date(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    old = {path: path.read_text(encoding="utf-8") for path, _ in stale()}
    assert sorted(old) == [root / "README.md", root / "tasks/README.md"]
    main()
    assert stale() == []
    assert check(monkeypatch, capsys) == (0, "")
    written = (root / "README.md").read_text(encoding="utf-8")
    assert written == "before\n<!-- say:start -->\nhi\n<!-- say:end -->\nafter\n"


def test_check_names_what_is_stale_and_writes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    main()
    edited = root / "tasks/README.md"
    text = edited.read_text(encoding="utf-8").replace("usmle", "umsle")
    edited.write_text(text, encoding="utf-8")
    told = "tasks/README.md is stale: run `make docs`\n"
    assert check(monkeypatch, capsys) == (1, told)
    assert edited.read_text(encoding="utf-8") == text


def test_text_outside_the_parts_is_never_stale(root: Path) -> None:
    main()
    path = root / "README.md"
    path.write_text(path.read_text(encoding="utf-8").replace("before", "mine"), encoding="utf-8")
    assert stale() == []


@pytest.mark.parametrize("name", docs.PARTS)
def test_the_documents_have_their_parts(name: str) -> None:
    path = docs.ROOT / docs.PARTS[name][0]
    assert "\nmarked\n" in update(path.read_text(encoding="utf-8"), name, "marked")


def test_table_of_tasks() -> None:
    assert "| mmedbench_french" in docs.PARTS["tasks"][1]()


@pytest.fixture
def leaderboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's README and leaderboard."""
    shutil.copy(docs.ROOT / "README.md", tmp_path)
    shutil.copytree(docs.ROOT / "leaderboard", tmp_path / "leaderboard")
    for file in (tmp_path / "leaderboard/reported").glob("*.png"):
        file.unlink()
    monkeypatch.setattr(docs, "PARTS", {})
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    return tmp_path / "leaderboard"


def test_the_pictures_are_current(leaderboard: Path) -> None:
    assert stale_pictures() == []


def test_stale_pictures_are_named(
    leaderboard: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    texts = {
        path: path.read_text("utf-8") for path in leaderboard.glob("measured/*/results_*.json")
    }
    results, text = next(one for one in texts.items() if "mmedbench_english" in one[1])
    content = json.loads(text)
    content["results"]["mmedbench_english"]["acc,none"] = 0.5
    results.write_text(json.dumps(content), encoding="utf-8")
    stale = {path.relative_to(leaderboard).as_posix() for path in stale_pictures()}
    shown = {"board.svg", "board.png", "radar.svg", "reported/mmedbench_accuracy_heatmap.svg"}
    assert shown <= stale
    assert "reported/mmedbench_accuracy_radar.svg" not in stale  # shows no measured row
    code, said = check(monkeypatch, capsys)
    assert code == 1
    assert "leaderboard/board.svg is stale: run `make board`\n" in said
    results.write_text(text, encoding="utf-8")
    assert stale_pictures() == []


def test_a_picture_that_is_missing_or_not_of_the_board_is_stale(leaderboard: Path) -> None:
    (leaderboard / "reported/mmedbench_accuracy_heatmap.svg").unlink()
    shutil.copy(leaderboard / "board.svg", leaderboard / "left_over.svg")
    stale = [path.relative_to(leaderboard).as_posix() for path in stale_pictures()]
    assert stale == ["left_over.svg", "reported/mmedbench_accuracy_heatmap.svg"]


def documents() -> list[Path]:
    """Return every Markdown file of the project."""
    folders = ("adapters", "benchmarks", "leaderboard", "medbench", "tasks", "tests", "train")
    found = [path for folder in folders for path in (docs.ROOT / folder).rglob("*.md")]
    return sorted([*docs.ROOT.glob("*.md"), *found])


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(docs.ROOT)))
def test_every_row_of_a_table_has_its_columns(path: Path) -> None:
    columns = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        found = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert columns is None or found in (None, columns), f"{path.name}:{number}"
        columns = found


def test_the_tests_that_documents_name_exist() -> None:
    document = (docs.ROOT / "train/originals.md").read_text("utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", document)
    assert len(named) > 20
    for file, test in named:
        assert f"def {test}(" in (docs.ROOT / "tests" / file).read_text("utf-8"), f"{file}::{test}"
