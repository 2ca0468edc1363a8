"""The section of a recipe that says which weights are trained."""

from dataclasses import dataclass
from typing import Literal

from medbench.recipe.bounds import Amount, Count, Positive, Share

__all__ = ["EXPERTS", "LOW_RANK", "VIRTUAL_TOKENS", "Method", "MethodName"]

MethodName = Literal[
    "full",
    "lora",
    "rslora",
    "dora",
    "qlora",
    "molora",
    "orthogonal_lora",
    "prefix",
    "p_tuning",
    "prompt",
]
LOW_RANK = ("lora", "rslora", "dora", "qlora")
"""Methods that train two thin matrices beside a linear layer."""
EXPERTS = ("molora", "orthogonal_lora")
"""Methods that train experts, or what shared experts become, beside feed-forward layers."""
VIRTUAL_TOKENS = ("prefix", "p_tuning", "prompt")
"""Methods that train vectors in front of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """Which weights are trained."""

    name: MethodName = "full"
    """full: all of them; the others: an adapter, through PEFT."""
    rank: Count | None = None
    """Low-rank methods: inner width of the adapter; molora, orthogonal_lora: of one expert."""
    alpha: Positive | None = None
    """Low-rank methods: the adapter counts alpha / rank times, rslora's alpha / √rank."""
    rslora: bool = False
    """molora, orthogonal_lora: alpha / √rank times instead."""
    dropout: Share | None = None
    """Low-rank methods: before the adapter, 0 unless it says otherwise; molora's experts: none."""
    target_modules: tuple[str, ...] | None = None
    """Low-rank methods: linear layers that get one, or all-linear; molora: LoRA without experts."""
    modules_to_save: tuple[str, ...] | None = None
    """Low-rank methods: modules that are trained whole and saved with the adapter."""
    expert_modules: tuple[str, ...] | None = None
    """molora, orthogonal_lora: names of the feed-forward layers that get experts."""
    experts: Count | None = None
    """molora: routed experts of a layer."""
    experts_per_token: Count | None = None
    """molora: how many of them a token is sent to; of several, two or more."""
    shared_experts: Count | None = None
    """molora, orthogonal_lora: experts that all tokens pass, one LoRA of so many times the rank."""
    load_balance: Amount = 0.0
    """molora: weight in the loss of a term that is least where experts are used alike."""
    experts_from: str | None = None
    """orthogonal_lora: a molora checkpoint's folder; base pairs start as its shared experts."""
    freeze_base_experts: bool = False
    """orthogonal_lora: train the orthogonal pair only."""
    wrap_attention: bool = False
    """orthogonal_lora: pairs beside target_modules too; both of their halves start afresh."""
    orthogonality: Amount = 1.0
    """orthogonal_lora: weight in the loss of the pairs' overlap, Σ abs(A_base · Aᵀ); λ₁ there."""
    l2: Amount = 0.0
    """orthogonal_lora: weight in the loss of the norms of the fresh pair's A and B; λ₂ there."""
    virtual_tokens: Count | None = None
    """prefix, p_tuning, prompt: how many vectors stand before the text."""
    encoder_hidden_size: Count | None = None
    """prefix, p_tuning: width of the network that makes them."""
