"""What a recipe says: the settings of one run, from the base model to the tasks that score it.

A recipe is read from YAML by `medbench.recipe.load`; every section below is a mapping in it. A new
kind of run adds its name to `Kind`, a section of its own to `Recipe`, and its rules to `rules.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from medbench.recipe.bounds import Amount, Count, Positive, Whole
from medbench.recipe.corpus import Corpus
from medbench.recipe.federated import Federated
from medbench.recipe.method import Method
from medbench.recipe.model import Model, Quantization

__all__ = [
    "Data",
    "Evaluation",
    "Launch",
    "Mixed",
    "Recipe",
    "Reported",
    "Tracking",
    "Training",
]

Kind = Literal["baseline", "sft", "pretrain"]
Optimizer = Literal["adamw", "adamw_8bit", "paged_adamw", "paged_adamw_8bit", "adafactor", "sgd"]
Precision = Literal["float32", "bfloat16", "float16", "pure_bfloat16"]
Schedule = Literal["cosine", "cosine_with_min", "linear", "constant", "constant_with_warmup"]
Strategy = Literal["single", "ddp", "fsdp", "deepspeed_zero2", "deepspeed_zero3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """One part of the training mixture."""

    benchmark: str
    """The folder under `tasks/`, or flashcards."""
    subsets: tuple[str, ...] = ()
    """Languages or exams; empty: all of them."""
    split: Literal["train", "dev", "test", "few_shot"] = "train"
    """Which rows."""
    protocol: str = "letters"
    """How a question becomes a prompt and its answer the target (tasks/README.md)."""
    weight: Positive = 1.0
    """How often an epoch shows each row: 2 is twice, 0.5 is every other row."""
    limit: Count | None = None
    """Only the first so many rows of each subset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The examples, and how they are laid out."""

    mixture: tuple[Mixed, ...] = ()
    """What is trained on; the parts are shuffled together."""
    validation: tuple[Mixed, ...] = ()
    """What the held-out loss is measured on."""
    template: Literal["protocol", "chat"] = "protocol"
    """protocol: the prompt as it stands; chat: inside the tokenizer's chat template."""
    system: str | None = None
    """chat: the system message."""
    sequence_length: Count = 2048
    """The longest example, in tokens; pretrain: a window of a text."""
    too_long: Literal["drop", "cut"] = "drop"
    """What becomes of longer ones; cut: the prompt loses its beginning."""
    packing: bool = True
    """Lay a batch's examples end to end, without padding and without attention across."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The optimiser and its course."""

    global_batch: Count = 128
    """Examples in an optimiser step, over all devices."""
    per_device_batch: Count = 1
    """Examples that a device holds at once; accumulation follows from the two."""
    epochs: Positive | None = None
    """Times that the mixture is seen; either this or max_steps."""
    max_steps: Count | None = None
    """Optimiser steps; either this or epochs."""
    learning_rate: Positive = 2e-5
    """The highest that the schedule reaches."""
    schedule: Schedule = "cosine"
    """Its course after the warm-up."""
    min_learning_rate: Amount | None = None
    """cosine_with_min: where it ends."""
    warmup: Amount = 0.03
    """Below 1: a share of all steps; from 1: a number of steps."""
    optimizer: Optimizer = "adamw"
    """8-bit and paged ones are bitsandbytes'."""
    weight_decay: Amount = 0.0
    """AdamW's decoupled decay."""
    max_grad_norm: Positive | None = 1.0
    """Gradients are scaled down to this norm; null: never."""
    precision: Precision = "bfloat16"
    """Arithmetic; trained weights are kept in float32, but for pure_bfloat16 (not DeepSpeed)."""
    gradient_checkpointing: bool = False
    """Compute activations twice rather than keep them."""
    neftune_alpha: Positive | None = None
    """NEFTune's noise on the embeddings."""
    seed: int = 42
    """Of the order, the adapters' first weights and the dropout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The machines."""

    strategy: Strategy = "single"
    """single: one process, the layers spread over the devices; the others: train/launch/."""
    devices: Count = 1
    """On each node."""
    nodes: Count = 1
    """Machines."""
    offload: Literal["none", "optimizer", "all"] = "none"
    """What waits in the host's memory: the optimiser's state, or the weights too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What is written while it runs."""

    log_every: Count = 10
    """Steps between two lines of the log."""
    save_every: Positive = 0.25
    """Below 1: a share of all steps; from 1: a number of steps."""
    validate_every: Positive | None = None
    """The same, for the held-out loss."""
    keep: Count = 1
    """Saved states that stay on the disk."""
    keep_best: bool = False
    """End with the saved state of the lowest held-out loss, not the last; each one is measured."""
    report_to: tuple[Literal["trackio", "wandb", "tensorboard"], ...] = ()
    """Services that get the log too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How the checkpoint is scored."""

    tasks: tuple[str, ...] = ()
    """Task and group names (tasks/README.md)."""
    num_fewshot: Whole | None = None
    """Examples before each question; null: as the task says."""
    quantization: tuple[Literal["none", "nf4", "fp4", "int8"], ...] = ()
    """Score it once under each of these; empty: as it was trained."""
    backend: Literal["hf", "vllm"] = "hf"
    """What runs it."""
    chat_template: Literal["auto", "on", "off"] = "auto"
    """auto: as in training; a baseline: on where the tokenizer has one."""
    gen_kwargs: str = ""
    """Overrides of the tasks' generation settings, as lm-eval writes them: a=1,b=2."""
    limit: Count | None = None
    """Only the first so many questions of each task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Scores that somebody published for this very run."""

    source: str
    """Where they stand: paper and table, repository and file."""
    protocol: str
    """How they were got, as far as the source tells."""
    metric: str = "accuracy"
    """What was measured."""
    out_of: Literal[1, 100] = 100
    """What a perfect score would be."""
    scores: Mapping[str, float]
    """Subset to score, as printed."""
    note: str = ""
    """What to know before one compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One run: a base model, what is done to it, and what it is then asked."""

    name: str = ""
    """The path under `adapters/` without .yaml; it is filled in."""
    kind: Kind = "sft"
    """baseline: only score the model; sft: train on questions and answers; pretrain: on texts."""
    source: str = ""
    """Whose run this is: paper, repository."""
    model: Model
    """The model to start from."""
    quantization: Quantization = field(default_factory=Quantization)
    """How its weights are held."""
    data: Data = field(default_factory=Data)
    """The examples."""
    corpus: Corpus = field(default_factory=Corpus)
    """pretrain: the texts, in place of examples."""
    method: Method = field(default_factory=Method)
    """Which weights are trained."""
    training: Training = field(default_factory=Training)
    """The optimiser and its course."""
    launch: Launch = field(default_factory=Launch)
    """The machines."""
    federated: Federated | None = None
    """Clients that keep their rows and train in turns; none: all rows lie in one place."""
    tracking: Tracking = field(default_factory=Tracking)
    """What is written while it runs."""
    evaluation: Evaluation = field(default_factory=Evaluation)
    """How the checkpoint is scored."""
    reported: Mapping[str, Reported] = field(default_factory=dict)
    """Published scores, by benchmark or metric."""

    @property
    def replicas(self) -> int:
        """Devices that see different examples; a model split by layers is one."""
        return 1 if self.launch.strategy == "single" else self.launch.devices * self.launch.nodes

    @property
    def chat_template(self) -> Literal["auto", "on", "off"]:
        """How evaluation wraps prompts; auto, of a baseline: on where the tokenizer has one."""
        asked = self.evaluation.chat_template
        if asked != "auto" or self.kind == "baseline":
            return asked
        return "on" if self.data.template == "chat" else "off"

    @property
    def measures(self) -> bool:
        """Something is held out, on which a loss is measured while it trains."""
        return self.corpus.held_out > 0 if self.kind == "pretrain" else bool(self.data.validation)

    @property
    def accumulation(self) -> int:
        """Batches that a device adds up before the optimiser steps."""
        return self.training.global_batch // (self.replicas * self.training.per_device_batch)
