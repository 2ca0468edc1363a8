"""Attention kernels that also return log-sum-exps, chosen by what they can do on a device.

A kernel is taken if it gives what the plain formula gives, tried once for each device, type and
head size; its name or the device's name decide nothing.
"""

import functools
from collections.abc import Callable

import torch

from medbench.engine.packed.linears import product, worthwhile

__all__ = ["Kernel", "Part", "kernel_for", "plain"]

Part = tuple[torch.Tensor, torch.Tensor]
"""Output (B, H, Q, D) and log-sum-exps (B, H, Q) in float32."""
Kernel = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, bool, float], Part
]
"""(query, key, value, additive mask, causal, scale) → part."""
CHUNK = 1 << 26
"""Scores that the plain formula holds at once."""
CACHED = 1 << 20
"""Scores that products hold at once: what stays in a processor's cache."""
MANY = 128
"""Queries, and keys, from which products gain."""


def plain(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float,
) -> Part:
    """Compute attention by its formula, softmax in float32, some queries at a time."""
    batch, heads, length, size = query.shape
    groups = key.shape[1]
    folded = query.reshape(batch, groups, heads // groups, length, size)
    if causal:
        mask = torch.full((length, key.shape[2]), -torch.inf, device=query.device).triu(1)
    rows = max(1, CHUNK // (batch * heads * key.shape[2]))
    outs, sums = [], []
    for start in range(0, length, rows):
        part = folded[:, :, :, start : start + rows]
        scores = (part @ key[:, :, None].transpose(-1, -2)).float() * scale
        if mask is not None:
            cut = mask[..., start : start + rows, :]
            scores += cut if cut.dim() == 2 else cut.reshape(batch, 1, 1, -1, key.shape[2])
        total = scores.logsumexp(-1)
        outs.append(torch.exp(scores - total[..., None]).to(value.dtype) @ value[:, :, None])
        sums.append(total)
    shape = (batch, heads, length)
    return torch.cat(outs, 3).reshape(*shape, size), torch.cat(sums, 3).reshape(shape)


def products(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float,
) -> Part:
    """Flash attention for processors; many queries over all keys as oneDNN's products.

    The log-sum-exp is the largest score minus the logarithm of its probability.
    """
    batch, heads, length, size = query.shape
    few = min(length, key.shape[2]) < MANY
    if mask is not None or causal or few or query.dtype != torch.float32 or not worthwhile():
        return flash_cpu(query, key, value, mask, causal, scale)
    folded = (query * scale).reshape(-1, heads // key.shape[1] * length, size)
    rows = max(MANY, CACHED // key.shape[2])
    outs, sums = [], []
    for part, keys, values in zip(folded, key.flatten(0, 1), value.flatten(0, 1), strict=True):
        to_keys = torch.ops.mkldnn._reorder_linear_weight(keys.contiguous(), rows)
        to_values = torch.ops.mkldnn._reorder_linear_weight(values.T.contiguous(), rows)
        for some in part.split(rows):
            scores = product(to_keys, None, some)
            weights = scores.softmax(-1)
            outs.append(product(to_values, None, weights))
            sums.append(scores.amax(-1) - weights.amax(-1).log())
    shape = (batch, heads, length)
    return torch.cat(outs).reshape(*shape, size), torch.cat(sums).reshape(shape)


def flash_cpu(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float,
) -> Part:
    """PyTorch's flash attention for processors; takes masks and grouped heads as they are."""
    if mask is not None and mask.dim() == 2:
        mask = mask[None, None]
    out, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, attn_mask=mask, scale=scale
    )
    return out, sums


def flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float,
) -> Part:
    """PyTorch's flash attention for accelerators, 16 bits; masks take the plain formula."""
    if mask is not None:
        return plain(query, key, value, mask, causal, scale)
    key, value = repeated(query, key), repeated(query, value)
    found = torch.ops.aten._scaled_dot_product_flash_attention(
        query, key, value, 0.0, causal, False, scale=scale
    )
    return found[0], found[1]


def memory_efficient(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float,
) -> Part:
    """PyTorch's memory-efficient attention, all types; masks take the plain formula."""
    if mask is not None:
        return plain(query, key, value, mask, causal, scale)
    key, value = repeated(query, key), repeated(query, value)
    found = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, None, True, 0.0, causal, scale=scale
    )
    return found[0], found[1][:, :, : query.shape[2]]


def repeated(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Repeat grouped keys or values for every query head."""
    times = query.shape[1] // key.shape[1]
    return key if times == 1 else key.repeat_interleave(times, dim=1)


KERNELS: tuple[Kernel, ...] = (products, flash_cpu, flash, memory_efficient)


@functools.cache
def kernel_for(device: torch.device, dtype: torch.dtype, head_size: int) -> Kernel:
    """Return the first kernel that agrees with the plain formula here, else the formula itself."""
    return next((one for one in KERNELS if agrees(one, device, dtype, head_size)), plain)


def agrees(kernel: Kernel, device: torch.device, dtype: torch.dtype, head_size: int) -> bool:
    """Try a kernel: grouped heads, whole and causal, with and without a mask."""
    source = torch.Generator().manual_seed(0)

    def draw(heads: int, length: int) -> torch.Tensor:
        return torch.randn(1, length, heads, head_size, generator=source).transpose(1, 2)

    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    mask = torch.zeros(7, 40).masked_fill(torch.rand(7, 40, generator=source) < 0.3, -1e4)
    for length, width, cut, causal in (
        (7, 40, None, False),
        (7, 40, mask, False),
        (33, 33, None, True),
        (MANY, 200, None, False),
    ):
        query, key, value = draw(4, length), draw(2, width), draw(2, width)
        sent = [one.to(device, dtype) for one in (query, key, value)]
        bias = cut if cut is None else cut.to(device, dtype)
        wanted = plain(query, key, value, cut, causal, 0.2)
        try:
            found = kernel(sent[0], sent[1], sent[2], bias, causal, 0.2)
        except (RuntimeError, NotImplementedError):
            return False
        for one, other in zip(found, wanted, strict=True):
            if not torch.allclose(one.float().cpu(), other, atol=tolerance, rtol=tolerance):
                return False
    return True
