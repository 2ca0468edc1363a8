"""Can a model read packed rows? It is tried on a copy without weights, then on the model itself."""

import copy
import logging
from typing import Any, NamedTuple

import torch

from medbench.errors import ModelError
from medbench.recipe import VIRTUAL_TOKENS, Recipe
from medbench.training.attention import PACKED, Segments
from medbench.training.batches import Batch, Collator, lengths_of
from medbench.training.examples import IGNORED, Example

__all__ = ["Layout", "base_model", "check_packing", "choose", "segment_arguments"]

log = logging.getLogger(__name__)
REFUSALS = (ValueError, TypeError, RuntimeError, IndexError, KeyError, AttributeError)
"""What models raise that do not know the arguments, or the attention (NotImplementedError too)."""
TRIES = 5
"""A leak is there each time. What is not was seen once, in bfloat16 on a busy processor: logits 0.8
apart that 48 further passes gave alike. Rounding by another way through a matrix library would do
that; it is not proven."""


class Layout(NamedTuple):
    """How batches are laid out, and what computes the attention."""

    attention: str
    """For `attn_implementation`."""
    packing: bool
    """For `Collator`."""


def base_model(model: Any) -> Any:
    """Return transformers' model inside its wrappers (DDP, DeepSpeed, torch.compile, PEFT)."""
    for name in ("_orig_mod", "module"):
        while hasattr(model, name):
            model = getattr(model, name)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def choose(model: Any, recipe: Recipe) -> Layout:
    """Return how a recipe's batches are laid out for a model; said once where it asked otherwise.

    Args:
        model: transformers' model, with weights or on the meta device (which suffices).
        recipe: What asks for packing and attention.
    """
    base, asked = base_model(model), recipe.model.attention
    plain = asked if asked != "auto" else best(base)
    if not recipe.data.packing:
        return Layout(plain, False)
    attention = PACKED if asked == "auto" else asked
    reason = obstacle(base, recipe, attention)
    if reason:
        log.warning("%s; batches are padded instead of packed", reason)
        return Layout(plain, False)
    return Layout(attention, True)


def best(base: Any) -> str:
    """Return the attention for padded batches."""
    return "sdpa" if base._supports_sdpa else "eager"


def obstacle(base: Any, recipe: Recipe, attention: str) -> str:
    """Return why a model cannot read packed rows, or nothing."""
    kind = type(base)
    if recipe.method.name in VIRTUAL_TOKENS:
        return f"method {recipe.method.name} puts its vectors in front of a row, not of an example"
    has_choice = kind._can_set_attn_implementation() and kind._supports_attention_backend
    if not has_choice or getattr(kind, "_is_stateful", False):
        return f"{kind.__name__} does not let its attention be chosen"
    config = base.config.get_text_config()
    try:
        segments = probe(base)
    except (*REFUSALS, NotImplementedError) as error:
        return f"{kind.__name__} cannot be packed: {str(error).splitlines()[0]}"
    if segments.calls != config.num_hidden_layers:
        return f"{kind.__name__} mixes tokens in other ways than attention"
    limit = widest(config, segments.windows if attention == PACKED else None)
    if limit and recipe.data.sequence_length > limit:
        return (
            f"{kind.__name__} reads packed examples of at most {limit} tokens exactly, and "
            f"data.sequence_length is {recipe.data.sequence_length}"
        )
    return ""


def probe(base: Any) -> Segments:
    """Run a copy without weights over a packed row; return what its layers asked for."""
    config = copy.deepcopy(base.config)
    plain_angles(config.get_text_config())
    with torch.device("meta"):
        model = type(base)(config)
        model.set_attn_implementation(PACKED)
        segments = Segments([3, 2])
        model(
            input_ids=torch.zeros(1, 5, dtype=torch.int64),
            position_ids=torch.tensor([[0, 1, 2, 0, 1]]),
            segments=segments,
            use_cache=False,
        )
    return segments


def rotary(config: Any) -> list[dict[str, Any]]:
    """Return the settings of a model's rotary angles: one for all layers, or one for each kind."""
    settings = getattr(config, "rope_parameters", None) or {}
    return [one for one in (settings, *settings.values()) if isinstance(one, dict)]


def plain_angles(config: Any) -> None:
    """Let angles not depend on positions, which have no values on the meta device."""
    for one in rotary(config):
        if "rope_type" in one:
            one["rope_type"] = "default"


def widest(config: Any, windows: set[int | None] | None) -> int | None:
    """Return the most tokens of an example that packing computes exactly; None: any number.

    Chunked attention, a sliding window that layers do not tell the attention, and rotary angles
    that depend on the longest example of a row set a limit.
    """
    limits = [getattr(config, "attention_chunk_size", None)]
    kinds = set(getattr(config, "layer_types", None) or ["sliding_attention"])
    window = getattr(config, "sliding_window", None)
    if kinds != {"full_attention"} and windows is not None and window not in windows:
        limits.append(window)
    for one in rotary(config):
        if one.get("rope_type") in ("longrope", "dynamic"):
            original = one.get("original_max_position_embeddings")
            limits.append(original or config.max_position_embeddings)
    return min((limit for limit in limits if limit), default=None)


def segment_arguments(base: Any, batch: Batch) -> dict[str, Any]:
    """Return what a forward pass must be told of a batch's examples; nothing of a padded one."""
    attention = base.config._attn_implementation
    if "position_ids" not in batch or not attention.startswith((PACKED, "flash_attention")):
        return {}
    segments = Segments(lengths_of(batch["position_ids"]))
    if attention == PACKED:
        return {"segments": segments}
    bounds = segments.bounds(batch["input_ids"].device)
    return {
        **dict.fromkeys(("cu_seq_lens_q", "cu_seq_lens_k"), bounds),
        **dict.fromkeys(("max_length_q", "max_length_k"), segments.longest),
    }


def check_packing(model: Any) -> None:
    """See that what one packed example holds changes nothing in the other.

    Call it once, with weights, before they are sharded; sharded or missing ones are left alone.

    Raises:
        ModelError: it does.
    """
    base = base_model(model)
    if any(one.is_meta or hasattr(one, "ds_id") for one in base.parameters()):
        return
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for _ in range(TRIES):
            move = moved(model, base)
            if not move:
                break
    model.train(was_training)
    if move:
        raise ModelError(
            f"{type(base).__name__}: an example in a packed row sees the one before it (logits "
            f"move by {move:.2g}); set data.packing: false"
        )


def moved(model: Any, base: Any) -> float:
    """Return how far a packed text's logits move when the one before it changes; 0: not at all."""
    words = base.get_input_embeddings().num_embeddings
    source = torch.Generator().manual_seed(0)
    drawn = torch.randint(words, (3, 20), generator=source).tolist()
    before, after = (second_of(model, base, [first, drawn[0]]) for first in drawn[1:])
    if torch.allclose(before, after, atol=1e-3, rtol=1e-3):
        return 0.0
    return float((before - after).abs().max())


def second_of(model: Any, base: Any, texts: list[list[int]]) -> torch.Tensor:
    """Return the logits of the second of two packed texts, in float32."""
    examples = [Example(ids, [IGNORED] * len(ids), "") for ids in texts]
    device = base.get_input_embeddings().weight.device
    batch = {name: one.to(device) for name, one in Collator(0, True)(examples).items()}
    del batch["labels"]
    out = model(**batch, **segment_arguments(base, batch), use_cache=False)
    return torch.as_tensor(out.logits[0, len(texts[0]) :]).float()
