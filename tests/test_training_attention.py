"""Attention inside examples against one mask over the whole row; kernels that are not taken."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.training import attention
from medbench.training.attention import Segments, all_at_once, one_by_one, packed_attention

CPU = torch.device("cpu")


def draw(heads: int, length: int, seed: int) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    drawn = torch.randn(1, length, heads, 8, generator=source, dtype=torch.float64)
    return drawn.transpose(1, 2).requires_grad_()


def formula(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: list[int],
    window: int | None,
) -> torch.Tensor:
    """Attend over the whole row, with a mask that tells examples apart."""
    times = query.shape[1] // key.shape[1]
    key, value = (one.repeat_interleave(times, 1) for one in (key, value))
    example = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    at = torch.arange(sum(lengths))
    gap = at[:, None] - at[None, :]
    sees = (example[:, None] == example[None, :]) & (gap >= 0) & (gap < (window or sum(lengths)))
    scores = (query @ key.transpose(2, 3) * 0.3).masked_fill(~sees, -torch.inf)
    return (scores.softmax(-1) @ value).transpose(1, 2)


@given(
    st.lists(st.integers(1, 13), min_size=1, max_size=5),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([None, 1, 3, 8]),
    st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_examples_are_alone(lengths: list[int], groups: int, window: int | None, seed: int) -> None:
    total = sum(lengths)
    inputs = [draw(4, total, seed), draw(groups, total, seed + 1), draw(groups, total, seed + 2)]
    wanted = formula(*inputs, lengths, window)  # type: ignore[misc]
    found, weights = packed_attention(
        torch.nn.Identity(),
        *inputs,
        attention_mask=None,
        scaling=0.3,
        sliding_window=window,
        segments=Segments(lengths),
    )
    assert weights is None
    assert found.is_contiguous()
    assert torch.allclose(found, wanted)
    weight = draw(4, total, seed + 3).transpose(1, 2)
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), inputs),
        torch.autograd.grad((wanted * weight).sum(), inputs),
        strict=True,
    ):
        assert torch.allclose(one, other)


def test_dropout_is_applied() -> None:
    inputs = [draw(2, 30, seed) for seed in range(3)]
    segments = Segments([30])

    def run(dropout: float) -> torch.Tensor:
        torch.manual_seed(0)
        return packed_attention(
            torch.nn.Identity(), *inputs, None, dropout=dropout, segments=segments
        )[0]

    assert not torch.allclose(run(0.5), run(0.0))
    assert segments.calls == 2


def test_autocast_makes_types_alike() -> None:
    query, key, value = (draw(2, 6, seed).float() for seed in range(3))
    with torch.autocast("cpu", torch.bfloat16):
        out, _ = packed_attention(
            torch.nn.Identity(), query, key, value.bfloat16(), None, segments=Segments([2, 4])
        )
    assert out.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"softcap": 30.0}, "attention with softcap"),
        ({"s_aux": torch.zeros(2), "position_bias": 1}, "attention with s_aux, position_bias"),
        ({"attention_mask": torch.zeros(1, 1, 6, 6)}, "attention with a mask of its own"),
        ({"segments": None}, "run it through supervised_loss"),
    ],
)
def test_what_it_cannot_do_it_refuses(asked: dict[str, Any], message: str) -> None:
    query, key, value = (draw(2, 6, seed) for seed in range(3))
    told = {"attention_mask": None, "segments": Segments([6])} | asked
    with pytest.raises(NotImplementedError, match=message):
        packed_attention(torch.nn.Identity(), query, key, value, **told)


def test_two_rows_are_refused() -> None:
    two = torch.zeros(2, 2, 6, 8)
    with pytest.raises(NotImplementedError, match="run it through supervised_loss"):
        packed_attention(torch.nn.Identity(), two, two, two, None, segments=Segments([6]))


def test_the_processor_takes_examples_one_by_one() -> None:
    assert attention.kernel_for(CPU, torch.float32, 16) is one_by_one
    assert not attention.agrees(all_at_once, CPU, torch.bfloat16, 16)


def test_kernels_are_tried() -> None:
    def same(*arguments: Any) -> torch.Tensor:
        return one_by_one(*arguments)

    def forgets_the_window(*arguments: Any) -> torch.Tensor:
        return one_by_one(*arguments[:5], None)

    def leaks(*arguments: Any) -> torch.Tensor:
        return one_by_one(*arguments[:3], Segments([60]), *arguments[4:])

    def no_gradient(*arguments: Any) -> torch.Tensor:
        return one_by_one(*arguments).detach()

    for dtype in (torch.float32, torch.bfloat16):
        assert attention.agrees(same, CPU, dtype, 16)
        for wrong in (forgets_the_window, leaks, no_gradient):
            assert not attention.agrees(wrong, CPU, dtype, 16)
