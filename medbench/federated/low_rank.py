"""The mean of several low-rank products, exactly, and back at the rank that it came with.

Shapes: K clients, R rank, I and O the layer's inputs and outputs; A (R, I), B (O, R).

Averaging A and B apart (FedIT, arXiv 2305.05644) is not averaging what they do, B·A: FedEx-LoRA
(arXiv 2410.09432) and FLoRA (arXiv 2409.05976) measure by how much. Stacked side by side, the
clients' factors are the mean without any error, at the rank K·R (FLoRA); the best that R allows is
that product's singular value decomposition, cut off (FlexLoRA, arXiv 2402.11505). Where all clients
hold one A fast, the mean of B is exact by itself (FFA-LoRA, arXiv 2403.12313).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Factors", "Tensors", "error", "factor_pairs", "stack", "truncate"]

Array = NDArray[np.floating]
Tensors = Mapping[str, Array]
"""An adapter, by PEFT's names."""
Factors = tuple[Array, Array]
"""(A, B)."""
A_NAME, B_NAME = "lora_A", "lora_B"


def factor_pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names of A and B of each layer."""
    for name in names:
        if f".{A_NAME}." in name:
            yield name, name.replace(f".{A_NAME}.", f".{B_NAME}.")


def stack(factors: Sequence[Factors], weights: Sequence[float]) -> Factors:
    """Return the mean product as factors of rank K·R, without error: A (K·R, I), B (O, K·R)."""
    wide = [b.astype(np.float64) * weight for (_, b), weight in zip(factors, weights, strict=True)]
    return np.vstack([a.astype(np.float64) for a, _ in factors]), np.hstack(wide)


def truncate(factors: Factors, rank: int, size: float) -> Factors:
    """Return the nearest product of a rank, in the Frobenius norm (Eckart & Young).

    A's rows are orthogonal, and A as a whole is as large as it was, so that a learning rate means
    for the next turn what it meant for the last. No matrix of I times O is made.

    Args:
        factors: of any rank.
        rank: of the result.
        size: the Frobenius norm that A shall have.
    """
    a, b = factors
    left, inner_b = np.linalg.qr(b)  # (O, k), (k, k)
    right, inner_a = np.linalg.qr(a.T)  # (I, k), (k, k)
    u, values, v = np.linalg.svd(inner_b @ inner_a.T)
    scale = size / np.sqrt(rank)
    kept = min(rank, len(values))
    new_a, new_b = np.zeros((rank, a.shape[1])), np.zeros((b.shape[0], rank))
    new_a[:kept] = v[:kept] @ right.T * scale
    new_b[:, :kept] = left @ (u[:, :kept] * values[:kept]) / scale
    return new_a.astype(np.float32), new_b.astype(np.float32)


def error(exact: Factors, found: Factors) -> tuple[float, float]:
    """Return the squared Frobenius norms of (what is missing, the exact product)."""
    a = np.vstack([exact[0], found[0].astype(np.float64)])
    b = np.hstack([exact[1], -found[1].astype(np.float64)])
    return squared_norm(a, b), squared_norm(*exact)


def squared_norm(a: Array, b: Array) -> float:
    """Return the squared Frobenius norm of B·A: the trace of (AAᵀ)(BᵀB)."""
    return max(float(np.sum((a @ a.T) * (b.T @ b))), 0.0)
