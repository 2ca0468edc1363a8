"""Trees score as lm-eval's own path does: architectures × few-shot prefixes × kinds of options."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.models.huggingface import HFLM
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from medbench.engine.generation import Encoded
from medbench.engine.hf import MedbenchHF
from medbench.engine.option_tree import Branches, trees_work, window
from medbench.engine.shared_prefix import WORTHWHILE, common_length, groups

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "vocab_size": 300}
SMALL = {**SIZES, "intermediate_size": 64, "num_hidden_layers": 2, "num_key_value_heads": 2}
SLIDING = ["sliding_attention", "full_attention"]
# name: (configuration, is a tree what it can score)
ARCHITECTURES: dict[str, tuple[dict[str, Any], bool]] = {
    "llama": (SMALL, True),
    "qwen2": (SMALL, True),
    "qwen3": ({**SMALL, "head_dim": 8}, True),
    "mistral": ({**SMALL, "sliding_window": 120}, True),
    "phi3": ({**SMALL, "pad_token_id": 0, "sliding_window": None}, True),
    "gemma3_text": (
        {**SMALL, "head_dim": 8, "sliding_window": 120, "layer_types": SLIDING, "pad_token_id": 0},
        True,
    ),
    "bloom": ({**SIZES, "n_layer": 2, "n_head": 4}, False),
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def lm(request: pytest.FixtureRequest, tiny_model: Path) -> Iterator[Any]:
    settings, works = ARCHITECTURES[request.param]
    torch.manual_seed(0)
    config = AutoConfig.for_model(request.param, **settings, max_position_embeddings=512)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for parameter in model.parameters():  # random enough that a wrong mask shows
        torch.nn.init.normal_(parameter, std=0.3)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    made = MedbenchHF(model, tokenizer=tokenizer, batch_size=3, max_length=512)
    assert made.can_score_trees is works
    return made


def requests(seed: int, shots: int) -> list[Encoded]:
    """Contexts of many lengths, some longer than the sliding windows, with all kinds of options."""
    tokens = torch.Generator().manual_seed(seed)

    def draw(length: int) -> list[int]:
        return torch.randint(3, 300, (length,), generator=tokens).tolist()

    prefix, made = draw(shots), []
    for length in (1, 7, 30, 90, 150):
        context = prefix + draw(length)
        letters = [draw(1) for _ in range(4)]
        comma, stop = draw(1), draw(1)
        sets = [[*one, *stop] for one in letters]
        sets += [[*letters[0], *comma, *letters[1], *stop], [*letters[2], *comma, *letters[3]]]
        for options in (letters, sets, [draw(5), draw(9), draw(2)]):
            made += [(None, context, option) for option in options]
    return made


@pytest.mark.parametrize("shots", [0, 80, 200])
def test_equal_to_lm_eval(lm: Any, shots: int) -> None:
    asked = requests(shots, shots)
    ours = lm._loglikelihood_tokens(asked, disable_tqdm=True)
    theirs = HFLM._loglikelihood_tokens(lm, asked, disable_tqdm=True)
    for (_, context, option), one, other in zip(asked, ours, theirs, strict=True):
        assert one[0] == pytest.approx(other[0], abs=1e-3), (len(context), option)
        assert one[1] == other[1]


def test_windows(lm: Any) -> None:
    kind = lm.model.config.model_type
    assert window(lm.model) == (120 if kind in ("mistral", "gemma3_text") else None)
    longest = max((len(context) for context in lm.by_context(requests(0, 80))), default=0)
    assert longest <= (window(lm.model) or 512)


def test_a_model_that_ignores_the_mask_is_found_out(lm: Any, monkeypatch: Any) -> None:
    forward = lm.model.forward

    def without_mask(*args: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        return forward(*args, **kwargs)

    without_mask.__signature__ = __import__("inspect").signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(lm.model, "forward", without_mask)
    assert not trees_work(lm.model)


contexts = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=1, max_size=8)


@given(contexts, contexts)
@settings(max_examples=100, deadline=None)
def test_groups(starts: list[list[int]], ends: list[list[int]]) -> None:
    long = [tuple(start * WORTHWHILE) for start in starts]
    made = list({(*start, *end) for start in long for end in ends})
    found = groups(made)
    assert sorted(one for _, members in found for one in members) == sorted(made)
    for length, members in found:
        assert length == 0 or length >= WORTHWHILE
        assert all(len(one) > length and one[:length] == members[0][:length] for one in members)


def test_common_length() -> None:
    assert common_length([1, 2, 3], [1, 2, 4]) == 2
    assert common_length([1, 2], [1, 2, 3]) == 2
    assert common_length([], [1]) == 0


def test_nodes_are_the_distinct_beginnings() -> None:
    tree = Branches.of([9], [[1, 5], [1, 2, 5], [1, 2, 3, 5], [4]])
    assert tree.nodes == [(1,), (1, 2), (1, 2, 3)]
