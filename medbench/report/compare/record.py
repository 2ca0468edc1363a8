"""A comparison as JSON, for programs: every number of the document, unrounded."""

import math
from typing import Any

from medbench.report.compare.comparison import LEVEL, Comparison, Contrast, TaskComparison
from medbench.report.compare.pairing import Pair
from medbench.report.compare.samples import Item, Run

__all__ = ["record"]


def record(comparison: Comparison, examples: int) -> dict[str, Any]:
    """Return what `json` can write; shares are within [0, 1], what is not known is null.

    Args:
        comparison: What `compare_runs` returned.
        examples: Fixed and broken questions to give.
    """
    return {
        "a": _run(comparison.a),
        "b": _run(comparison.b),
        "level": LEVEL,
        "notes": list(comparison.notes),
        "overall": _contrast(comparison.overall) if comparison.overall else None,
        "tasks": [_task(task) for task in comparison.tasks],
        "agreement": [_named(one) for one in comparison.agreements],
        "fixed": [_example(*one) for one in comparison.examples(examples, fixed=True)],
        "broken": [_example(*one) for one in comparison.examples(examples, fixed=False)],
    }


def _run(run: Run) -> dict[str, Any]:
    return {"model": run.model, "path": str(run.path)}


def _named(row: Any) -> dict[str, Any]:
    """Return a named tuple, and those inside it, as objects."""
    found = {}
    for name, value in row._asdict().items():
        is_unknown = isinstance(value, float) and not math.isfinite(value)
        found[name] = None if is_unknown else _named(value) if isinstance(value, tuple) else value
    return found


def _contrast(one: Contrast) -> dict[str, Any]:
    return {
        "label": one.label,
        "verdict": one.verdict,
        "groups": one.clusters,
        "a": _named(one.a),
        "b": _named(one.b),
        **_named(one.paired),
        "p_alone": one.paired.p,
        "p": one.p,
        "detectable": one.detectable,
    }


def _task(one: TaskComparison) -> dict[str, Any]:
    found = one.positions
    return {
        **_contrast(one.contrast),
        "protocol": one.task.protocol,
        "only_a": one.task.only_a,
        "only_b": one.task.only_b,
        "letters": [_named(letter) for letter in found.letters],
        "preference": {"a": _named(found.a), "b": _named(found.b)},
        "parts": {tag: [_contrast(part) for part in parts] for tag, parts in one.parts.items()},
    }


def _example(task: str, pair: Pair) -> dict[str, Any]:
    question = pair.a.question
    return {
        "task": task,
        "id": question.id,
        "context": question.context,
        "question": question.text,
        "options": dict(question.options),
        "gold": question.gold_letters,
        "a": _item(pair.a),
        "b": _item(pair.b),
    }


def _item(item: Item) -> dict[str, Any]:
    return {"letters": sorted(item.letters), "said": item.said, "is_right": item.is_right}
