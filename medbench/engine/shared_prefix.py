"""What many contexts begin with (few-shot examples, a system prompt), computed once.

lm-eval's `hf` runs the same five examples in front of every question. Here contexts that begin
alike form a group; the group's keys and values are computed once and put in front of every batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Prefix", "common_length", "groups"]

WORTHWHILE = 64
"""Tokens: a shorter common beginning is computed with each context."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The keys and values of a token sequence, one pair a layer."""

    length: int
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    """Keys and values, each (1, heads, length, head size)."""

    @classmethod
    def of(cls, model: Any, tokens: Sequence[int]) -> "Prefix":
        """Run the model over the tokens once."""
        ids = torch.tensor([list(tokens)], device=model.device)
        with torch.inference_mode():
            cache = model(ids, use_cache=True, logits_to_keep=1).past_key_values
        return cls(len(tokens), tuple((layer.keys, layer.values) for layer in cache.layers))

    def cache(self, rows: int) -> Any:
        """Return a fresh cache that holds the prefix for so many rows."""
        from transformers.cache_utils import DynamicCache

        cache = DynamicCache()
        for index, pair in enumerate(self.layers):
            keys, values = (tensor.expand(rows, -1, -1, -1) for tensor in pair)
            cache.update(keys, values, index)
        return cache


def groups(contexts: Sequence[tuple[int, ...]]) -> list[tuple[int, list[tuple[int, ...]]]]:
    """Split distinct contexts into (common length, members).

    Sorted, contexts that begin alike are neighbours: a group ends where neighbours share fewer
    than `WORTHWHILE` tokens. The common length leaves every member at least one token, and is 0
    where there is nothing to share.
    """
    found: list[tuple[int, list[tuple[int, ...]]]] = []
    for context in sorted(contexts):
        if found:
            length, members = found[-1]
            shared = min(common_length(members[-1], context), len(members[-1]) - 1)
            if shared >= WORTHWHILE:
                found[-1] = (min(length or shared, shared), [*members, context])
                continue
        found.append((0, [context]))
    loose = [context for _, members in found if len(members) == 1 for context in members]
    return [group for group in found if len(group[1]) > 1] + ([(0, loose)] if loose else [])


def common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Count the tokens that two sequences begin with alike."""
    pairs = zip(left, right, strict=False)
    different = (at for at, (one, other) in enumerate(pairs) if one != other)
    return next(different, min(len(left), len(right)))
