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

from medbench.engine.shared_prefix import Prefix

__all__ = ["Branches", "Score", "score_trees", "trees_work", "window"]

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


def score_trees(
    model: Any, batch: Sequence[Branches], prefix: Prefix | None = None
) -> list[list[Score]]:
    """Score every continuation of every context with one forward pass; softmax in float32.

    Contexts are what comes after the prefix, if there is one.
    Shapes: B rows of P prefix, W context and N node places; V vocabulary.
    """
    width = max(len(one.context) for one in batch)
    places = max(len(one.nodes) for one in batch)
    before = prefix.length if prefix else 0
    ids, positions, mask = layout(batch, width, places)
    seen = torch.nn.functional.pad(mask, (before, 0), value=True)  # (B, W+N, P+W+N)
    lowest = torch.finfo(model.dtype).min
    with torch.inference_mode():
        logits = model(
            ids.to(model.device),
            position_ids=(before + positions).to(model.device),
            attention_mask=((~seen)[:, None] * lowest).to(model.device, model.dtype),
            logits_to_keep=places + 1,
            past_key_values=prefix.cache(len(batch)) if prefix else None,
            use_cache=prefix is not None,
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

    Models whose attention is not a mask over tokens (states, ALiBi, virtual tokens) refuse the
    arguments or score otherwise; then the caller takes the ordinary path. Sliding windows are too
    wide for a short trial: see `window`.
    """
    if "logits_to_keep" not in inspect.signature(base(model).forward).parameters:
        return False
    seed = torch.Generator().manual_seed(0)
    vocabulary = model.get_input_embeddings().num_embeddings
    tokens = torch.randint(vocabulary, (48,), generator=seed).tolist()
    start, contexts = tokens[:8], [tokens[8:24], tokens[8:13]]
    ends = [tokens[24:32], [*tokens[24:28], *tokens[32:36]], tokens[36:44]]
    try:
        alone = score_trees(model, [Branches.of([*start, *one], ends) for one in contexts])
        prefix = Prefix.of(model, start)
        after = score_trees(model, [Branches.of(one, ends) for one in contexts], prefix)
    except (ValueError, TypeError, RuntimeError, IndexError, AttributeError):
        return False
    tolerance = 1e-3 if model.dtype == torch.float32 else 1.0
    for context, rows in zip(contexts, zip(alone, after, strict=True), strict=True):
        wanted = [plain(model, [*start, *context], end) for end in ends]
        for row in rows:
            found = [score for score, _ in row]
            if any(abs(a - b) >= tolerance for a, b in zip(wanted, found, strict=True)):
                return False
    return True


def window(model: Any) -> int | None:
    """Return the most tokens that every layer sees whole, from the model's configuration.

    A tree's mask says nothing of sliding or chunked attention, so longer sequences are not for it.
    """
    config = base(model).config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["sliding_attention"])
    if kinds == {"full_attention"}:
        return None
    sizes = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((size for size in sizes if size), default=None)


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
