"""Log-likelihoods of several continuations of a context in one row: shared tokens computed once.

A question's continuations ("A, C.", "A, C, D.", …) form a tree: tokens that begin alike are one
node. The row is the context followed by the nodes; the attention mask lets a node see the context
and its ancestors alone, and its position is its depth. Several questions make a batch:

    row 1   · · c c c c | n n n n n        · left padding, c context, n nodes, _ unused
    row 2   c c c c c c | n n _ _ _

so that what is scored lies at the end of every row, and logits are taken there and nowhere else.
The idea is tree attention as in SpecInfer (arXiv 2305.09781).
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Branches", "Score", "score_trees", "trees_work"]

Score = tuple[float, bool]
"""A continuation's log-probability, and whether it is the model's greedy choice."""


@dataclass(frozen=True, slots=True)
class Branches:
    """One context with its continuations as a tree."""

    context: list[int]
    continuations: list[list[int]]
    nodes: list[tuple[int, ...]]
    """Each node as the tokens from the root to it; parents come before children."""

    @classmethod
    def of(cls, context: Sequence[int], continuations: Sequence[Sequence[int]]) -> "Branches":
        """Collect the nodes: every proper beginning of a continuation (its end is only scored)."""
        nodes = dict.fromkeys(
            tuple(tokens[:length]) for tokens in continuations for length in range(1, len(tokens))
        )
        return cls(
            list(context), [list(tokens) for tokens in continuations], sorted(nodes, key=len)
        )


def score_trees(model: Any, batch: Sequence[Branches]) -> list[list[Score]]:
    """Score every continuation of every context with one forward pass; softmax in float32.

    Shapes: B rows of W context and N node places; V vocabulary.
    """
    width = max(len(one.context) for one in batch)
    places = max(len(one.nodes) for one in batch)
    ids, positions, mask = layout(batch, width, places)
    lowest = torch.finfo(model.dtype).min
    with torch.inference_mode():
        logits = model(
            ids.to(model.device),
            position_ids=positions.to(model.device),
            attention_mask=((~mask)[:, None] * lowest).to(model.device, model.dtype),
            logits_to_keep=places + 1,
            use_cache=False,
        ).logits  # (B, 1 + N, V)
        return [read(one, row) for one, row in zip(batch, logits, strict=True)]


def layout(
    batch: Sequence[Branches], width: int, places: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return token ids (B, W+N), positions (B, W+N) and who sees whom (B, W+N, W+N)."""
    length = width + places
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    positions = torch.zeros(len(batch), length, dtype=torch.long)
    mask = torch.eye(length, dtype=torch.bool).repeat(len(batch), 1, 1)
    for row, one in enumerate(batch):
        size, start = len(one.context), width - len(one.context)
        ids[row, start:width] = torch.tensor(one.context)
        positions[row, start:width] = torch.arange(size)
        mask[row, start:width, start:width] = torch.ones(size, size).tril().bool()
        place = {node: width + index for index, node in enumerate(one.nodes)}
        for node, at in place.items():
            ids[row, at], positions[row, at] = node[-1], size + len(node) - 1
            mask[row, at, start:width] = True
            mask[row, at, [place[node[:depth]] for depth in range(1, len(node))]] = True
    return ids, positions, mask


def read(one: Branches, logits: torch.Tensor) -> list[Score]:
    """Sum log-probabilities along each continuation; logits (1 + N, V), the context's end first."""
    row = {(): 0} | {node: index for index, node in enumerate(one.nodes, start=1)}
    table = torch.log_softmax(logits[: len(row)].float(), dim=-1)
    greedy = table.argmax(dim=-1).tolist()
    scores = []
    for tokens in one.continuations:
        rows = [row[tuple(tokens[:length])] for length in range(len(tokens))]
        total = table[rows, tokens].sum()
        scores.append((float(total), [greedy[at] for at in rows] == tokens))
    return scores


def trees_work(model: Any) -> bool:
    """Try it: does this model give the same scores for a tree as for its branches one by one?

    Models whose attention is not a mask over tokens (states, sliding windows, ALiBi, virtual
    tokens) refuse the arguments or score otherwise; then the caller takes the ordinary path.
    """
    if "logits_to_keep" not in inspect.signature(base(model).forward).parameters:
        return False
    sizes = torch.Generator().manual_seed(0)
    vocabulary = model.get_input_embeddings().num_embeddings
    tokens = torch.randint(vocabulary, (48,), generator=sizes).tolist()
    context, ends = tokens[:24], [tokens[24:32], [*tokens[24:28], *tokens[32:36]], tokens[36:44]]
    try:
        together = score_trees(model, [Branches.of(context, ends), Branches.of(context[:5], ends)])
    except (ValueError, TypeError, RuntimeError, IndexError):
        return False
    tolerance = 1e-3 if model.dtype == torch.float32 else 1.0
    return all(
        abs(found[0] - plain(model, start, end)) < tolerance
        for start, row in zip((context, context[:5]), together, strict=True)
        for end, found in zip(ends, row, strict=True)
    )


def base(model: Any) -> Any:
    """Return what an adapter is on, or the model itself."""
    from peft import PeftModel

    return model.get_base_model() if isinstance(model, PeftModel) else model


def plain(model: Any, context: Sequence[int], continuation: Sequence[int]) -> float:
    """Score one continuation in the ordinary way."""
    ids = torch.tensor([[*context, *continuation]], device=model.device)
    with torch.inference_mode():
        logits = model(ids[:, :-1], use_cache=False).logits[0, len(context) - 1 :]
    table = torch.log_softmax(logits.float(), dim=-1)
    return float(table.gather(1, ids[0, len(context) :, None]).sum())
