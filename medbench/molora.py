"""MoLoRA, a mixture of low-rank experts, as an adapter type of PEFT's: MOLORA.

MoLoRA: arXiv 2309.05444; with shared experts, as MedCare has it: 2406.17484. Attention gets LoRA. A
feed-forward layer W gets E experts of rank r, of which a router of its own picks K for each token,
and S shared experts, which are one LoRA of rank S·r and always count:

    y = W x + s · B₀ A₀ x + s · Σ g_e B_e A_e x,    g = softmax of the K largest of R x + b

The sum is over these K; s is alpha / r, or alpha / √r. A softmax over the largest logits is the
softmax over all of them, renormalised.

All of it is one PEFT layer of LoRA. Shapes: T tokens, I in, O out.

    lora_A (S·r + E·r, I), lora_B (O, S·r + E·r)    the shared experts first, then one by one
    lora_router (E, I) with a bias                  in float32, as routers want it (2101.03961, 2.4)

so a pass is two matrix products, as for plain LoRA, and the gates are applied between them. Saving,
loading, 4-bit bases, sharding and several adapters on a model are PEFT's. To import this module is
to let PEFT know the type.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import sqrt
from typing import Any

import torch
from peft import LoraConfig, LoraModel
from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners.lora.layer import LoraLayer, LoraVariant
from torch import Tensor, nn

__all__ = ["Kind", "Mixture", "MoloraConfig", "MoloraModel", "mixtures", "settle", "silence"]

Watch = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(inner activations, router logits (…, E), chosen experts (…, K)) → the same activations."""


class Kind(StrEnum):
    """What PEFT's `PeftType` lacks; equal to its name, and hashed as it."""

    MOLORA = "MOLORA"


@dataclass
class MoloraConfig(LoraConfig):
    """LoRA's settings, with those of the experts; r is the rank of one of them.

    Raises:
        ValueError: they do not go together.
    """

    expert_modules: list[str] = field(default_factory=list)
    """Names among `target_modules`: these get experts, the others plain LoRA."""
    experts: int = 8
    """Routed experts of a layer."""
    experts_per_token: int = 2
    """How many of them a token is sent to."""
    shared_experts: int = 2
    """How many ranks the LoRA has that every token passes; 0: there is none."""

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = Kind.MOLORA
        faults = [name for name in (*PATTERNS, *VARIANTS) if getattr(self, name)]
        if faults:
            raise ValueError(f"MOLORA knows no {', '.join(faults)}")
        if not 1 <= self.experts_per_token <= self.experts or self.shared_experts < 0:
            raise ValueError(
                f"experts_per_token is {self.experts_per_token} of {self.experts} experts, "
                f"shared_experts {self.shared_experts}"
            )

    @property
    def scale(self) -> float:
        """What experts are multiplied with."""
        return float(self.lora_alpha / (sqrt(self.r) if self.use_rslora else self.r))

    def has_experts(self, key: str) -> bool:
        """Tell whether a layer gets experts, by its dotted name."""
        return any(key == one or key.endswith(f".{one}") for one in self.expert_modules)

    def packed(self) -> LoraConfig:
        """Return the plain LoRA that holds all experts of a layer; they have no dropout."""
        plain = copy.copy(self)
        plain.r = (self.shared_experts + self.experts) * self.r
        plain.lora_alpha, plain.use_rslora = self.scale * plain.r, False  # type: ignore[assignment]
        plain.lora_dropout = 0.0
        return plain


PATTERNS = ("rank_pattern", "alpha_pattern", "layer_replication", "target_parameters")
VARIANTS = ("use_dora", "alora_invocation_tokens", "arrow_config", "lora_bias")


class Router(nn.Linear):
    """Scores experts in float32, whatever the tokens' type."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, I) → (…, E)."""
        with torch.autocast(tokens.device.type, enabled=False):
            return nn.functional.linear(tokens.float(), self.weight.float(), self.bias.float())


