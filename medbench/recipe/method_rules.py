"""What the settings of a method need, and when each has an effect."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from medbench.recipe.method import EXPERTS, LOW_RANK, VIRTUAL_TOKENS
from medbench.recipe.schema import Recipe

__all__ = ["METHOD_USES", "Contradictions", "Use", "methods"]

Contradictions = Iterator[tuple[tuple[str, ...], str]]
OF_ALL_ADAPTERS = (*LOW_RANK, *EXPERTS)
NEEDS = {
    **dict.fromkeys(LOW_RANK, ("rank", "alpha", "target_modules")),
    **dict.fromkeys(VIRTUAL_TOKENS, ("virtual_tokens",)),
    "molora": (
        *("rank", "alpha", "target_modules"),
        *("expert_modules", "experts", "experts_per_token"),
    ),
    "orthogonal_lora": ("rank", "alpha", "expert_modules", "shared_experts", "experts_from"),
}


class Use(NamedTuple):
    """When a setting has an effect."""

    keys: str
    """A regular expression of dotted keys."""
    holds: Callable[[Recipe], bool]
    """Tells whether they do something in a recipe."""
    otherwise: str
    """Why they do not."""


def read_by(keys: str, *methods: str) -> Use:
    """Return the use of settings that only some methods read."""
    named = " and ".join(methods) if len(methods) < 3 else ", ".join(methods)
    verb = "read" if len(methods) > 1 else "reads"
    return Use(rf"method\.({keys})", lambda r: r.method.name in methods, f"only {named} {verb} it")


METHOD_USES = (
    read_by("rank|alpha|dropout|target_modules", *OF_ALL_ADAPTERS),
    Use(
        r"method\.target_modules",
        lambda r: r.method.name != "orthogonal_lora" or r.method.wrap_attention,
        "orthogonal_lora reads it under wrap_attention: true",
    ),
    read_by("modules_to_save", *LOW_RANK),
    read_by("rslora|expert_modules|shared_experts", *EXPERTS),
    read_by("experts|experts_per_token|load_balance", "molora"),
    read_by("experts_from|freeze_base_experts|wrap_attention|orthogonality|l2", "orthogonal_lora"),
    read_by("virtual_tokens", *VIRTUAL_TOKENS),
    read_by("encoder_hidden_size", "prefix", "p_tuning"),
)


def methods(recipe: Recipe) -> Contradictions:
    """What a method needs."""
    method = recipe.method
    for name in NEEDS.get(method.name, ()):
        if not getattr(method, name):
            yield (f"method.{name}", "method.name"), f"{method.name} needs it"
    if method.name == "prefix" and recipe.training.gradient_checkpointing:
        keys = ("training.gradient_checkpointing", "method.name")
        yield keys, "prefix tuning puts keys and values into the cache that checkpointing drops"
    if method.name in EXPERTS:
        yield from experts(recipe)


def experts(recipe: Recipe) -> Contradictions:
    """What experts and pairs need."""
    method = recipe.method
    plain, beside = method.target_modules or (), method.expert_modules or ()
    if "all-linear" in (*plain, *beside):
        keys = ("method.expert_modules", "method.target_modules")
        yield keys, f"{method.name} treats layers differently: name them instead of all-linear"
    if both := sorted(set(plain) & set(beside)):
        keys = ("method.expert_modules", "method.target_modules")
        yield keys, f"{', '.join(both)} in target_modules too; a layer gets experts or LoRA"
    if method.name == "molora":
        yield from routing(recipe)
    elif method.wrap_attention and not plain:
        yield ("method.target_modules", "method.wrap_attention"), "wrap_attention needs it"
    if method.freeze_base_experts and recipe.training.weight_decay:
        keys = ("training.weight_decay", "method.freeze_base_experts")
        yield keys, "it would shrink the base experts that freeze_base_experts keeps"


def routing(recipe: Recipe) -> Contradictions:
    """What a router needs."""
    method = recipe.method
    count, chosen = method.experts or 0, method.experts_per_token or 0
    sizes = ("method.experts_per_token", "method.experts")
    if count and chosen > count:
        yield sizes, f"{chosen} of {count} experts"
    if chosen == 1 < count:
        yield sizes, f"1 of {count}: its gate is always 1, so no loss teaches the router; use 2"
    if method.load_balance and chosen == count:
        keys = ("method.load_balance", *sizes)
        yield keys, f"changes nothing: every token passes all {count} experts"
    if recipe.evaluation.tasks and recipe.evaluation.backend == "vllm":
        yield ("evaluation.backend", "method.name"), "vLLM runs no mixture of experts; use hf"
