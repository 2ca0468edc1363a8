"""The board as JSON: every cell of the grid, and nothing of this machine."""

import json
from pathlib import Path

from medbench.report.grid import grid
from medbench.report.record import as_json
from medbench.report.ties import ties
from medbench.results import read_results
from tests.compared_runs import QUESTIONS, answered, write_run


def test_every_cell_is_there(tmp_path: Path) -> None:
    for model, right in (("org/one", 80), ("org/tw|o\n", 30)):
        samples = answered(QUESTIONS, [True] * right + [False] * (100 - right), generated=True)
        tasks = {"usmle-cot": samples, "kormedmcqa-cot_doctor": samples[:50]}
        write_run(tmp_path / str(right), tasks, model=model, shots=5)
    results = read_results([tmp_path])
    text = as_json(results, ties(results))
    assert str(tmp_path) not in text
    board = json.loads(text)
    assert (board["form"], board["models"]) == (1, ["one", "tw|o"])
    cells = [
        (panel["title"], column["label"], cell["model"], cell["value"], cell["n"], cell["is_best"])
        for panel in board["panels"]
        for column in panel["columns"]
        for cell in column["cells"]
    ]
    assert cells == [
        (panel.title, column.label or panel.title, model, cell.score.value, cell.score.n,
         cell.is_best)
        for panel in grid(results).panels
        for column in panel.columns
        for model, cell in column.cells.items()
    ]  # fmt: skip
    assert len(cells) == 4
    cell = board["panels"][-1]["columns"][0]["cells"][0]
    assert cell["low"] < cell["value"] <= cell["high"] == 1
    assert (cell["num_fewshot"], cell["unparsed"], cell["limit"]) == (5, None, None)
    ranks = {one["task"]: [(own["best_rank"], own["worst_rank"]) for own in one["models"]]
             for one in board["ties"]["tasks"]}  # fmt: skip
    assert ranks["usmle-cot"] == [(1, 1), (2, 2)]


def test_no_ties_were_asked_for(tmp_path: Path) -> None:
    write_run(tmp_path, {"usmle": answered(QUESTIONS, [True] * 100)})
    assert json.loads(as_json(read_results([tmp_path])))["ties"] is None
