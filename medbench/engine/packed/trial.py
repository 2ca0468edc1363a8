"""Does the packed engine work for a model? It is tried, not looked up."""

from collections.abc import Sequence
from typing import Any

import torch

from medbench.engine.packed.attention import planned
from medbench.engine.packed.passes import PackPlan, Path, forward
from medbench.engine.packed.scores import Limits, score
from medbench.engine.packed.trie import Branches, build, depth_first

__all__ = ["packing_works", "widest"]

REFUSALS = (ValueError, TypeError, RuntimeError, IndexError, KeyError, AttributeError)
"""What models raise that do not know the arguments, or the attention."""


def packing_works(model: Any, outer: Any) -> bool:
    """Score a few random sequences packed and in the ordinary way; compare.

    Models whose attention is not transformers' own (states, ALiBi, virtual tokens) refuse the
    arguments or score otherwise. Sliding windows are too wide for a short trial: see `widest`.
    """
    seed = torch.Generator().manual_seed(0)
    vocabulary = model.get_input_embeddings().num_embeddings
    tokens = torch.randint(vocabulary, (96,), generator=seed).tolist()
    contexts = [tokens[:50], tokens[:40] + tokens[60:64]]
    ends = [tokens[70:75], [*tokens[70:73], *tokens[80:83]]]
    questions = [Branches.of(context, ends) for context in contexts]
    tolerance = 1e-3 if model.dtype == torch.float32 else 1.0
    try:
        found = dict(score(model, questions, Limits(tokens=32)))
    except REFUSALS:
        return False
    for index, context in enumerate(contexts):
        wanted = [ordinary(outer, context, end) for end in ends]
        if any(abs(a - b) >= tolerance for a, (b, _) in zip(wanted, found[index], strict=True)):
            return False
    return True


def widest(model: Any) -> int | None:
    """Return the most tokens that the engine scores exactly; None: all that the model takes.

    A sliding window that the layers do not tell the attention, chunked attention, and rotary
    angles that change with the length of the row set a limit.
    """
    config = model.config.get_text_config()
    limits = [getattr(config, "attention_chunk_size", None)]
    kinds = set(getattr(config, "layer_types", None) or ["sliding_attention"])
    window = getattr(config, "sliding_window", None)
    if kinds != {"full_attention"} and window not in windows(model):
        limits.append(window)
    rotary = getattr(config, "rope_parameters", None) or {}
    for one in (rotary, *rotary.values()):
        if isinstance(one, dict) and one.get("rope_type") in ("longrope", "dynamic"):
            original = one.get("original_max_position_embeddings")
            limits.append(original or config.max_position_embeddings)
    return min((limit for limit in limits if limit), default=None)


def windows(model: Any) -> set[int | None]:
    """Return the sliding windows that the model's layers ask the attention for."""
    pack = list(depth_first(build([Branches.of([0], [])], 1, None)[0]))
    plan = PackPlan(pack, Path(), None)
    with planned(model):
        forward(model, pack, plan, [])
    return {window for _, window, _ in plan.masks}


def ordinary(model: Any, context: Sequence[int], continuation: Sequence[int]) -> float:
    """Score one continuation with a plain forward pass."""
    ids = torch.tensor([[*context, *continuation]], device=model.device)
    with torch.inference_mode():
        logits = model(ids[:, :-1], use_cache=False).logits[0, len(context) - 1 :]
    table = torch.log_softmax(logits.float(), dim=-1)
    return float(table.gather(1, ids[0, len(context) :, None]).sum())
