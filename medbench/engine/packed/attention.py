"""Attention in parts: each part with its log-sum-exp, so that parts join to the whole.

softmax(q·[K₁ K₂])·[V₁ V₂] is the mean of the two attentions, weighted by exp of their log-sum-exps
(online softmax; FlashAttention, arXiv 2205.14135). So the keys of few-shot examples are kept once,
whatever number of questions looks at them.

transformers calls `planned_attention` in every layer; what it does is up to the current plan.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import AttentionInterface

from medbench.engine.packed.kernels import Part, kernel_for

__all__ = ["Mask", "Plan", "attend", "hidden_by_window", "join", "planned", "running"]

NAME = "medbench_planned"
UNKNOWN = ("softcap", "s_aux", "position_bias")
"""What changes the softmax itself; a model that asks for it is left to the ordinary path."""


class Plan(Protocol):
    """What the tokens of one forward pass look at."""

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Return the attention's output, (1, heads, T, head size) like the query."""


current: ContextVar[Plan] = ContextVar("plan")


@contextmanager
def running(plan: Plan) -> Iterator[None]:
    """Let forward passes follow a plan."""
    token = current.set(plan)
    try:
        yield
    finally:
        current.reset(token)


@contextmanager
def planned(model: Any) -> Iterator[None]:
    """Switch a transformers model to planned attention, and back.

    Raises:
        NotImplementedError: its attention is code of its own.
    """
    if not model._can_set_attn_implementation():
        raise NotImplementedError(f"{type(model).__name__} does not let its attention be chosen")
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def planned_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as the current plan says; the signature is transformers' own.

    Raises:
        NotImplementedError: the layer asks for a softmax that parts cannot be joined for.
    """
    asked = [name for name in UNKNOWN if kwargs.get(name) is not None]
    if asked or attention_mask is not None:
        raise NotImplementedError(f"attention with {', '.join(asked) or 'a mask of its own'}")
    layer: int = module.layer_idx  # type: ignore[assignment]
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    out = current.get().attend(layer, query, key, value, scale, sliding_window)
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, planned_attention)


@dataclass(frozen=True, slots=True)
class Mask:
    """What queries do not see, as kernels want it."""

    bias: torch.Tensor
    """Added to the scores: 0, or the type's lowest number; (…, Q, K)."""
    blind: torch.Tensor | None
    """Queries that see nothing, (…, Q); None where there is none."""

    @classmethod
    def of(cls, hidden: torch.Tensor | None, like: torch.Tensor) -> "Mask | None":
        """Turn "key is out of sight", (…, Q, K) or None, into a mask for queries like these."""
        if hidden is None:
            return None
        hidden = hidden.to(like.device)
        bias = torch.zeros(hidden.shape, dtype=like.dtype, device=like.device)
        blind = hidden.all(-1)
        return cls(
            bias.masked_fill_(hidden, torch.finfo(like.dtype).min),
            blind if bool(blind.any()) else None,
        )


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    *,
    mask: Mask | None = None,
    causal: bool = False,
) -> Part:
    """Return the output and the log-sum-exps of queries over keys, with the device's best kernel.

    Shapes: query (B, H, Q, D), key and value (B, G, K, D) where G divides H. Output (B, H, Q, D),
    log-sum-exps (B, H, Q) in float32; where a query sees nothing, 0 and -inf.
    """
    kernel = kernel_for(query.device, query.dtype, query.shape[-1])
    if mask is None:
        return kernel(query, key, value, None, causal, scale)
    out, sums = kernel(query, key, value, mask.bias, False, scale)
    if mask.blind is not None:
        sums = sums.masked_fill(mask.blind, -torch.inf)
        out = out.masked_fill(mask.blind[..., None], 0)
    return out, sums


def join(whole: Part, other: Part) -> None:
    """Add another part to the first, in place; somewhere at least one of them must see a key."""
    out, sums = whole
    more, more_sums = other
    total = torch.logaddexp(sums, more_sums)
    out.mul_(torch.exp(sums - total)[..., None])
    out.addcmul_(more, torch.exp(more_sums - total)[..., None].to(more.dtype))
    sums.copy_(total)


def hidden_by_window(
    queries: torch.Tensor, keys: torch.Tensor, window: int | None
) -> torch.Tensor | None:
    """Return which keys lie outside a sliding window, (Q, K); None where all are inside.

    Queries and keys are positions, (Q,) and (K,).
    """
    if window is None or int(queries.max()) - int(keys.min()) < window:
        return None
    return queries[:, None] - keys[None, :] >= window
