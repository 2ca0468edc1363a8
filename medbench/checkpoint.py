"""A checkpoint: one folder that evaluation, serving and the Hub take as it is.

model.safetensors, config.json, …     a whole model, or
adapter_model.safetensors, adapter_config.json     what a PEFT method trained
tokenizer.json, chat_template.jinja, …     the tokenizer; its end of text is the token learnt
recipe.yaml     the recipe with all that it includes
provenance.json     where all of it comes from: `Provenance`
trainer_state.json     every line of the training log
loss_curve.svg, loss_curve.png
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from medbench import paths
from medbench.errors import ModelError

__all__ = [
    "ADAPTER",
    "CURVE",
    "PROVENANCE",
    "RECIPE",
    "STATE",
    "WEIGHTS",
    "Base",
    "Checkpoint",
    "CorpusPart",
    "Provenance",
    "Trained",
    "base_revision",
    "read",
    "read_adapter_config",
    "weight_digests",
    "write_provenance",
]

ADAPTER = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
RECIPE = "recipe.yaml"
PROVENANCE = "provenance.json"
STATE = "trainer_state.json"
CURVE = "loss_curve"


@dataclass(frozen=True, slots=True)
class Base:
    """The model that a training started from."""

    id: str
    """Hub id or folder."""
    revision: str
    """Branch, tag or commit that was asked for."""
    commit: str | None
    """The Hub's commit that it was; None: a local folder."""
    architecture: str
    """The model's class."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Rows that were trained on, or that the held-out loss was measured on."""

    benchmark: str
    """The folder under `tasks/`."""
    subset: str
    """Language or exam."""
    split: str
    """Which rows."""
    protocol: str
    """How they became prompts."""
    use: str
    """mixture or validation."""
    source: str
    """The Hub, a bundle or the packaged sample."""
    rows: int
    """Usable questions."""
    sha256: str
    """Digest of the questions (`medbench.data.Rows.digest`)."""
    limit: int | None = None
    """Questions from the first that were read; None: all."""

    @property
    def as_texts(self) -> str:
        """The `CorpusPart.source` of a pre-training on them."""
        return f"{self.benchmark} {self.split} {self.protocol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusPart:
    """Texts of a continued pre-training."""

    source: str
    """The name of their file or folder, or a benchmark's."""
    use: str
    """sources, or general text."""
    texts: int
    """How many, empty ones left out."""
    held_out: int
    """Of these, never trained on."""
    tokens: int
    """Of all of them."""
    sha256: str
    """Digest of the texts as they lie there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a checkpoint comes from."""

    recipe: str
    """Its name."""
    method: str
    """full, lora, …"""
    base: Base
    """The model it started from."""
    data: tuple[Trained, ...]
    """Every split, with its digest."""
    examples: int
    """In an epoch."""
    steps: int
    """Of the optimiser."""
    tokens: int
    """Read in all steps, padding included."""
    supervised_tokens: int
    """Of these, what the loss was taken on."""
    loss: float | None
    """Last logged; None: nothing was logged."""
    held_out_loss: float | None
    """Last measured, or that of the state that was kept; None: it never was."""
    seed: int
    """Of the order, the adapters' first weights and the dropout."""
    seconds: float
    """Spent training, over all sessions of a resumed run."""
    finished: str
    """UTC, ISO 8601."""
    command: tuple[str, ...]
    """What was typed."""
    launch: Mapping[str, Any]
    """Strategy, processes, and the share of weights that each one held."""
    hardware: Mapping[str, Any]
    """Machine and devices."""
    packages: Mapping[str, str]
    """Distribution to version."""
    communication: float | None = None
    """MiB between server and clients of a federated training; None: nothing was counted."""
    merged_from: Mapping[str, Any] | None = None
    """What `medbench merge` made it of, with digests; None: it is as it was trained."""
    git: Mapping[str, Any] | None = None
    """Commit of the working tree, and whether it was changed; None: not a repository."""
    medbench: str = field(default="")
    """Version of this package."""
    corpus: tuple[CorpusPart, ...] = ()
    """Of a continued pre-training: what was read."""
    perplexity: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of a continued pre-training: on held-out texts of each kind, before and after."""
    start: "Provenance | None" = None
    """Of the checkpoint that the weights came from; None: they were the base's own."""
    merged: str = ""
    """What of its adapter was merged into them: all, attention, shared; empty: it was whole."""

    @property
    def chain(self) -> tuple[str, ...]:
        """The first base, then every training up to this one, as a card tells them."""
        own = f"{self.recipe} ({self.method})"
        if self.start is None:
            return self.base.id, own
        *earlier, last = self.start.chain
        return *earlier, f"{last}, {self.merged} merged" if self.merged else last, own

    @property
    def stages(self) -> tuple["Provenance", ...]:
        """Every training in the chain, the earliest first."""
        return (*(self.start.stages if self.start else ()), self)

    @property
    def learnt_from(self) -> tuple[Trained, ...]:
        """Every split of every stage."""
        return tuple(one for stage in self.stages for one in stage.data)

    @property
    def texts(self) -> tuple[CorpusPart, ...]:
        """What every stage read besides: texts that are no benchmark's, each once."""
        found = (part for stage in self.stages for part in stage.corpus
                 if part.source not in {one.as_texts for one in stage.data})  # fmt: skip
        return tuple(dict.fromkeys(found))

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return what a JSON object says; keys that are not known are left out.

        Raises:
            KeyError, TypeError: something is missing, or is no object.
        """
        known = {one.name: content[one.name] for one in fields(cls) if one.name in content}
        known["base"] = Base(**content["base"])
        known["data"] = tuple(Trained(**one) for one in content["data"])
        known["corpus"] = tuple(CorpusPart(**one) for one in content.get("corpus", ()))
        known["command"] = tuple(content["command"])
        if content.get("start"):
            known["start"] = cls.of(content["start"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that training left."""

    path: Path
    """The folder."""
    is_adapter: bool
    """It holds a PEFT adapter rather than a whole model."""
    provenance: Provenance
    """Where it comes from."""

    @property
    def recipe(self) -> Path:
        """The recipe that made it, as `medbench.recipe.load` reads it."""
        return self.path / RECIPE


