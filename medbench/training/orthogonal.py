"""Orthogonal LoRA (O-LoRA, arXiv 2310.14152), as MedCare's second stage has it (2406.17484).

Beside a layer W stand two pairs of low-rank matrices, one with what was learnt before (the shared
experts of a mixture), one fresh, which is kept from the first one's directions:

    y = W x + s · (B_base A_base + B_own A_own) x
    loss + λ₁ Σ |A_base A_ownᵀ| + λ₂ Σ (‖A_own‖₂ + ‖B_own‖₂), sums over layers (and entries)

Both pairs of a layer are one plain LoRA of twice the rank, so everything that takes LoRA takes the
outcome: PEFT, a merge, vLLM. Shapes: R rank of a pair, I in, O out.

    lora_A (2R, I), lora_B (O, 2R)    base first

The terms are computed inside these two modules' own forward passes, where weights that are sharded
are whole (`medbench.training.penalties`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft.tuners.lora.layer import LoraLayer
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from medbench.checkpoint import WEIGHTS, read_adapter_config
from medbench.errors import ModelError
from medbench.molora import Kind, MoloraConfig
from medbench.recipe import Method, Recipe
from medbench.training.penalties import Penalties

__all__ = ["pair", "plain_lora", "source_faults"]

ADAPTER_NAME = "default"
OF_PEFT = "base_model.model."
Pairs = dict[str, tuple[Tensor, Tensor]]
"""A (R, I) and B (O, R) of each layer, by its name in the base model."""


class Half(nn.Linear):
    """One of the two matrices of both pairs; `axis` is the one along which the pairs lie."""

    axis: int

    def __init__(self, linear: nn.Linear, *, is_frozen: bool) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        self.weight = linear.weight
        self.is_frozen = is_frozen
        """The base half does not learn."""
        self.penalties: Penalties | None = None
        self.method: Method | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, in) → (…, out)."""
        base, own = self.weight.chunk(2, dim=self.axis)
        weight = self.weight
        if self.is_frozen:
            base = base.detach()
            weight = torch.cat((base, own), dim=self.axis)
        output = nn.functional.linear(tokens, weight)
        if not self.training or self.penalties is None or self.method is None:
            return output
        with torch.autocast(tokens.device.type, enabled=False):
            term = self.term(base.float(), own.float(), self.method)
        return self.penalties.add(output, term)

    def term(self, base: Tensor, own: Tensor, method: Method) -> Tensor:
        """Return the fresh half's norm times λ₂, as O-LoRA has it."""
        norm: Tensor = own.norm()
        return method.l2 * norm


class Down(Half):
    """A of both pairs."""

    axis = 0

    def term(self, base: Tensor, own: Tensor, method: Method) -> Tensor:
        """Add the overlap of the two pairs' rows, Σ |A_base A_ownᵀ|, times λ₁."""
        return method.orthogonality * (base @ own.T).abs().sum() + super().term(base, own, method)


class Up(Half):
    """B of both pairs."""

    axis = 1


def plain_lora(method: Method) -> dict[str, Any]:
    """Return PEFT's settings of the LoRA that holds both pairs of every layer.

    alpha is such that alpha / r is the one scale of all layers, whatever their ranks: vLLM reads no
    `alpha_pattern`.
    """
    rank, shared = method.rank or 0, method.shared_experts or 0
    attention = method.target_modules if method.wrap_attention else None
    return {
        "r": 2 * shared * rank,
        "lora_alpha": scale(method) * 2 * shared * rank,
        "rank_pattern": dict.fromkeys(attention or (), 2 * rank),
        "alpha_pattern": dict.fromkeys(attention or (), scale(method) * 2 * rank),
        "lora_dropout": method.dropout or 0.0,
        "target_modules": [*(method.expert_modules or ()), *(attention or ())],
    }


def scale(method: Method) -> float:
    """Return what a pair is multiplied with."""
    rank, alpha = method.rank or 0, method.alpha or 0.0
    return float(alpha / (rank**0.5 if method.rslora else rank))


