"""Scores for programs: the card's `model-index`, `.eval_results`, and an Every Eval Ever record.

Nothing in them depends on the day of the push, so that the same content is the same commit.
Scores on the packaged sample, which is for trying things, are left out of all three.
"""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import yaml

from medbench import __version__
from medbench.data.datasets import DATASETS
from medbench.publish.base import HubBase
from medbench.publish.scores import Scored

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

__all__ = ["eval_results", "every_eval_ever", "model_index", "setting"]

SCHEMA_VERSION = "0.3.0"
"""The version of the schema that the record follows (github.com/evaleval/every_eval_ever)."""


def percent(share: float) -> float:
    """Return a share in %, with two decimals."""
    return round(100 * share, 2)


def dataset_id(row: Scored) -> str | None:
    """Return the benchmark's repository on the Hub; None: the task is not ours."""
    known = DATASETS.get((row.score.benchmark, row.score.subset))
    return known.repo if known else None


def day(row: Scored) -> str:
    """Return when a run started, ISO 8601."""
    return datetime.fromtimestamp(row.score.date, UTC).isoformat(timespec="seconds")


def setting(row: Scored) -> str:
    """Return how a score came about: protocol, shots, n, interval, what was not as usual."""
    score = row.score
    shots = "" if score.num_fewshot is None else f"{score.num_fewshot}-shot, "
    limit = f", first {score.limit:g} of the set" if score.limit else ""
    changed = "".join(f"{name} {value}, " for name, value in row.how.changed.items())
    return (
        f"protocol {score.protocol or 'letters'}, {shots}"
        f"chat template {'on' if score.chat_template else 'off'}, {changed}n = {score.n}{limit}, "
        f"95 % Wilson interval {100 * row.low:.1f} to {100 * row.high:.1f}, "
        f"task version {score.version or 'unknown'}"
    )


def model_index(rows: Sequence[Scored]) -> "list[EvalResult]":
    """Return the entries of the card's `model-index`."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="question-answering",
            task_name=row.score.task,
            dataset_type=dataset_id(row) or row.score.benchmark,
            dataset_name=row.score.task,
            dataset_config=row.score.subset or None,
            dataset_split="test",
            metric_type="accuracy",
            metric_value=percent(row.score.value),
            metric_name=setting(row),
        )
        for row in rows
        if row.is_published
    ]


def eval_results(rows: Sequence[Scored], repo: str) -> bytes:
    """Return `.eval_results/medbench.yaml`; what its format has no field for is in the notes."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = [
        EvalResultEntry(
            dataset_id=repository,
            task_id=row.score.task,
            value=percent(row.score.value),
            date=day(row),
            source_url=f"https://huggingface.co/{repo}/tree/main/results",
            source_name="medbench results and samples",
            notes=f"medbench {__version__}: {setting(row)}",
        )
        for row in rows
        if row.is_published and (repository := dataset_id(row))
    ]
    text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)
    return text.encode()


def every_eval_ever(rows: Sequence[Scored], repo: str, base: HubBase) -> bytes:
    """Return one record of all scores."""
    shown = [row for row in rows if row.is_published]
    newest = max((row.score.date for row in shown), default=0.0)
    record = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"medbench/{repo}/{newest:.0f}",
        "evaluation_timestamp": f"{newest:.0f}",
        "retrieved_timestamp": f"{newest:.0f}",
        "source_metadata": {
            "source_name": "medbench push",
            "source_type": "evaluation_run",
            "source_organization_name": repo.partition("/")[0],
            "source_organization_url": f"https://huggingface.co/{repo.partition('/')[0]}",
            "evaluator_relationship": "first_party",
        },
        "eval_library": {
            "name": "lm_eval",
            "version": version("lm_eval"),
            "additional_details": {"medbench": __version__},
        },
        "model_info": {
            "name": repo,
            "id": repo,
            "developer": repo.partition("/")[0],
            "additional_details": {
                "base_model": base.id,
                "base_revision": base.revision,
                "deployment_type": "self_deployed",
                "model_availability": "open_weights",
            },
        },
        "evaluation_results": [entry(row) for row in shown],
    }
    return f"{json.dumps(record, indent=2, ensure_ascii=False)}\n".encode()


def source_data(row: Scored) -> dict[str, Any]:
    """Return where a score's questions are from."""
    name, repository = row.score.benchmark, dataset_id(row)
    if repository is None:
        return {"dataset_name": name, "source_type": "other"}
    size = {"hf_split": "test", "samples_number": row.score.n}
    return {"dataset_name": name, "source_type": "hf_dataset", "hf_repo": repository, **size}


def entry(row: Scored) -> dict[str, Any]:
    """Return one score of the record; shares are within [0, 1]."""
    score = row.score
    interval = {"lower": row.low, "upper": row.high, "confidence_level": 0.95, "method": "Wilson"}
    uncertainty: dict[str, Any] = {"confidence_interval": interval, "num_samples": score.n}
    if score.stderr is not None:
        uncertainty["standard_error"] = {"value": score.stderr, "method": "analytic"}
    return {
        "evaluation_result_id": f"{score.task}/{score.filter}/{score.metric}",
        "evaluation_name": score.task,
        "source_data": source_data(row),
        "evaluation_timestamp": f"{score.date:.0f}",
        "metric_config": {
            "evaluation_description": f"accuracy, read by {score.filter}",
            "metric_id": "accuracy",
            "metric_name": "accuracy",
            "metric_kind": "accuracy",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": {
            "score": score.value,
            "details": {"unparsed_share": f"{row.unread:.6g}", "setting": setting(row)},
            "uncertainty": uncertainty,
        },
        "generation_config": generation(row),
    }


def generation(row: Scored) -> dict[str, Any]:
    """Return how one score's questions were put, for the record."""
    score, said = row.score, row.how.generation
    given = {name: number(said[name]) for name in ("temperature", "top_p", "top_k") if name in said}
    return {
        "generation_args": {name: value for name, value in given.items() if value is not None},
        "additional_details": {
            "protocol": score.protocol or "letters",
            "num_fewshot": str(score.num_fewshot),
            "chat_template": str(score.chat_template).lower(),
            **row.how.changed,
        },
    }


def number(text: str) -> float | None:
    """Return a number that was given as text; None: it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
