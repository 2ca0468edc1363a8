"""What a benchmark can show: the formulas, and whether such a difference is then seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.scoring.statistics.detectable import paired_detectable, unpaired_detectable
from medbench.scoring.statistics.paired import compare


@pytest.mark.parametrize(
    ("n", "accuracy", "expected"),
    [(1273, 0.5, 0.0555), (200, 0.5, 0.1401), (1, 0.5, 1.0), (500, 1.0, 0.0)],
)
def test_unpaired(n: int, accuracy: float, expected: float) -> None:
    assert unpaired_detectable(n, accuracy) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("n", "discordant", "expected"),
    [
        (1273, 0.5, 0.0554),
        (1273, 0.1, 0.0248),
        (200, 0.2, 0.0876),
        (3, 1.0, 1.0),
        (100, 0.0, 0.0767),
    ],
)
def test_paired(n: int, discordant: float, expected: float) -> None:
    assert paired_detectable(n, discordant) == pytest.approx(expected, abs=5e-4)


@settings(deadline=None)
@given(st.integers(1, 100_000), st.floats(0, 1))
def test_paired_solves_connors_equation(n: int, discordant: float) -> None:
    d = paired_detectable(n, discordant)
    assert 0 < d <= 1
    changing = max(discordant, d)
    if d < 1:
        normal = 1.959964 * changing**0.5 + 0.841621 * (changing - d * d) ** 0.5
        assert d * n**0.5 == pytest.approx(normal, rel=1e-5)
    assert paired_detectable(4 * n, discordant) <= d
    assert paired_detectable(n, discordant, power=0.9) >= d
    assert paired_detectable(n, discordant, level=0.01) >= d


@pytest.mark.parametrize("call", [lambda: unpaired_detectable(0, 0.5),
                                  lambda: paired_detectable(10, 1.5),
                                  lambda: paired_detectable(10, 0.5, power=1.0)])  # fmt: skip
def test_impossible_settings_are_a_mistake(call: object) -> None:
    assert callable(call)
    with pytest.raises(AssertionError, match="share"):
        call()


@pytest.mark.parametrize(("n", "discordant"), [(150, 0.4), (1000, 0.1), (1273, 0.3)])
def test_such_a_difference_is_seen_four_times_in_five(n: int, discordant: float) -> None:
    """The exact test is a little more careful than the normal formula; it may lose a few points."""
    random = np.random.default_rng(n)
    d = paired_detectable(n, discordant)
    up, down = (discordant + d) / 2, (discordant - d) / 2
    fixed, broken, _ = random.multinomial(n, [up, down, 1 - up - down], 500).T
    seen = []
    for more, less in zip(fixed, broken, strict=True):
        before = np.repeat([0, 1, 1], [more, less, n - more - less])
        after = np.repeat([1, 0, 1], [more, less, n - more - less])
        seen.append(compare(before, after).p < 0.05)
    assert 0.72 <= np.mean(seen) <= 0.86
