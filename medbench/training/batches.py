"""Examples as the batches of a `Trainer`: end to end in one row, or padded."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from medbench.training.examples import IGNORED, Example

__all__ = ["Batch", "Collator", "lengths_of"]

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Collator:
    """Lay examples out; padding is told by its place, so its token may be the stop token."""

    pad: int
    """The token that fills rows."""
    packing: bool
    """One row without padding; `attention.prepare` tells whether the model allows it."""

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """Return a batch of B examples, T tokens.

        Packed: input_ids, labels and position_ids, each (1, T), positions from 0 in each example.
        Padded: input_ids, labels and attention_mask, each (B, longest).
        """
        return self.packed(examples) if self.packing else self.padded(examples)

    def packed(self, examples: Sequence[Example]) -> Batch:
        """Lay examples end to end."""
        return {
            "input_ids": torch.tensor([[i for one in examples for i in one.input_ids]]),
            "position_ids": torch.cat([torch.arange(len(one.labels)) for one in examples])[None],
            "labels": torch.tensor([[i for one in examples for i in one.labels]]),
        }

    def padded(self, examples: Sequence[Example]) -> Batch:
        """Fill up to the longest at the right."""
        width = max(len(one.labels) for one in examples)
        gaps = [width - len(one.labels) for one in examples]
        pairs = list(zip(examples, gaps, strict=True))
        return {
            "input_ids": torch.tensor([one.input_ids + [self.pad] * gap for one, gap in pairs]),
            "attention_mask": torch.tensor([[1] * (width - gap) + [0] * gap for gap in gaps]),
            "labels": torch.tensor([one.labels + [IGNORED] * gap for one, gap in pairs]),
        }


def lengths_of(position_ids: torch.Tensor) -> list[int]:
    """Return the lengths of the examples in a packed row of positions, (1, T)."""
    starts = (position_ids[0] == 0).nonzero().flatten().tolist()
    ends = [*starts[1:], position_ids.shape[1]]
    return [end - start for start, end in zip(starts, ends, strict=True)]
