"""Ranks of a column: ranges, and none where there is nothing to tell them from."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.report.grid import Cell, Column
from medbench.report.page.ranks import BY_INTERVALS, column_ranks
from tests.test_table import score

Interval = tuple[float, float]


def column(intervals: list[Interval | None], **changes: Any) -> Column:
    cells = {
        f"m{place}": Cell(score(f"m{place}", "usmle", sum(ends or (0, 0)) / 2, **changes), ends, {})
        for place, ends in enumerate(intervals)
    }
    return Column("", "USMLE", cells)


@pytest.mark.parametrize(
    ("intervals", "ranks"),
    [
        ([(0.1, 0.2), (0.3, 0.4)], [(2, 2), (1, 1)]),
        ([(0.1, 0.3), (0.3, 0.4)], [(1, 2), (1, 2)]),  # they touch
        ([(0.1, 0.2), (0.15, 0.35), (0.3, 0.4)], [(2, 3), (1, 3), (1, 2)]),
        ([(0.1, 0.2)], []),
        ([(0.1, 0.2), None], []),
        ([], []),
    ],
)
def test_ranks_from_intervals(intervals: list[Interval | None], ranks: list[Any]) -> None:
    basis, found = column_ranks(column(intervals), None)
    assert list(found.values()) == ranks
    assert basis == (BY_INTERVALS if ranks else "")


def test_lower_may_be_better() -> None:
    _, found = column_ranks(column([(1.0, 2.0), (3.0, 4.0)], higher_is_better=False), None)
    assert list(found.values()) == [(1, 1), (2, 2)]


def test_different_questions_are_not_ranked() -> None:
    both = column([(0.1, 0.2), (0.3, 0.4)])
    mixed = Column(both.label, both.heading, both.cells, is_comparable=False)
    assert column_ranks(mixed, None) == ("", {})


ENDS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda ends: (min(ends), max(ends)))


@given(st.lists(ENDS, min_size=2, max_size=12))
def test_ranks_say_what_pairs_say(intervals: list[Interval]) -> None:
    _, found = column_ranks(column(list(intervals)), None)
    for (low, high), (first, last) in zip(intervals, found.values(), strict=True):
        assert first == 1 + sum(other[0] > high for other in intervals)
        assert last == len(intervals) - sum(other[1] < low for other in intervals)
        assert first <= last
