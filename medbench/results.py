"""`Score`: one number of lm-eval's result files, with everything that makes it comparable.

A file is lm-eval's own `results_<date>.json`, unchanged. Several runs of one model are merged: the
newest number of each (model, task, metric, filter) is kept.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from medbench.errors import ResultError
from medbench.model_names import (
    ADAPTERS,
    BASES,
    Model,
    display_names,
    model_argument,
    model_arguments,
    model_path,
)

__all__ = ["Results", "Score", "one_line", "read_results", "result_files"]

VARIANT_ARGUMENTS = ("revision", "gguf_file", "quantization", "load_in_4bit", "load_in_8bit")
# Scored only where the reference was checked; the file does not say where that is.
OF_SOME_ITEMS = frozenset({"bleu1", "bleu4", "rouge1", "rougeL", "bertscore"})
LANGUAGES = {"english": "en", "chinese": "zh", "japanese": "ja", "french": "fr", "russian": "ru",
             "spanish": "es", "doctor": "ko", "nurse": "ko", "pharm": "ko", "dentist": "ko",
             "en": "en", "es": "es"}  # fmt: skip
BENCHMARKS = "mmedbench|kormedmcqa|careqa|usmle|medmcqa|pubmedqa"
TASK_NAME = re.compile(rf"({BENCHMARKS})(?:-((?:5_)?[^_]+))?(?:_(.+))?")  # usmle-5_options
# Beside other JSON files, but not in hidden folders: results may lie in a checkpoint's own folder.
DATE = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
RESULT_PATH = re.compile(rf"(?:[^./][^/]*/)*(?:results[^/]*|(?!medbench_)[^./][^/]*_{DATE})\.json")


@dataclass(frozen=True, slots=True)
class Score:
    """One number: a model, a task, a metric and the filter that read the model's output."""

    model: str
    """The display name, unique among the models read together."""
    task: str
    """lm-eval's task or group name."""
    metric: str
    """acc, unparsed, bleu1, …"""
    filter: str
    """The pipeline that read the output: none, extract, original, …"""
    value: float
    """As written by lm-eval: a share is within [0, 1]."""
    n: int
    """Items scored; 0 if the file does not say."""
    stderr: float | None = None
    """None where lm-eval writes "N/A"."""
    higher_is_better: bool = True
    """False for unparsed, truncated, perplexity, …"""
    version: str = ""
    """The task's version; numbers of two versions are not comparable."""
    num_fewshot: int | None = None
    """Solved examples in the prompt; None if the file does not say."""
    chat_template: bool = False
    """The prompt was wrapped in the model's chat template."""
    limit: float | None = None
    """Only the first items were scored: a count, or a share if below 1."""
    date: float = 0.0
    """When the run started, in seconds since 1970."""
    source: Path = Path()
    """The file that this number was read from."""
    benchmark: str = ""
    """mmedbench, kormedmcqa, …; for a task of lm-eval itself, its name."""
    protocol: str = ""
    """How the question was asked: letters, cot, direct, …; empty for the benchmark's default."""
    subset: str = ""
    """A language or an exam: english, doctor, …; empty if the benchmark has one set."""
    language: str = ""
    """ISO 639-1, where it is known."""
    members: tuple[str, ...] = ()
    """The tasks of a group; empty for a task."""

    @property
    def settings(self) -> tuple[str, int, int | None, bool, float | None]:
        """What must be equal for two numbers to be of one experiment."""
        return self.version, self.n, self.num_fewshot, self.chat_template, self.limit


@dataclass(frozen=True, slots=True)
class Results:
    """What the files hold, and what a reader should know about it."""

    scores: tuple[Score, ...]
    """One per model, task, metric and filter; sorted by these."""
    notes: tuple[str, ...] = ()
    """Runs that were merged although they differ, values that are no numbers."""


def one_line(text: str) -> str:
    """Return text with white space and unprintable characters folded into single spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def read_results(paths: Sequence[Path]) -> Results:
    """Read result files, and folders at any depth; the newest number of each cell is kept.

    Raises:
        ResultError: if any path holds no readable results; names all of them at once.
    """
    found: list[tuple[Model, Score]] = []
    notes: list[str] = []
    faults: list[str] = []
    for path in result_files(paths, faults):
        try:
            document = _document(path)
            found += product([_model(document)], _scores(document, path, notes))
        except ResultError as error:
            faults.append(str(error))
    if not (found or faults):
        faults.append(f"{', '.join(map(str, paths)) or 'no path given'}: no scores inside")
    if faults:
        raise ResultError("these results cannot be read:\n" + "\n".join(f"  {f}" for f in faults))
    names = display_names({model for model, _ in found})
    merged = _merge((replace(score, model=names[model]) for model, score in found), notes)
    return Results(tuple(merged), tuple(dict.fromkeys(notes)))


def result_files(paths: Iterable[Path], faults: list[str]) -> Iterable[Path]:
    """Return each result file once; a path that leads to none is a fault."""
    found: dict[Path, Path] = {}
    for path in paths:
        inside = {file.relative_to(path).as_posix(): file for file in path.rglob("*.json")}
        files = [inside[name] for name in sorted(inside) if RESULT_PATH.fullmatch(name)]
        files = files if path.is_dir() else [path]
        if not files:
            faults.append(f"{path}: no results_*.json inside; lm_eval needs --output_path {path}")
        found |= {file.resolve(): file for file in files}
    return found.values()


def _document(path: Path) -> dict[str, Any]:
    """Return a file's JSON object after checking that lm-eval wrote it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(f"{path}: cannot be opened ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path}: not JSON, perhaps cut off ({error})") from error
    if isinstance(document, dict) and {"results", "config"} <= document.keys():
        return document
    raise ResultError(f"{path}: JSON, but not a results file of lm-eval")


