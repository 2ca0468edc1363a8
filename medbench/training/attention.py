"""Attention inside each example of a packed row, on any device, with gradients.

transformers calls `packed_attention` in every layer and hands it the row's `Segments`, which travel
as an argument of the forward pass (so that gradient checkpointing, which runs layers again, still
has them). The kernel is chosen by what it can do: one call for all examples where PyTorch has
variable-length flash attention, else one call for each.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

__all__ = ["PACKED", "Segments", "one_by_one", "packed_attention"]

PACKED = "medbench_packed"
"""The name under which transformers knows it."""
UNKNOWN = ("softcap", "s_aux", "position_bias")
"""What changes the softmax itself."""


class Segments:
    """Where the examples of a packed row lie."""

    def __init__(self, lengths: Sequence[int]) -> None:
        """Take the examples' lengths, in tokens."""
        self.lengths = list(lengths)
        self.longest = max(self.lengths)
        self.calls = 0
        """Times that a layer asked."""
        self.windows: set[int | None] = set()
        """Sliding windows that layers asked for."""
        self._bounds: dict[torch.device, torch.Tensor] = {}
        self._bands: dict[tuple[int, int, torch.device], torch.Tensor] = {}

    def bounds(self, device: torch.device) -> torch.Tensor:
        """Return where examples start, and where the last one ends: (examples + 1,) int32."""
        if device not in self._bounds:
            ends = torch.tensor([0, *self.lengths]).cumsum(0)
            self._bounds[device] = ends.to(device, torch.int32)
        return self._bounds[device]

    def band(self, length: int, window: int | None, device: torch.device) -> torch.Tensor | None:
        """Return what a sliding window shows of an example, (length, length); None: all before."""
        if window is None or length <= window:
            return None
        key = length, window, device
        if key not in self._bands:
            at = torch.arange(length, device=device)
            gap = at[:, None] - at[None, :]
            self._bands[key] = (gap >= 0) & (gap < window)
        return self._bands[key]


Kernel = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, Segments, float, int | None], torch.Tensor
]
"""(query, key, value, segments, scale, window) → output (1, T, heads, head size)."""


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    segments: Segments | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Let each token see its own example up to itself; the signature is transformers' own.

    Query (1, H, T, D), key and value (1, G, T, D) where G divides H; output (1, T, H, D).

    Raises:
        NotImplementedError: the layer asks for another softmax, or nobody said where examples lie.
    """
    asked = [name for name in UNKNOWN if kwargs.get(name) is not None]
    if asked or attention_mask is not None:
        raise NotImplementedError(f"attention with {', '.join(asked) or 'a mask of its own'}")
    if segments is None or query.shape[0] != 1:
        raise NotImplementedError(
            "this model attends inside packed examples: run it through supervised_loss, or load it "
            "anew for anything else"
        )
    segments.calls += 1
    segments.windows.add(sliding_window)
    query, key, value = alike(query, key, value)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    kernel: Kernel = one_by_one
    if not dropout and not query.is_meta and value.shape[-1] == query.shape[-1]:
        kernel = kernel_for(query.device, query.dtype, query.shape[-1])
    elif dropout:
        kernel = functools.partial(one_by_one, dropout=dropout)
    return kernel(query, key, value, segments, scale, sliding_window), None


AttentionInterface.register(PACKED, packed_attention)


def alike(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return tensors of one type: under autocast its own, as norms may have left float32."""
    kind = tensors[0].device.type
    if tensors[0].is_meta or not torch.is_autocast_enabled(kind):
        return tensors
    return tuple(one.to(torch.get_autocast_dtype(kind)) for one in tensors)


def one_by_one(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    segments: Segments,
    scale: float,
    window: int | None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Attend example by example with PyTorch's attention, which runs everywhere."""
    outs = []
    parts = (one.split(segments.lengths, dim=2) for one in (query, key, value))
    for q, k, v in zip(*parts, strict=True):
        band = segments.band(q.shape[2], window, q.device)
        if not takes_groups(q, band):
            k, v = (one.repeat_interleave(q.shape[1] // one.shape[1], dim=1) for one in (k, v))
        out = scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=band,
            dropout_p=dropout,
            is_causal=band is None,
            scale=scale,
            enable_gqa=k.shape[1] != q.shape[1],
        )
        outs.append(out.transpose(1, 2))
    return torch.cat(outs, dim=1)


def takes_groups(query: torch.Tensor, band: torch.Tensor | None) -> bool:
    """Tell whether a fast kernel takes fewer key heads; the others would keep all scores."""
    return query.is_cpu or (band is None and query.dtype in (torch.bfloat16, torch.float16))


def all_at_once(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    segments: Segments,
    scale: float,
    window: int | None,
) -> torch.Tensor:
    """Attend with PyTorch's variable-length flash attention (accelerators, 16 bits)."""
    from torch.nn.attention.varlen import varlen_attn

    bounds = segments.bounds(query.device)
    q, k, v = (one[0].transpose(0, 1) for one in (query, key, value))  # (T, heads, D)
    out = varlen_attn(
        q,
        k,
        v,
        bounds,
        bounds,
        segments.longest,
        segments.longest,
        scale=scale,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=k.shape[1] != q.shape[1],
    )
    assert isinstance(out, torch.Tensor)
    return out[None]


@functools.cache
def kernel_for(device: torch.device, dtype: torch.dtype, size: int) -> Kernel:
    """Return the kernel for all examples at once if it agrees with the other here, else that."""
    return all_at_once if agrees(all_at_once, device, dtype, size) else one_by_one


def agrees(kernel: Kernel, device: torch.device, dtype: torch.dtype, size: int) -> bool:
    """Try a kernel with grouped heads, with and without a window, forwards and backwards."""
    source = torch.Generator().manual_seed(0)

    def draw(heads: int) -> torch.Tensor:
        drawn = torch.randn(1, 60, heads, size, generator=source).transpose(1, 2)
        return drawn.to(device, dtype)

    drawn, weights = [draw(4), draw(2), draw(2)], draw(4).transpose(1, 2)
    tolerance = 1e-4 if dtype == torch.float32 else 3e-2
    for window in (None, 9):
        found = []
        for one in (kernel, one_by_one):
            inputs = [tensor.detach().clone().requires_grad_() for tensor in drawn]
            try:
                out = one(inputs[0], inputs[1], inputs[2], Segments([33, 7, 20]), 0.2, window)
                grads = torch.autograd.grad((out * weights).sum(), inputs)
            except (RuntimeError, NotImplementedError, ImportError, TypeError):
                return False
            found.append((out, *grads))
        if not all(
            torch.allclose(a.float(), b.float(), atol=tolerance, rtol=tolerance)
            for a, b in zip(*found, strict=True)
        ):
            return False
    return True
