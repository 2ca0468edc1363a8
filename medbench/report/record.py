"""The board as JSON, for programs: every number that tables and figures show, unrounded."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medbench import __version__
from medbench.report.grid import MARKS, Cell, Column, Panel, grid
from medbench.results import Results, one_line

if TYPE_CHECKING:
    from medbench.report.ties import TaskTies, Ties
    from medbench.scoring.statistics.standings import Standing

__all__ = ["as_json"]

FORM = 1
"""Raised whenever a key goes or changes its meaning; new keys do not raise it."""


def as_json(results: Results, ties: "Ties | None" = None) -> str:
    """Return the board as JSON text; `leaderboard/README.md` lists the keys.

    Args:
        results: What `read_results` returned.
        ties: What `ties` returned, if ranks were asked for.
    """
    board = grid(results)
    content = {
        "form": FORM,
        "medbench": __version__,
        "models": list(map(one_line, board.models)),
        "panels": [_panel(panel) for panel in board.panels],
        "ties": _ties(ties) if ties else None,
        "notes": list(board.notes),
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "title": one_line(panel.title),
        "metric": panel.metric,
        "is_percent": panel.scale == 100,
        "columns": [_column(panel, column) for column in panel.columns],
    }


def _column(panel: Panel, column: Column) -> dict[str, Any]:
    return {
        "label": one_line(column.label or panel.title),
        "mean_of": column.mean or None,
        "is_comparable": column.is_comparable,
        "cells": [_cell(model, cell) for model, cell in column.cells.items()],
    }


def _cell(model: str, cell: Cell) -> dict[str, Any]:
    """Return a number with all that makes it comparable."""
    score = cell.score
    low, high = cell.interval or (None, None)
    return {
        "model": one_line(model),
        "value": score.value,
        "low": low,
        "high": high,
        "is_best": cell.is_best,
        "higher_is_better": score.higher_is_better,
        "n": score.n or None,
        **{mark: cell.marks.get(mark) for mark in MARKS},
        "task": score.task,
        "filter": score.filter,
        "benchmark": score.benchmark,
        "protocol": score.protocol,
        "subset": score.subset,
        "language": score.language,
        "num_fewshot": score.num_fewshot,
        "chat_template": score.chat_template,
        "limit": score.limit,
        "version": score.version,
        "date": score.date,
        "source": score.source.name,
    }


def _ties(found: "Ties") -> dict[str, Any]:
    from medbench.report.ties import LEVEL

    return {"level": LEVEL, "tasks": list(map(_task, found.tasks)), "notes": list(found.notes)}


def _task(task: "TaskTies") -> dict[str, Any]:
    return {
        "task": one_line(task.task),
        "n": task.n,
        "detectable_paired": task.paired,
        "detectable_unpaired": task.unpaired,
        "models": list(map(_standing, task.standings)),
    }


def _standing(one: "Standing") -> Mapping[str, Any]:
    return {
        "model": one_line(one.model),
        "value": one.share.value,
        "low": one.share.low,
        "high": one.share.high,
        "best_rank": one.first,
        "worst_rank": one.last,
        "ties_best": one.ties_best,
    }