class Mixture(LoraVariant):
    """How one adapter's experts of a layer are computed."""

    def __init__(self, config: MoloraConfig) -> None:
        self.rank, self.experts = config.r, config.experts
        self.experts_per_token = config.experts_per_token
        self.shared_rank = config.shared_experts * config.r
        self.watch: Watch | None = None
        """Sees what the router says while the layer trains."""

    def join(self, layer: Any, adapter: str) -> None:
        """Let a plain LoRA layer route; the router learns if the rest of the adapter does."""
        if "lora_router" not in layer.adapter_layer_names:
            layer.lora_router = nn.ModuleDict()
            layer.adapter_layer_names = (*layer.adapter_layer_names, "lora_router")
        router = Router(layer.in_features, self.experts)
        layer.lora_router[adapter] = router
        layer.lora_variant[adapter] = self
        layer._move_adapter_to_device_of_base_layer(adapter)
        router.requires_grad_(layer.lora_A[adapter].weight.requires_grad)

    def supports_lora_conversion(self) -> bool:
        """No one LoRA does what a router does."""
        return False

    def forward(  # type: ignore[override]
        self, module: Any, active_adapter: str, x: Tensor, result: Tensor, **kwargs: Any
    ) -> Tensor:
        """Add what the experts say of x (…, I) to the result (…, O)."""
        logits = module.lora_router[active_adapter](x)
        top, chosen = logits.topk(self.experts_per_token)
        gates = torch.zeros_like(logits).scatter(-1, chosen, top.softmax(-1))
        inner = module.lora_A[active_adapter](x)
        if self.watch is not None and module.training:
            inner = self.watch(inner, logits, chosen)
        shared = inner[..., : self.shared_rank]
        routed = inner[..., self.shared_rank :].unflatten(-1, (self.experts, self.rank))
        routed = (routed * gates.to(inner.dtype)[..., None]).flatten(-2)
        inner = torch.cat((shared, routed), dim=-1)
        added: Tensor = module.lora_B[active_adapter](inner) * module.scaling[active_adapter]
        return result + added

    def merge_safe(  # type: ignore[override]
        self, module: Any, active_adapter: str, orig_weight: Tensor
    ) -> Tensor:
        """Refuse: which experts count depends on the token.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "a router picks other experts for each token, so there are no weights that do the same"
        )

    merge_unsafe = merge_safe  # type: ignore[assignment]


class MoloraModel(LoraModel):
    """PEFT's LoRA model, with experts beside some layers."""

    def _create_and_replace(  # type: ignore[override]
        self,
        lora_config: Any,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        **settings: Any,
    ) -> None:
        places = (adapter_name, target, target_name, parent, current_key)
        if not lora_config.has_experts(current_key):
            super()._create_and_replace(lora_config, *places, **settings)
            return
        base = target.get_base_layer() if isinstance(target, LoraLayer) else target
        if not isinstance(base, nn.Linear):
            raise ValueError(
                f"{current_key} is a {type(base).__name__}; experts stand beside linear layers, "
                "plain or in bitsandbytes' 4 or 8 bits"
            )
        super()._create_and_replace(lora_config.packed(), *places, **settings)
        Mixture(lora_config).join(getattr(parent, target_name), adapter_name)


def mixtures(model: nn.Module) -> Iterator[tuple[Any, str, Mixture]]:
    """Yield (layer, adapter, mixture) of all layers with experts."""
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            for adapter, variant in layer.lora_variant.items():
                if isinstance(variant, Mixture):
                    yield layer, adapter, variant


@torch.no_grad()
def silence(model: nn.Module, *, shared: bool) -> None:
    """Switch routed experts off, and the shared ones too if asked for."""
    for layer, adapter, mixture in mixtures(model):
        layer.lora_B[adapter].weight[:, 0 if shared else mixture.shared_rank :] = 0


def settle(model: nn.Module) -> None:
    """Make each mixture a plain LoRA of its shared experts; what is routed is gone."""
    for layer, adapter, mixture in list(mixtures(model)):
        rank = mixture.shared_rank
        down, up = layer.lora_A[adapter], layer.lora_B[adapter]
        down.weight = nn.Parameter(down.weight[:rank].detach().clone(), requires_grad=False)
        up.weight = nn.Parameter(up.weight[:, :rank].detach().clone(), requires_grad=False)
        down.out_features = up.in_features = layer.r[adapter] = rank
        layer.lora_alpha[adapter] = layer.scaling[adapter] * rank
        del layer.lora_variant[adapter], layer.lora_router[adapter]


PEFT_TYPE_TO_CONFIG_MAPPING[Kind.MOLORA] = MoloraConfig  # type: ignore[index]
PEFT_TYPE_TO_TUNER_MAPPING[Kind.MOLORA] = MoloraModel  # type: ignore[index]
PEFT_TYPE_TO_PREFIX_MAPPING[Kind.MOLORA] = MoloraModel.prefix  # type: ignore[index]