def write_provenance(folder: Path, provenance: Provenance) -> None:
    """Write `provenance.json`, whole or not at all."""
    text = json.dumps(asdict(provenance), indent=2, ensure_ascii=False)
    paths.write(folder / PROVENANCE, f"{text}\n".encode())


def read(folder: Path) -> Checkpoint:
    """Read a checkpoint's description.

    Raises:
        ModelError: the folder is none of ours, or its description cannot be read.
    """
    file = folder / PROVENANCE
    if not file.is_file():
        raise ModelError(f"{folder} is no checkpoint of `medbench train`: it has no {PROVENANCE}")
    try:
        provenance = Provenance.of(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} cannot be read: {type(error).__name__}: {error}") from error
    return Checkpoint(folder, (folder / ADAPTER).is_file(), provenance)


def base_revision(folder: Path, base: str, named: str | None) -> str | None:
    """Return the base's commit where training noted one, else the revision that the adapter names.

    Raises:
        ModelError: the checkpoint's description cannot be read.
    """
    if not (folder / PROVENANCE).is_file():
        return named
    known = read(folder).provenance.base
    return (known.commit if known.id == base else None) or named


def weight_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of weights in a folder, by name, as the Hub shows them."""
    return {file.name: paths.sha256(file) for file in sorted(folder.glob("*.safetensors"))}


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """Read what a PEFT adapter says of itself.

    Raises:
        ModelError: no such folder, no adapter in it, or no JSON object as its configuration.
    """
    file = folder / ADAPTER
    if not file.is_file():
        what = f"holds no {ADAPTER}" if folder.is_dir() else "is not a folder"
        raise ModelError(f"adapter {folder} {what}; a PEFT adapter's folder is needed")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{file} holds a {type(content).__name__}, not an object")
    return content
