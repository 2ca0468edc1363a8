"""The packed engine scores and writes what lm-eval's own path does: architectures × prompts."""

import functools
import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from medbench.engine.generation import Encoded
from medbench.engine.hf import MedbenchHF
from medbench.engine.packed.scores import Limits
from medbench.engine.packed.trial import packing_works, widest
from medbench.errors import ModelError

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "vocab_size": 300}
SMALL = {**SIZES, "intermediate_size": 64, "num_hidden_layers": 2, "num_key_value_heads": 2}
SLIDING = ["sliding_attention", "full_attention"]
# name: (configuration, does packing work, what it is exact up to)
ARCHITECTURES: dict[str, tuple[dict[str, Any], bool, int | None]] = {
    "llama": (SMALL, True, None),
    "qwen2": (SMALL, True, None),
    "qwen3": ({**SMALL, "head_dim": 8}, True, None),
    "mistral": ({**SMALL, "sliding_window": 40}, True, None),
    "phi3": ({**SMALL, "pad_token_id": 0, "sliding_window": None}, True, None),
    "gemma3_text": (
        {**SMALL, "head_dim": 8, "sliding_window": 40, "layer_types": SLIDING, "pad_token_id": 0},
        True,
        None,
    ),
    "gemma2": (  # its softmax is capped
        {**SMALL, "head_dim": 8, "sliding_window": 40, "pad_token_id": 0},
        False,
        None,
    ),
    "bloom": ({**SIZES, "n_layer": 2, "n_head": 4}, False, None),
    "mamba": ({**SIZES, "num_hidden_layers": 2, "state_size": 8}, False, None),
}


def make(kind: str, tokenizer: Any, **settings: Any) -> MedbenchHF:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **ARCHITECTURES[kind][0], max_position_embeddings=640)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for name, parameter in model.named_parameters():  # random enough that a wrong mask shows
        if "norm" not in name and "A_log" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return MedbenchHF(model, tokenizer=tokenizer, batch_size=3, max_length=640, **settings)


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest, tokenizer: Any) -> Iterator[Any]:
    made = make(request.param, tokenizer)
    _, works, limit = ARCHITECTURES[request.param]
    assert made.can_pack is works
    assert not works or widest(made.base) == limit
    return made


def requests(seed: int, shots: int) -> list[Encoded]:
    """Contexts of many lengths, some longer than the sliding windows, with all kinds of options."""
    tokens = torch.Generator().manual_seed(seed)

    def draw(length: int) -> list[int]:
        return torch.randint(3, 300, (length,), generator=tokens).tolist()

    prefix, made = draw(shots), []
    stem = draw(40)
    for length in (1, 7, 30, 90, 150):
        context = prefix + (stem if length > 20 else []) + draw(length)
        letters = [draw(1) for _ in range(4)]
        comma, stop = draw(1), draw(1)
        sets = [[*one, *stop] for one in letters]
        sets += [[*letters[0], *comma, *letters[1], *stop], [*letters[2], *comma, *letters[3]]]
        for options in (letters, sets, [draw(5), draw(9), draw(2)]):
            made += [(None, context, option) for option in options]
    return made


def assert_equal(lm: Any, asked: list[Encoded], **limits: Any) -> list[tuple[float, bool]]:
    before, lm.limits = lm.limits, Limits(**limits)
    ours = lm._loglikelihood_tokens(asked, disable_tqdm=True)
    lm.limits = before
    theirs = HFLM._loglikelihood_tokens(lm, asked, disable_tqdm=True)
    for (_, context, option), one, other in zip(asked, ours, theirs, strict=True):
        assert one[0] == pytest.approx(other[0], abs=1e-3), (len(context), option)
        assert one[1] == other[1]
    return list(ours)


@pytest.mark.parametrize("shots", [0, 80, 300])
@pytest.mark.parametrize("tokens", [64, 2048])
def test_equal_to_lm_eval(lm: Any, shots: int, tokens: int) -> None:
    assert_equal(lm, requests(shots, shots), tokens=tokens)


