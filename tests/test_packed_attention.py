"""Kernels against the formula; parts joined against the whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.engine.packed import kernels
from medbench.engine.packed.attention import Mask, attend, hidden_by_window, join
from medbench.engine.packed.kernels import KERNELS, flash_cpu, kernel_for, plain, products

Patch = pytest.MonkeyPatch
CPU = torch.device("cpu")


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [8, 64, 128, 256])
def test_the_processor_has_a_kernel(dtype: torch.dtype, size: int) -> None:
    assert kernel_for(CPU, dtype, size) in (products, flash_cpu)


@pytest.mark.parametrize("keys", [128, 2000])
@pytest.mark.parametrize("worthwhile", [False, True])
def test_products_are_attention(keys: int, worthwhile: bool, monkeypatch: Patch) -> None:
    monkeypatch.setattr(kernels, "worthwhile", lambda: worthwhile)
    query = draw(2, 160, 6, 32).transpose(1, 2)
    key, value = draw(2, keys, 2, 32, seed=1), draw(2, keys, 2, 32, seed=2)
    sent = query, key.transpose(1, 2), value.transpose(1, 2), None, False, 3.0
    for one, other in zip(products(*sent), plain(*sent), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_a_wrong_kernel_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def base_two(*arguments: object) -> kernels.Part:
        out, sums = plain(*arguments)  # type: ignore[arg-type]
        return out, sums / 0.693

    def refuses(*arguments: object) -> kernels.Part:
        raise RuntimeError("no such device")

    monkeypatch.setattr(kernels, "KERNELS", (refuses, base_two))
    assert kernel_for.__wrapped__(CPU, torch.float32, 16) is plain


@pytest.mark.parametrize("kernel", [one for one in KERNELS if one not in (products, flash_cpu)])
def test_kernels_of_other_devices_are_refused_here(kernel: kernels.Kernel) -> None:
    assert not kernels.agrees(kernel, CPU, torch.float32, 16)


def test_plain_is_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = draw(1, 4, 9, 8), draw(1, 2, 9, 8, seed=1), draw(1, 2, 9, 8, seed=2)
    wanted = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, enable_gqa=True, scale=0.3
    )
    whole = plain(query, key, value, None, True, 0.3)
    assert torch.allclose(whole[0], wanted, atol=1e-6)
    monkeypatch.setattr(kernels, "CHUNK", 80)
    for one, other in zip(plain(query, key, value, None, True, 0.3), whole, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@given(st.integers(1, 40), st.integers(1, 9), st.sampled_from([1, 2, 4]), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_joined_parts_are_the_whole(cut: int, length: int, heads: int, seed: int) -> None:
    query = draw(1, 4, length, 8, seed=seed)
    key, value = draw(1, heads, 41, 8, seed=seed + 1), draw(1, heads, 41, 8, seed=seed + 2)
    out, sums = attend(query, key, value, 0.5)
    left = attend(query, key[:, :, :cut], value[:, :, :cut], 0.5)
    join(left, attend(query, key[:, :, cut:], value[:, :, cut:], 0.5))
    assert torch.allclose(left[0], out, atol=1e-5)
    assert torch.allclose(left[1], sums, atol=1e-5)


def test_a_query_that_sees_nothing_adds_nothing() -> None:
    query, key, value = draw(1, 4, 3, 8), draw(1, 2, 5, 8, seed=1), draw(1, 2, 5, 8, seed=2)
    hidden = torch.zeros(3, 5, dtype=torch.bool)
    hidden[1] = True
    out, sums = attend(query, key, value, 0.5, mask=Mask.of(hidden, query))
    assert torch.isneginf(sums[:, :, 1]).all()
    assert (out[:, :, 1] == 0).all()
    whole = attend(query, key, value, 0.5)
    kept = [one.clone() for one in whole]
    join(whole, (out, sums))
    assert torch.allclose(whole[0][:, :, 1], kept[0][:, :, 1])
    assert torch.allclose(whole[1][:, :, 1], kept[1][:, :, 1])


def test_windows() -> None:
    queries, keys = torch.tensor([5, 6]), torch.tensor([2, 3, 4])
    assert hidden_by_window(queries, keys, None) is None
    assert hidden_by_window(queries, keys, 5) is None
    hidden = hidden_by_window(queries, keys, 3)
    assert hidden is not None
    assert hidden.tolist() == [[True, False, False], [True, True, False]]