def pair(model: Any, recipe: Recipe) -> None:
    """Make pairs of a plain LoRA's matrices, the base ones a mixture's shared experts.

    Raises:
        ModelError: these experts cannot be read, or are of other layers.
    """
    method = recipe.method
    learnt = shared_experts(Path(method.experts_from or ""))
    penalties = Penalties.on(model) if method.orthogonality or method.l2 else None
    layers: dict[str, Any] = {
        name.removeprefix(OF_PEFT): layer
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer)
    }
    if lost := learnt.keys() - layers.keys():
        raise ModelError(f"method.experts_from: nothing starts as the experts of {min(lost)}")
    for name, layer in layers.items():
        before = learnt.get(name)
        is_frozen = method.freeze_base_experts and before is not None
        for number, (kind, matrices) in enumerate(((Down, layer.lora_A), (Up, layer.lora_B))):
            linear = matrices[ADAPTER_NAME]
            assert isinstance(linear, nn.Linear)
            half = kind(linear, is_frozen=is_frozen)
            half.penalties, half.method = penalties, method
            matrices[ADAPTER_NAME] = half
            if before is not None:
                with torch.no_grad():
                    half.weight.chunk(2, dim=half.axis)[0].copy_(before[number])


def shared_experts(folder: Path) -> Pairs:
    """Return the shared experts of a mixture's checkpoint.

    Raises:
        ModelError: it is none, or cannot be read.
    """
    config = mixture_config(folder)
    rank = config.shared_experts * config.r
    found = {}
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as tensors:
            for name in sorted(tensors.keys()):
                layer, is_down, _ = name.partition(".lora_A.")
                if is_down and config.has_experts(layer):
                    down = tensors.get_slice(name)[:rank]
                    up = tensors.get_slice(name.replace(".lora_A.", ".lora_B."))[:, :rank]
                    found[layer.removeprefix(OF_PEFT)] = (down, up)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder / WEIGHTS} cannot be read: {error}") from error
    return found


def mixture_config(folder: Path) -> MoloraConfig:
    """Return what a mixture's checkpoint says of itself.

    Raises:
        ModelError: it is no mixture.
    """
    content = read_adapter_config(folder)
    if content.get("peft_type") != Kind.MOLORA:
        raise ModelError(f"{folder} is a {content.get('peft_type')} adapter, not {Kind.MOLORA}")
    try:
        config = MoloraConfig.from_pretrained(str(folder))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{folder}: {error}") from error
    assert isinstance(config, MoloraConfig)
    return config


def source_faults(recipe: Recipe, model: Any) -> Iterator[str]:
    """Yield what keeps a recipe's base pairs from starting as the experts that it names.

    Args:
        recipe: with method orthogonal_lora.
        model: the base, with weights or without.
    """
    method, folder = recipe.method, Path(recipe.method.experts_from or "")
    try:
        config, learnt = mixture_config(folder), shared_experts(folder)
    except ModelError as error:
        yield f"method.experts_from: {error}"
        return
    asked = {
        "rank": (method.rank, config.r),
        "shared_experts": (method.shared_experts, config.shared_experts),
        "alpha": (method.alpha, float(config.lora_alpha)),
        "rslora": (method.rslora, config.use_rslora),
        "expert_modules": (sorted(method.expert_modules or ()), sorted(config.expert_modules)),
    }
    for name, (wanted, had) in asked.items():
        if wanted != had:
            yield f"method.{name}: {wanted}, and the experts of {folder} have {had}"
    layers = {name: one for name, one in model.named_modules() if isinstance(one, nn.Linear)}
    for name, (down, up) in learnt.items():
        found = layers.get(name)
        if found is None or (found.in_features, found.out_features) != (down.shape[1], up.shape[0]):
            yield (
                f"method.experts_from: {folder} has experts for {name}, {down.shape[1]} × "
                f"{up.shape[0]}, which {recipe.model.id} has not"
            )
            return
