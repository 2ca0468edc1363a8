"""What goes together in a recipe; a setting that would change nothing is a fault."""

import re

from medbench.recipe.corpora import corpora
from medbench.recipe.federated import federations
from medbench.recipe.method_rules import METHOD_USES, Contradictions, Use, methods
from medbench.recipe.schema import Recipe

__all__ = ["contradictions", "idle"]

BITS_4 = ("nf4", "fp4")
AT_LOAD = (*BITS_4, "int8")
SHARDED = ("fsdp", "deepspeed_zero3")
OFFLOADS = (*SHARDED, "deepspeed_zero2")


USES = (
    Use(
        r"(data|method|training|tracking|federated)\..*",
        lambda r: r.kind != "baseline",
        "kind baseline trains nothing",
    ),
    Use(
        r"data\.(mixture|validation|template|system|too_long)",
        lambda r: r.kind != "pretrain",
        "kind pretrain reads the corpus",
    ),
    Use(r"corpus\..*", lambda r: r.kind == "pretrain", "only kind pretrain reads it"),
    Use(
        r"corpus\.overlap",
        lambda r: r.corpus.windows == "overlapping",
        "only windows overlapping reads it",
    ),
    Use(r"corpus\.replay", lambda r: bool(r.corpus.general), "there is no corpus.general"),
    Use(
        r"corpus\.held_out_texts",
        lambda r: r.corpus.held_out > 0,
        "corpus.held_out is 0",
    ),
    Use(
        r"launch\.(strategy|offload)",
        lambda r: r.kind != "baseline",
        "kind baseline trains nothing",
    ),
    *METHOD_USES,
    Use(
        r"quantization\.(double_quant|compute_dtype)",
        lambda r: r.quantization.load in BITS_4,
        f"only load {' and '.join(BITS_4)} read it",
    ),
    Use(r"data\.system", lambda r: r.data.template == "chat", "only template chat reads it"),
    Use(
        r"training\.min_learning_rate",
        lambda r: r.training.schedule == "cosine_with_min",
        "only schedule cosine_with_min reads it",
    ),
    Use(
        r"training\.warmup",
        lambda r: r.training.schedule != "constant",
        "schedule constant has no warm-up; constant_with_warmup has",
    ),
    Use(
        r"training\.epochs",
        lambda r: r.training.max_steps is None,
        "max_steps ends the training; leave one of the two",
    ),
    Use(
        r"tracking\.(validate_every|keep_best)",
        lambda r: r.measures,
        "there is no data.validation, nor, with kind pretrain, corpus.held_out",
    ),
    Use(
        r"launch\.offload",
        lambda r: r.launch.strategy in OFFLOADS,
        f"only {', '.join(OFFLOADS)} offload",
    ),
    Use(
        r"federated\.(alpha|partition_by)",
        lambda r: r.federated is not None and r.federated.partition == "dirichlet",
        "only partition dirichlet reads it",
    ),
    Use(
        r"federated\.evaluate_limit",
        lambda r: r.federated is not None and r.federated.evaluate_every is not None,
        "there is no federated.evaluate_every",
    ),
    Use(
        r"data\.validation|tracking\..*",
        lambda r: r.federated is None,
        "rounds are logged and saved, by federated.save_every and evaluate_every",
    ),
    Use(
        r"evaluation\.(?!tasks).*",
        lambda r: bool(r.evaluation.tasks),
        "there are no evaluation.tasks",
    ),
)


def idle(recipe: Recipe, key: str) -> str | None:
    """Return why a setting changes nothing, if so."""
    for use in USES:
        if re.fullmatch(use.keys, key) and not use.holds(recipe):
            return use.otherwise
    return None


def contradictions(recipe: Recipe) -> Contradictions:
    """Yield (keys, message) of settings that do not go together; the message is for the first."""
    of_kind = {"sft": (mixtures, trainings, federations), "pretrain": (corpora, trainings)}
    for rules in (methods, quantizations, machines, *of_kind.get(recipe.kind, ())):
        yield from rules(recipe)
    if recipe.kind == "baseline" and not recipe.evaluation.tasks:
        yield ("evaluation.tasks", "kind"), "a baseline is only scored: name at least one task"
    for name, reported in recipe.reported.items():
        key = f"reported.{name}.scores"
        wrong = {one: s for one, s in reported.scores.items() if not 0 <= s <= reported.out_of}
        if wrong or not reported.scores:
            yield (key,), f"{wrong or 'no score'}: there must be some, from 0 to {reported.out_of}"


