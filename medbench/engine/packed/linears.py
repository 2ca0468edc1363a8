"""Linear layers with their weights laid out for the processor, where that is faster.

PyTorch multiplies float32 matrices on a processor through MKL, which keeps to short vectors on
processors that are not Intel's; oneDNN, in PyTorch too, does not, but wants weights in its own
layout. The copies live as long as a run over many questions, so a weight that is changed in
between is never missed.
"""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["laid_out", "product", "worthwhile"]

COPIES = 1 << 32
"""Bytes that the copies may take; a larger model keeps its ordinary layers."""
ROWS = 1024
"""Rows that the layout is chosen for; it serves all numbers of rows."""
NARROW = 64
"""A layer narrower than this (an adapter's) gains nothing."""
FASTER = 1.2
"""How many times faster it must be."""


@contextmanager
def laid_out(model: Any) -> Iterator[None]:
    """Run a model's float32 linear layers on copies of their weights, where that is worthwhile."""
    changed = []
    layers = suitable(model)
    size = sum(layer.weight.nbytes for layer in layers)
    try:
        if 0 < size <= COPIES and worthwhile():
            for layer in layers:
                weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), ROWS)
                forward = functools.partial(product, weight, layer.bias)
                layer.forward = forward  # type: ignore[method-assign]
                changed.append(layer)
        yield
    finally:
        for layer in changed:
            del layer.forward


def suitable(model: Any) -> list[torch.nn.Linear]:
    """Return the linear layers that may be replaced; the vocabulary's sees few rows."""
    head = model.get_output_embeddings()
    return [
        layer
        for layer in model.modules()
        if type(layer) is torch.nn.Linear
        and layer is not head
        and "forward" not in vars(layer)  # accelerate moves this one's weights
        and layer.weight.device.type == "cpu"
        and layer.weight.dtype == torch.float32
        and min(layer.weight.shape) >= NARROW
    ]


def product(weight: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor) -> torch.Tensor:
    """Return rows · weightᵀ + bias; (…, in) → (…, out)."""
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")  # type: ignore[no-any-return]


@functools.cache
def worthwhile() -> bool:
    """Try it: does the product exist here, is it right, and is it clearly faster?"""
    seed = torch.Generator().manual_seed(0)
    rows, weight = (torch.randn(256, 1024, generator=seed) for _ in range(2))
    with torch.inference_mode():
        try:
            ready = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
            found = product(ready, None, rows)
        except (AttributeError, RuntimeError, NotImplementedError):
            return False
        if not torch.allclose(found, rows @ weight.T, atol=1e-3, rtol=1e-4):
            return False
        ordinary = shortest(lambda: torch.nn.functional.linear(rows, weight))
        return ordinary > FASTER * shortest(lambda: product(ready, None, rows))


def shortest(run: Callable[[], object]) -> float:
    """Return the fewest seconds of some runs: what other work on the machine does not disturb."""

    def seconds() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return min(seconds() for _ in range(20))