def test_strict_scores_know_no_neighbours(lm: Any) -> None:
    if not lm.can_pack:
        return
    asked = requests(7, 300)
    together = assert_equal(lm, asked, strict=True)
    lm.limits = Limits(strict=True)
    backwards = lm._loglikelihood_tokens(asked[::-1], disable_tqdm=True)[::-1]
    assert backwards == together
    contexts = {tuple(context) for _, context, _ in asked}
    for context in contexts:
        own = [index for index, one in enumerate(asked) if tuple(one[1]) == context]
        alone = lm._loglikelihood_tokens([asked[index] for index in own], disable_tqdm=True)
        assert alone == [together[index] for index in own]
    lm.limits = Limits()


def prompts(tokenizer: Any, shots: int) -> list[Instance]:
    tokens = torch.Generator().manual_seed(shots)
    words = [str(one) for one in torch.randint(10, 999, (shots + 400,), generator=tokens).tolist()]
    start = " ".join(words[:shots])
    ends = [(0, 3), (20, 60), (60, 75), (20, 90), (100, 101), (200, 290), (300, 330)]
    settings = {"until": ["7 ", "11"], "max_gen_toks": 24, "do_sample": False}
    texts = [f"{start} {' '.join(words[shots + a : shots + b])}" for a, b in ends]
    return [Instance("generate_until", {}, (text, settings), 0) for text in texts]


@pytest.mark.parametrize("shots", [0, 60])
@pytest.mark.parametrize("strict", [False, True])
def test_texts_equal_to_lm_eval(lm: Any, tokenizer: Any, shots: int, strict: bool) -> None:
    asked = prompts(tokenizer, shots)
    if (strict and not lm.can_pack) or lm.model.config.model_type == "mamba":
        return  # padding changes the texts of a state-space model, in lm-eval too
    lm.limits = Limits(tokens=128, strict=strict)
    ours = lm.generate_until(asked, disable_tqdm=True)
    lm.limits = Limits()
    assert ours == HFLM.generate_until(lm, asked, disable_tqdm=True)
    assert len(set(ours)) > 3


def test_what_cannot_be_packed_is_said_once(
    tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lm = make("bloom", tokenizer)
    with caplog.at_level(logging.WARNING, "medbench"):
        for _ in range(2):
            lm._loglikelihood_tokens(requests(0, 0), disable_tqdm=True)
    assert [one.getMessage() for one in caplog.records if one.name.startswith("medbench")] == [
        "this model takes lm-eval's own path, which computes shared tokens anew"
    ]
    with pytest.raises(ModelError, match="run it without strict"):
        make("bloom", tokenizer, strict=True).can_pack  # noqa: B018


def test_a_window_that_the_attention_is_not_told_is_a_limit(tokenizer: Any) -> None:
    lm = make("llama", tokenizer)
    lm.model.config.sliding_window = 40
    lm.model.config.layer_types = SLIDING
    assert widest(lm.base) == 40
    assert max(map(len, lm.by_context(requests(0, 20)))) <= 40


def test_rotary_angles_that_change_with_length_are_a_limit(tokenizer: Any) -> None:
    lm = make("llama", tokenizer)
    lm.model.config.rope_parameters |= {
        "rope_type": "dynamic",
        "original_max_position_embeddings": 99,
    }
    assert widest(lm.base) == 99


def test_a_model_that_ignores_positions_is_found_out(tokenizer: Any, monkeypatch: Any) -> None:
    lm = make("llama", tokenizer)
    forward = lm.model.forward

    @functools.wraps(forward)
    def without_positions(*args: Any, position_ids: Any = None, **kwargs: Any) -> Any:
        return forward(*args, **kwargs)

    without_positions.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(lm.model, "forward", without_positions)
    assert not packing_works(lm.base, lm.model)