def quantizations(recipe: Recipe) -> Contradictions:
    """What can be trained on quantised weights, and where they can be quantised."""
    load, name = recipe.quantization.load, recipe.method.name
    if recipe.kind != "baseline":
        keys = ("quantization.load", "method.name")
        if name == "full" and load != "none":
            yield keys, f"{load} weights cannot be trained; method qlora trains beside them"
        if name == "lora" and load in BITS_4:
            yield keys, f"LoRA beside {load} weights is called qlora here: method.name: qlora"
        if name == "qlora" and load not in BITS_4:
            yield keys, f"{load} with qlora: its weights have 4 bits, nf4 or fp4"
        if name == "molora" and load not in ("none", *AT_LOAD):
            yield keys, f"experts cannot stand beside {load} weights; nf4, fp4 and int8 can be"
        if load not in ("none", *BITS_4) and recipe.launch.strategy in SHARDED:
            yield (keys[0], "launch.strategy"), f"{load} weights cannot be sharded; use ddp"
    if recipe.evaluation.quantization:
        keys = ("evaluation.quantization", "evaluation.backend")
        if recipe.evaluation.backend == "vllm":
            yield keys, "vLLM runs checkpoints that were quantised before; use backend hf"
        if load not in ("none", *AT_LOAD):
            yield (keys[0], "quantization.load"), f"the weights are {load} already"


def machines(recipe: Recipe) -> Contradictions:
    """What a way to launch needs."""
    launch = recipe.launch
    keys = ("launch.strategy", "launch.devices", "launch.nodes")
    if launch.strategy == "single" and launch.nodes > 1:
        yield keys, f"single runs on one machine, not on {launch.nodes}"
    if recipe.kind == "baseline":
        return
    if launch.strategy != "single" and recipe.replicas == 1 and launch.offload == "none":
        yield keys, f"{launch.strategy} over one device is single"
    if launch.strategy == "fsdp" and not recipe.model.layer_class:
        yield ("model.layer_class", keys[0]), "fsdp wraps this class: name the decoder layer's"
    if launch.strategy == "fsdp" and launch.offload == "optimizer":
        yield ("launch.offload", keys[0]), "FSDP offloads all or nothing"
    if launch.strategy == "deepspeed_zero2" and launch.offload == "all":
        yield ("launch.offload", keys[0]), "ZeRO-2 keeps the weights; deepspeed_zero3 offloads them"
    if launch.strategy.startswith("deepspeed") and recipe.training.precision == "pure_bfloat16":
        message = "DeepSpeed keeps float32 copies whatever it trains; use precision: bfloat16"
        yield ("training.precision", keys[0]), message


def trainings(recipe: Recipe) -> Contradictions:
    """What examples and their course need."""
    training, facts = recipe.training, recipe.model.facts
    if training.epochs is None and training.max_steps is None:
        yield ("training.epochs", "training.max_steps"), "how long? epochs or max_steps"
    at_once = recipe.replicas * training.per_device_batch
    if training.global_batch % at_once:
        yield (
            (
                "training.global_batch",
                "training.per_device_batch",
                "launch.devices",
                "launch.nodes",
            ),
            f"{training.global_batch} is no multiple of the {at_once} examples at once "
            f"({recipe.replicas} × {training.per_device_batch})",
        )
    lowest = training.min_learning_rate
    if training.schedule == "cosine_with_min" and lowest is None:
        yield ("training.min_learning_rate", "training.schedule"), "cosine_with_min needs it"
    if lowest is not None and lowest > training.learning_rate:
        keys = ("training.min_learning_rate", "training.learning_rate")
        yield keys, f"{lowest} is above the highest, {training.learning_rate}"
    if facts and recipe.data.sequence_length > facts.context:
        yield (
            ("data.sequence_length", "model.facts.context"),
            f"{recipe.data.sequence_length} is more than the model's context, {facts.context}",
        )


def mixtures(recipe: Recipe) -> Contradictions:
    """What may be trained on, and what the held-out loss may be measured on."""
    data = recipe.data
    if not data.mixture:
        yield ("data.mixture", "kind"), "name at least one benchmark to train on"
    if any(part.split == "test" for part in data.mixture):
        yield ("data.mixture",), "split test: what is trained on cannot score"
    if recipe.tracking.keep_best and any(part.split == "test" for part in data.validation):
        yield ("data.validation", "tracking.keep_best"), "split test would choose what it scores"
    for held in data.validation:
        for part in data.mixture:
            is_same = (held.benchmark, held.split) == (part.benchmark, part.split)
            apart = held.subsets and part.subsets and not set(held.subsets) & set(part.subsets)
            if is_same and not apart:
                message = f"{held.benchmark} {held.split} is trained on; hold other rows out"
                yield ("data.validation", "data.mixture"), message
