"""What is known about a run: its settings, its versions, and the recipe behind the model."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medbench import beside, checkpoint
from medbench.checkpoint import PROVENANCE, Provenance
from medbench.errors import ModelError, ResultError
from medbench.model_names import ADAPTERS, BASES, model_argument
from medbench.report.page.form import PageFacts

__all__ = ["RunRecord", "read_run"]

METHODS = {"full": "full", "lora": "LoRA", "rslora": "rsLoRA", "dora": "DoRA", "qlora": "QLoRA",
           "molora": "MoLoRA", "orthogonal_lora": "orthogonal LoRA",
           "prefix": "prefix tuning", "p_tuning": "p-tuning",
           "prompt": "prompt tuning"}  # fmt: skip
# A checkpoint of `medbench run` holds its results: <checkpoint>/results/<variant>/<model>/….json
DEPTH = 4


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A results file without its scores, and what lies beside it."""

    path: Path
    """The results file."""
    document: Mapping[str, Any]
    """Its content."""
    facts: Mapping[str, Any]
    """What `medbench eval` wrote beside it; empty where the file is missing."""
    provenance: Provenance | None
    """Of the checkpoint that was scored, where it is still there."""

    @property
    def config(self) -> Mapping[str, Any]:
        """lm-eval's settings."""
        config = self.document.get("config")
        return config if isinstance(config, dict) else {}

    @property
    def method(self) -> str:
        """LoRA, full, …; adapter, where only that is known, or no adapter."""
        if self.provenance:
            return METHODS.get(self.provenance.method, self.provenance.method)
        return "adapter" if model_argument(self.config, ADAPTERS) else "no adapter"

    @property
    def parameters(self) -> int | None:
        """The number of weights, an adapter's included; None where the file does not say."""
        number = self.config.get("model_num_parameters")
        return number if isinstance(number, int) and number > 0 else None

    def task(self, name: str) -> Mapping[str, Any]:
        """Return what the run says about the rows of one task."""
        tasks = self.facts.get("tasks")
        facts = tasks.get(name) if isinstance(tasks, dict) else None
        return facts if isinstance(facts, dict) else {}

    def task_hash(self, name: str) -> str:
        """Return lm-eval's hash of a task's prompts and targets."""
        hashes = self.document.get("task_hashes")
        return str(hashes.get(name) or "") if isinstance(hashes, dict) else ""

    def about(self) -> PageFacts:
        """Return how the model was asked."""
        return {"title": "Run", "pairs": _told(_run(self))}

    def recipe(self) -> PageFacts | None:
        """Return how the model was trained, where that is known."""
        if not self.provenance:
            return None
        return {"title": "Recipe", "pairs": _told(_recipe(self.provenance))}


def read_run(path: Path) -> RunRecord:
    """Read a results file, the facts beside it, and the provenance of a local checkpoint.

    Raises:
        ResultError: one of them cannot be read.
    """
    document = beside.read_json(path)
    record = RunRecord(path, document, beside.read_facts(path), None)
    folder = _checkpoint(record)
    if folder is None:
        return record
    try:
        return RunRecord(path, document, record.facts, checkpoint.read(folder).provenance)
    except ModelError as error:
        raise ResultError(str(error)) from error


def _checkpoint(record: RunRecord) -> Path | None:
    """Return the folder of the checkpoint that was scored, also if it was moved with its results.

    An adapter of unknown origin hides the base's own provenance: that is not how it was trained.
    """
    named = model_argument(record.config, ADAPTERS) or model_argument(record.config, BASES)
    if not named:
        return None
    above = record.path.absolute().parents[1:DEPTH]
    places = [Path(named), *(folder for folder in above if folder.name == Path(named).name)]
    return next((folder for folder in places if (folder / PROVENANCE).is_file()), None)


def _run(record: RunRecord) -> Iterator[tuple[str, object]]:
    config, facts = record.config, record.facts
    date = record.document.get("date")
    yield "results file", record.path.name
    if isinstance(date, int | float):
        yield "date", datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%d %H:%M UTC")
    command = facts.get("command")
    yield "command", shlex.join(map(str, command)) if isinstance(command, list) else ""
    yield "model", model_argument(config, BASES)
    yield "adapter", model_argument(config, ADAPTERS)
    yield "revision", config.get("model_revision")
    yield "commit of the model", config.get("model_sha")
    yield "commit of the adapter", config.get("peft_sha")
    yield "quantisation", facts.get("quantization")
    yield "weights", str(config.get("model_dtype") or "").removeprefix("torch.")
    yield "backend", " ".join(str(facts.get(key) or "") for key in ("backend", "engine")).strip()
    yield "generation settings", config.get("gen_kwargs")
    yield "batch size", config.get("batch_size")
    yield "device", config.get("device")
    yield "answers (SHA-256)", facts.get("answers_sha256")
    yield "answer extractor", facts.get("extractor_version")
    yield "commit of the code", record.document.get("git_hash")
    versions = facts.get("packages")
    if not isinstance(versions, dict):
        versions = {"lm_eval": record.document.get("lm_eval_version"),
                    "transformers": record.document.get("transformers_version")}  # fmt: skip
    yield "versions", ", ".join(f"{name} {versions[name]}" for name in versions if versions[name])


def _recipe(known: Provenance) -> Iterator[tuple[str, object]]:
    yield "recipe", known.recipe
    yield "method", METHODS.get(known.method, known.method)
    base = known.base
    yield "base", f"{base.id} at {base.commit or base.revision} ({base.architecture})"
    for one in known.data:
        name = " ".join(filter(None, (one.benchmark, one.subset, one.split)))
        yield one.use, f"{name}, {one.protocol}, {one.rows:,} rows, {one.sha256[:12]}"
    yield "trained", f"{known.steps:,} steps, {known.tokens:,} tokens, {known.seconds:,.0f} s"
    for name, loss in (("last loss", known.loss), ("held-out loss", known.held_out_loss)):
        yield name, None if loss is None else f"{loss:.4g}"
    yield "command", shlex.join(known.command)
    yield "finished", known.finished


def _told(pairs: Iterator[tuple[str, object]]) -> list[tuple[str, str]]:
    """Leave out what is not known."""
    return [(name, str(value)) for name, value in pairs if value not in (None, "", "N/A")]
