"""The board: order of cells, means of groups, and files that appear whole or not at all."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from medbench.errors import MissingExtra, ResultError
from medbench.report import table
from medbench.report.board import FORMATS, board
from medbench.report.grid import Cell, Column, grid
from medbench.results import read_results
from medbench.scoring.statistics import wilson

LANGUAGES = ("english", "chinese", "japanese", "french", "russian", "spanish")
EXAMS = ("doctor", "nurse", "pharm", "dentist")
MMEDBENCH = [f"mmedbench_{name}" for name in LANGUAGES]
KORMEDMCQA = [f"kormedmcqa-letters_{name}" for name in EXAMS]
TABLES = ["md", "csv", "tex", "json"]


def run(
    folder: Path,
    values: dict[str, float],
    sizes: Sequence[int] = (),
    groups: dict[str, list[str]] | None = None,
    model: str = "org/base",
    filter: str = "none",
    **changes: Any,
) -> Path:
    """Write one results file, as lm-eval does, and return it."""
    ns = dict(zip(values, sizes, strict=False))
    content: dict[str, Any] = {
        "results": {
            task: {"alias": task, "sample_len": ns.get(task, 100), f"acc,{filter}": value}
            for task, value in values.items()
        },
        "group_subtasks": groups or {},
        "versions": dict.fromkeys(values, 1.0),
        "n-shot": dict.fromkeys(values, 0),
        "config": {"model": "hf", "model_args": {"pretrained": model}, "limit": None},
        "date": 1e9,
    }
    path = folder / f"results_{len(list(folder.glob('*')))}.json"
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


def panels(folder: Path) -> dict[str, tuple[Column, ...]]:
    return {panel.title: panel.columns for panel in grid(read_results([folder])).panels}


def mean(folder: Path, title: str) -> Cell | None:
    column = panels(folder)[title][-1]
    assert column.label == "Avg"
    return column.cells.get("base")


def test_columns_are_in_the_order_of_their_papers(tmp_path: Path) -> None:
    tasks = [*reversed(MMEDBENCH), *reversed(KORMEDMCQA), "usmle", "medmcqa-letters", "hellaswag"]
    run(tmp_path, dict.fromkeys(tasks, 0.5))
    run(tmp_path, dict.fromkeys([task.replace("letters", "cot") for task in KORMEDMCQA], 0.5))
    found = panels(tmp_path)
    assert list(found) == [
        "MMedBench", "KorMedMCQA · letters", "KorMedMCQA · chain of thought",
        "USMLE, MedMCQA, hellaswag",
    ]  # fmt: skip
    assert [c.label for c in found["MMedBench"]] == [*map(str.capitalize, LANGUAGES), "Avg"]
    assert [c.label for c in found["KorMedMCQA · letters"]] == [*map(str.capitalize, EXAMS), "Avg"]
    assert [c.label for c in found["USMLE, MedMCQA, hellaswag"]] == [
        "USMLE", "MedMCQA · letters", "hellaswag",
    ]  # fmt: skip


def test_the_mean_of_languages_is_macro(tmp_path: Path) -> None:
    run(tmp_path, dict(zip(MMEDBENCH, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), strict=True)),
        (1000, 10, 10, 10, 10, 10))  # fmt: skip
    cell = mean(tmp_path, "MMedBench")
    assert cell is not None
    assert cell.score.value == pytest.approx(0.35)
    assert cell.score.n == 1050
    assert cell.interval is not None
    half = 1.959964 * cell.score.stderr if cell.score.stderr else 0
    assert cell.interval == pytest.approx((0.35 - half, 0.35 + half))


@pytest.mark.parametrize("extreme", [0.0, 1.0])
@pytest.mark.parametrize("others", [0.5, None])
@pytest.mark.parametrize("told", [0.0, "N/A"])
def test_a_set_without_right_or_wrong_answers_is_not_certain(
    tmp_path: Path, extreme: float, others: float | None, told: float | str
) -> None:
    run(tmp_path, {name: extreme if others is None else others for name in MMEDBENCH})
    (path,) = tmp_path.iterdir()
    content = json.loads(path.read_text("utf-8"))
    content["results"][MMEDBENCH[0]] |= {"acc,none": extreme, "acc_stderr,none": told}
    path.write_text(json.dumps(content), "utf-8")
    low, high = wilson(100 * extreme, 100)
    square = ((high - low) / 2) ** 2
    half = (square + 5 * (square if others is None else 1.959964**2 * 0.25 / 100)) ** 0.5 / 6
    cell = mean(tmp_path, "MMedBench")
    assert cell is not None
    value = cell.score.value
    assert cell.interval == pytest.approx((max(0, value - half), min(1, value + half)))


def test_the_mean_of_exams_is_weighted(tmp_path: Path) -> None:
    run(tmp_path, dict(zip(KORMEDMCQA, (0.5, 0.25, 0.25, 0.25), strict=True)), (300, 40, 40, 20))
    cell = mean(tmp_path, "KorMedMCQA · letters")
    assert cell is not None
    assert cell.score.value == pytest.approx((150 + 25) / 400)
    assert cell.interval == pytest.approx(wilson(175, 400))


def test_a_groups_own_value_is_taken(tmp_path: Path) -> None:
    values = dict.fromkeys(KORMEDMCQA, 0.5) | {"kormedmcqa-letters": 0.51}
    run(tmp_path, values, groups={"kormedmcqa-letters": KORMEDMCQA})
    cell = mean(tmp_path, "KorMedMCQA · letters")
    assert cell is not None
    assert cell.score.value == 0.51
    assert cell.score.task == "kormedmcqa-letters"


def test_a_groups_value_is_stale_once_a_member_ran_again(tmp_path: Path) -> None:
    values = dict.fromkeys(KORMEDMCQA, 0.5) | {"kormedmcqa-letters": 0.5}
    run(tmp_path, values, groups={"kormedmcqa-letters": KORMEDMCQA})
    run(tmp_path, {KORMEDMCQA[0]: 0.9}, date=2e9)
    cell = mean(tmp_path, "KorMedMCQA · letters")
    assert cell is not None
    assert cell.score.value == pytest.approx(0.6)


def test_a_mean_is_missing_with_a_member(tmp_path: Path) -> None:
    values = dict.fromkeys(MMEDBENCH[:2], 0.5) | {"mmedbench": 0.5}
    run(tmp_path, values, groups={"mmedbench": MMEDBENCH[:2]})
    assert mean(tmp_path, "MMedBench") is None
    text = table.table(read_results([tmp_path]), "markdown")
    assert text.count("50.0 [40.4, 59.6] |") == 2
    assert text.count("— |") == 1


def test_there_is_no_mean_where_none_was_meant(tmp_path: Path) -> None:
    run(tmp_path, dict.fromkeys(MMEDBENCH[:2], 0.5))
    assert [column.label for column in panels(tmp_path)["MMedBench"]] == ["English", "Chinese"]


def test_flowertune_is_one_panel_with_a_macro_mean(tmp_path: Path) -> None:
    tasks = ["pubmedqa-flowertune", "medmcqa-flowertune", "usmle-flowertune",
             "careqa-flowertune_en"]  # fmt: skip
    values = dict(zip(tasks, (0.1, 0.2, 0.3, 0.8), strict=True)) | {"flowertune": 0.35}
    run(tmp_path, values, groups={"flowertune": tasks}, filter="original")
    columns = panels(tmp_path)["FlowerTune · original rule"]
    labels = ["USMLE", "MedMCQA", "PubMedQA", "CareQA", "Avg"]
    assert [column.label for column in columns] == labels
    assert mean(tmp_path, "FlowerTune · original rule") is not None
    assert columns[-1].mean == "set"


def test_a_group_of_lm_eval_is_a_column_of_its_own(tmp_path: Path) -> None:
    values = {"mmlu": 0.5, "mmlu_anatomy": 0.4, "mmlu_virology": 0.6}
    run(tmp_path, values, groups={"mmlu": ["mmlu_anatomy", "mmlu_virology"]})
    (columns,) = panels(tmp_path).values()
    assert [column.label for column in columns] == ["mmlu", "mmlu_anatomy", "mmlu_virology"]


def test_all_formats_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, dict.fromkeys(MMEDBENCH, 0.5))
    output = tmp_path / "deep" / "board"
    written = board([tmp_path], output)
    names = [f"board.{suffix}" for suffix in FORMATS] + ["radar.svg", "radar.png"]
    assert [path.name for path in written] == names
    assert sorted(output.iterdir()) == sorted(written)  # no draft is left
    assert all(path.stat().st_size for path in written)
    said = capsys.readouterr().out
    assert "MMedBench" in said
    assert "not drawn: heatmap (one model only); pareto (no known sizes that differ)" in said


def test_without_a_folder_the_board_is_only_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run(tmp_path, {"usmle": 0.5})
    assert board([path]) == ()
    assert "base" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_old_files_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    path = run(tmp_path, {"usmle": 0.5})
    output = tmp_path / "board"
    board([path], output, ["md"])
    before = (output / "board.md").read_text(encoding="utf-8")
    monkeypatch.setattr("medbench.report.board.table", full)
    with pytest.raises(ResultError, match=r"board: cannot be written \(No space left on device\)"):
        board([path], output, ["md"])
    assert (output / "board.md").read_text(encoding="utf-8") == before
    assert len(list(output.iterdir())) == 1


def test_tables_are_written_before_matplotlib_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run(tmp_path, {"usmle": 0.5})
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra):
        board([path], tmp_path / "board")
    assert {file.name for file in (tmp_path / "board").iterdir()} == {f"board.{t}" for t in TABLES}


def test_wrong_arguments_are_told(tmp_path: Path) -> None:
    path = run(tmp_path, {"usmle": 0.5})
    with pytest.raises(ResultError, match="no format pdf, docx; there are md, csv"):
        board([path], tmp_path, ["pdf", "docx", "md"])
    with pytest.raises(ResultError, match="cannot be written"):
        board([path], path)
    with pytest.raises(ResultError, match=r"no results_\*.json"):
        (tmp_path / "empty").mkdir()
        board([tmp_path / "empty"])


def test_tables_need_no_heavy_import(tmp_path: Path) -> None:
    path = run(tmp_path, {"usmle": 0.5})
    program = (
        "import sys; from pathlib import Path; from medbench.report.board import board;"
        f"board([Path({str(path)!r})], Path({str(tmp_path / 'out')!r}), {TABLES!r});"
        "heavy = {'torch', 'lm_eval', 'transformers', 'datasets', 'matplotlib', 'numpy', 'scipy'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
