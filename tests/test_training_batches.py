"""Packed and padded batches hold the same examples; padding is never supervised."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from medbench.training.batches import Collator, lengths_of
from medbench.training.examples import IGNORED, Example

STOP = 2


@st.composite
def examples(draw: st.DrawFn) -> Example:
    prompt = draw(st.lists(st.integers(3, 99), min_size=1, max_size=12))
    answer = [*draw(st.lists(st.integers(3, 99), max_size=5)), STOP]
    return Example(prompt + answer, [IGNORED] * len(prompt) + answer, "")


lists = st.lists(examples(), min_size=1, max_size=6)


@given(lists)
def test_packed(some: list[Example]) -> None:
    batch = Collator(0, packing=True)(some)
    assert sorted(batch) == ["input_ids", "labels", "position_ids"]
    total = sum(len(one.labels) for one in some)
    assert {tensor.shape for tensor in batch.values()} == {(1, total)}
    assert lengths_of(batch["position_ids"]) == [len(one.labels) for one in some]
    at = 0
    for one in some:
        part = slice(at, at + len(one.labels))
        assert batch["input_ids"][0, part].tolist() == one.input_ids
        assert batch["labels"][0, part].tolist() == one.labels
        assert batch["position_ids"][0, part].tolist() == list(range(len(one.labels)))
        assert batch["labels"][0, at] == IGNORED  # nobody learns how the next example starts
        at = part.stop


@given(lists)
def test_padded_with_the_stop_token(some: list[Example]) -> None:
    batch = Collator(STOP, packing=False)(some)
    assert sorted(batch) == ["attention_mask", "input_ids", "labels"]
    width = max(len(one.labels) for one in some)
    assert {tensor.shape for tensor in batch.values()} == {(len(some), width)}
    for row, one in enumerate(some):
        own = len(one.labels)
        assert batch["input_ids"][row].tolist() == one.input_ids + [STOP] * (width - own)
        assert batch["labels"][row, :own].tolist() == one.labels
        assert (batch["labels"][row, own:] == IGNORED).all()
        assert batch["attention_mask"][row].tolist() == [1] * own + [0] * (width - own)
        assert (batch["labels"][row] == STOP).sum() == 1


@given(lists)
def test_both_supervise_the_same(some: list[Example]) -> None:
    packed, padded = (Collator(STOP, packing)(some)["labels"] for packing in (True, False))
    assert torch.equal(packed[packed != IGNORED], padded[padded != IGNORED])
    assert not torch.equal(packed, padded) or len(some) == 1
