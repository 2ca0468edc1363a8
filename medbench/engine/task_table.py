"""The table of tasks, generated from the YAML under `tasks/` (`medbench ls`, tasks/README.md)."""

from typing import Any

from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from tabulate import tabulate

from medbench.data import dataset
from medbench.engine.plan import task_manager

__all__ = ["task_table"]

HEADERS = ["task", "language", "n", "shots", "protocol", "metrics"]
BENCHMARKS = ["mmedbench", "kormedmcqa", "usmle", "medmcqa", "pubmedqa", "careqa"]


def task_table(style: str = "simple") -> str:
    """Return every task with language, test size, shots, protocol and metrics, then the groups."""
    manager = task_manager()
    tasks = sorted((row(name, manager) for name in manager.all_subtasks), key=order)
    groups = [group_row(name, manager) for name in manager.all_groups]
    listed = tabulate([line[1:] for line in tasks], HEADERS, style, disable_numparse=True)
    grouped = tabulate(groups, ["group", "mean", "members"], style, disable_numparse=True)
    return f"{listed}\n\n{grouped}"


def row(name: str, manager: TaskManager) -> list[str]:
    """Return (benchmark, *columns) of one task."""
    config = load_yaml(manager.task_index[name].yaml_path, resolve_func=False)
    metadata, subset = config["metadata"], config["dataset_kwargs"]["subset"]
    where = dataset(metadata["benchmark"], subset)
    shots = config.get("num_fewshot")
    return [
        metadata["benchmark"],
        name,
        where.language,
        f"{where.sizes['test']:,}",
        "0, or any" if shots is None else str(shots),
        metadata["protocol"],
        metrics(config),
    ]


def metrics(config: dict[str, Any]) -> str:
    """List the metrics, and by how many rules the accuracy is read."""
    names = [metric["metric"] for metric in config["metric_list"]]
    rules = [entry["name"] for entry in config.get("filter_list", [])]
    names[0] += f" ({', '.join(rules)})" if len(rules) > 1 else ""
    return ", ".join(names)


def order(line: list[str]) -> tuple[int, str, str]:
    """Sort by benchmark, protocol, name."""
    return BENCHMARKS.index(line[0]), line[5], line[1]


def group_row(name: str, manager: TaskManager) -> list[str]:
    """Return name, kind of mean, members."""
    config = load_yaml(manager.task_index[name].yaml_path, resolve_func=False)
    weighted = config["aggregate_metric_list"][0]["weight_by_size"]
    return [name, "by size" if weighted else "plain", ", ".join(config["task"])]
