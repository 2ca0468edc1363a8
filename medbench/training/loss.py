"""The loss, with hidden states projected to the vocabulary only where something is learnt.

An exam answer supervises 5 of 300 tokens; the logits of all 300 over 262,000 words are gigabytes.
The model runs as it is, whatever wraps it; only its output embedding is handed the supervised rows.
Many rows are projected in chunks that the backward pass computes again (arXiv 1604.06174), so that
their logits never exist at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from medbench.errors import ModelError
from medbench.training.batches import Batch
from medbench.training.examples import IGNORED
from medbench.training.layout import base_model, segment_arguments
from medbench.training.memory import LOGITS_AT_ONCE

__all__ = ["supervised_loss"]

reshaping: "WeakSet[torch.nn.Module]" = WeakSet()
"""Models that do something to their logits (a soft cap, a scale); theirs are never in chunks."""


class Rows:
    """Stands in for an output embedding: projects the supervised rows only."""

    def __init__(self, labels: torch.Tensor, in_chunks: bool) -> None:
        """Take labels (B, T); the row before each supervised token predicts it."""
        self.example, self.place = (labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
        self.targets = labels[self.example, self.place + 1]
        self.width = labels.shape[1]
        self.in_chunks = in_chunks
        self.losses: torch.Tensor | None = None
        """Of each row, (1, K, 1), where they were computed in chunks."""
        self.was_called = False

    def places(self, width: int) -> torch.Tensor:
        """Return the supervised rows of B × width flattened ones; vectors may stand before them."""
        return self.example * width + (width - self.width) + self.place

    def project(
        self, hidden: torch.Tensor, head: Callable[[torch.Tensor], torch.Tensor], words: int
    ) -> torch.Tensor:
        """Return logits (1, K, V) of hidden states (B, T, D), or their losses (1, K, 1)."""
        self.was_called = True
        places = self.places(hidden.shape[1]).to(hidden.device)
        rows = hidden.flatten(0, 1).index_select(0, places)
        if not self.in_chunks or rows.shape[0] * words <= LOGITS_AT_ONCE:
            return head(rows[None])
        size = max(1, LOGITS_AT_ONCE // words)
        targets = self.targets.to(hidden.device)

        def losses(some: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            logits = head(some[None])[0].float()
            return cross_entropy(logits, wanted.to(logits.device), reduction="none")

        pairs = zip(rows.split(size), targets.split(size), strict=True)
        found = [checkpoint(losses, *pair, use_reentrant=False) for pair in pairs]
        self.losses = torch.cat(found)[None, :, None]
        return self.losses

    def total(self, logits: torch.Tensor) -> torch.Tensor | None:
        """Return the summed loss of what the model made of them; None if it changed losses.

        Sharding hears of the backward pass through what the model returned, be it in 16 bits.
        """
        if self.losses is not None:
            if not torch.equal(logits, self.losses.to(logits)):
                return None
            returned = logits.float().sum()
            return returned + (self.losses.to(returned).sum() - returned).detach()
        if not self.was_called:
            places = self.places(logits.shape[1]).to(logits.device)
            logits = logits.flatten(0, 1).index_select(0, places)[None]
        targets = self.targets.to(logits.device)
        return cross_entropy(logits[0].float(), targets, reduction="sum")


def supervised_loss(model: Any, batch: Batch, items: torch.Tensor | int | None) -> torch.Tensor:
    """Return the summed cross-entropy of a batch over the items of the whole step, a scalar.

    Equal to the model's own loss; softmax in float32.

    Args:
        model: A causal language model of transformers, as it is or wrapped (PEFT, DDP, …).
        batch: A packed or padded batch of `Collator`.
        items: Supervised tokens of the global batch, as `Trainer` counts them; None: this batch's.

    Raises:
        ModelError: the model was to attend inside packed examples, and did not.
    """
    base, labels = base_model(model), batch["labels"]
    inputs = {name: one for name, one in batch.items() if name != "labels"}
    total = None
    if base not in reshaping:
        total = forward(model, base, inputs, Rows(labels, in_chunks=True))
    if total is None:
        reshaping.add(base)
        total = forward(model, base, inputs, Rows(labels, in_chunks=False))
        assert total is not None
    if items is None:
        items = (labels[:, 1:] != IGNORED).sum().clamp(min=1).to(total.device)
    return total / items


def forward(model: Any, base: Any, inputs: Batch, rows: Rows) -> torch.Tensor | None:
    """Run the model with the rows in its output embedding's place."""
    arguments = segment_arguments(base, inputs)
    with projecting(base, rows):
        logits = model(**inputs, **arguments, use_cache=False).logits
    segments = arguments.get("segments")
    if segments is not None and not segments.calls:
        raise ModelError(
            f"{type(base).__name__} did not keep packed examples apart; set data.packing: false"
        )
    return rows.total(logits)


@contextmanager
def projecting(base: Any, rows: Rows) -> Iterator[None]:
    """Narrow the output embedding; what wraps or shards it still sees it called once."""
    head = base.get_output_embeddings()
    if head is None:
        yield
        return
    words = base.config.get_text_config().vocab_size
    before = head.__dict__.get("forward")
    own = head.forward
    head.forward = lambda hidden: rows.project(hidden, own, words)
    try:
        yield
    finally:
        if before is None:
            del head.forward
        else:
            head.forward = before