def _section(document: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return a nested object, empty if the file has none."""
    for key in keys:
        inner = document.get(key)
        document = inner if isinstance(inner, dict) else {}
    return dict(document)


def _number(value: object) -> float | None:
    """Return a JSON number, or None for "N/A" and null."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _scores(document: Mapping[str, Any], path: Path, notes: list[str]) -> Iterator[Score]:
    """Yield every number of one file; the model's name is filled in later."""
    for task in _section(document, "results"):
        row = _section(document, "results", task)
        common = _common(document, one_line(task), row, path)
        directions = _section(document, "higher_is_better", task)
        for key, value in row.items():
            metric, comma, filter_ = key.rpartition(",")
            number = _number(value)
            if not comma or metric.endswith("_stderr") or number is None:
                continue
            if not math.isfinite(number):
                notes.append(one_line(f"{path.name}: {task}: {key} is {number}, left out"))
                continue
            n = _number(_section(row, "sample_count").get(key))
            stderr = _number(row.get(f"{metric}_stderr,{filter_}"))
            is_higher = directions.get(metric, metric not in ("unparsed", "truncated"))
            yield replace(
                common,
                metric=one_line(metric),
                filter=one_line(filter_),
                value=number,
                n=int(common.n if n is None else n) if metric not in OF_SOME_ITEMS else 0,
                stderr=stderr if stderr is not None and math.isfinite(stderr) else None,
                higher_is_better=is_higher is not False,
            )


def _common(document: Mapping[str, Any], task: str, row: Mapping[str, Any], path: Path) -> Score:
    """Return what all numbers of one task share, in a score that has no number yet."""
    n = row.get("sample_len", _section(document, "n-samples", task).get("effective"))
    shots = _number(_section(document, "n-shot").get(task))
    version = str(_section(document, "versions").get(task, ""))
    group = list(map(str, _section(document, "group_subtasks").get(task) or ()))
    # A group has no configuration in the file: its first member tells what it is about.
    origin = _origin(document, group[0] if group else task, task)
    return Score(
        model="",
        task=task,
        metric="",
        filter="",
        value=math.nan,
        n=int(_number(n) or 0),
        # Groups carry "1.0" where their tasks carry 1.
        version=version.removesuffix(".0"),
        num_fewshot=None if shots is None else int(shots),
        chat_template=bool(document.get("chat_template_sha") or document.get("chat_template")),
        limit=_number(_section(document, "config").get("limit")),
        date=_number(document.get("date")) or path.stat().st_mtime,
        source=path,
        benchmark=origin["benchmark"],
        protocol=origin["protocol"],
        subset="" if group else origin["subset"],
        language="" if group else origin["language"],
        members=tuple(map(one_line, group)),
    )


def _origin(document: Mapping[str, Any], member: str, task: str) -> dict[str, str]:
    """Return benchmark, protocol, subset and language, from the metadata or else the name."""
    match = TASK_NAME.fullmatch(member)
    parts = match.groups(default="") if match else ("", "", "")
    if not parts[1] and parts[0] not in ("mmedbench", "usmle"):  # `medmcqa`, …: lm-eval's own
        parts = (task, "", "")
    origin = dict(zip(("benchmark", "protocol", "subset"), parts, strict=True))
    metadata = _section(document, "configs", member, "metadata")
    if "benchmark" in metadata:
        origin |= _section(document, "configs", member, "dataset_kwargs") | metadata
    origin.setdefault("language", LANGUAGES.get(origin["subset"], ""))
    return {key: one_line(str(value or "")) for key, value in origin.items()}


def _model(document: Mapping[str, Any]) -> Model:
    """Return what was evaluated, from the model arguments of either form."""
    config = _section(document, "config")
    arguments = model_arguments(config)
    called = config.get("model") or document.get("model_name") or "unknown"
    base = model_argument(config, BASES) or str(called)
    variants = {key: str(arguments.get(key) or "False") for key in VARIANT_ARGUMENTS}
    shown = [key[-4:] if value == "True" else value
             for key, value in variants.items() if value not in ("False", "main")]  # fmt: skip
    variant = f" ({', '.join(shown)})" if shown else ""
    adapter = model_argument(config, ADAPTERS)
    return Model(model_path(one_line(base)), model_path(one_line(adapter)), variant)


def _merge(scores: Iterable[Score], notes: list[str]) -> list[Score]:
    """Keep the newest of each cell, and note where the older one was another experiment."""
    cells: dict[tuple[str, str, str, str], Score] = {}
    for new in sorted(scores, key=lambda score: (score.date, str(score.source))):
        key = (new.model, new.task, new.metric, new.filter)
        old = cells.get(key)
        if old is not None and old.settings != new.settings:
            labels = ("version", "n", "shots", "chat template", "limit")
            changes = zip(labels, old.settings, new.settings, strict=True)
            told = ", ".join(f"{what} {a} → {b}" for what, a, b in changes if a != b)
            notes.append(f"{new.model}: {new.task}: runs differ ({told}); the newest is shown")
        cells[key] = new
    return sorted(cells.values(), key=lambda s: (s.model, s.task, s.metric, s.filter))
