"""Which models can read packed rows: tried without weights, and again with them."""

from typing import Any

import pytest
import transformers

from medbench.errors import ModelError
from medbench.recipe import Data, Method, Model, Recipe
from medbench.training import layout
from medbench.training.attention import PACKED, packed_attention
from medbench.training.batches import Collator
from medbench.training.layout import check_packing, choose
from medbench.training.loss import supervised_loss
from tests.test_training_loss import check
from tests.tiny_models import CONFIGS, EXAMPLES, GROUPED, ITEMS, WORDS, build, meta

RECIPE = Recipe(model=Model(id="tiny"), data=Data(sequence_length=64))


@pytest.mark.parametrize("name", CONFIGS)
def test_models_can_be_packed(name: str) -> None:
    model = build(name)
    assert choose(model, RECIPE) == (PACKED, True)
    model.set_attn_implementation(PACKED)
    model.train()
    check_packing(model)
    assert model.training
    assert PACKED not in model.config.to_json_string()


def conv() -> Any:
    kinds = ["conv", "full_attention"]
    return transformers.Lfm2Config(**GROUPED, layer_types=kinds)


def stretched() -> Any:
    factors = {"short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "factor": 8.0, **factors}
    return transformers.Phi3Config(
        **GROUPED, rope_parameters=rope, original_max_position_embeddings=32
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda: transformers.BloomConfig(vocab_size=WORDS, hidden_size=32, n_layer=1), "chosen"),
        (lambda: transformers.Gemma2Config(**GROUPED, head_dim=8), "attention with softcap"),
        (conv, "mixes tokens in other ways than attention"),
        (stretched, "at most 32 tokens exactly, and data.sequence_length is 64"),
    ],
)
def test_models_that_cannot_be_packed(
    config: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    layout = choose(meta(config()), RECIPE)
    assert not layout.packing
    assert layout.attention in ("sdpa", "eager")
    assert message in caplog.text
    assert caplog.text.count("batches are padded instead of packed") == 1


@pytest.mark.parametrize(
    ("recipe", "layout"),
    [
        (Recipe(model=Model(id=""), data=Data(packing=False)), ("sdpa", False)),
        (Recipe(model=Model(id="", attention="eager")), ("eager", True)),
        (Recipe(model=Model(id="", attention="flash_attention_2")), ("flash_attention_2", True)),
        (Recipe(model=Model(id=""), method=Method(name="prefix")), ("sdpa", False)),
    ],
)
def test_recipes(recipe: Recipe, layout: tuple[str, bool]) -> None:
    assert choose(meta(CONFIGS["Llama"]()), recipe) == layout


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_transformers_own_masks_keep_examples_apart(attention: str) -> None:
    model, packed = build("Gemma3"), Collator(0, packing=True)(EXAMPLES)
    model.set_attn_implementation(attention)
    check_packing(model)
    wanted = supervised_loss(model, Collator(0, packing=False)(EXAMPLES), ITEMS)
    check(model, supervised_loss(model, packed, ITEMS), wanted)


@pytest.mark.parametrize("rounded", [1, layout.TRIES - 1])
def test_rounding_that_goes_away_is_no_leak(rounded: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, moves = build("Llama"), iter([0.8] * rounded + [0.0])
    model.set_attn_implementation(PACKED)
    monkeypatch.setattr(layout, "moved", lambda *_: next(moves))
    check_packing(model)
    assert list(moves) == []


def test_a_leak_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("Llama")
    model.set_attn_implementation(PACKED)

    def leaks(*arguments: Any, segments: Any, **more: Any) -> Any:
        segments.lengths = [sum(segments.lengths)]
        return packed_attention(*arguments, segments=segments, **more)

    transformers.AttentionInterface.register(PACKED, leaks)
    try:
        with pytest.raises(ModelError, match=r"sees the one before it .*data\.packing: false"):
            check_packing(model)
    finally:
        transformers.AttentionInterface.register(PACKED, packed_attention)
