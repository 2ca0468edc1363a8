"""Blocks, packs and groups: each token where it belongs, each once."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.engine.packed.texts import common_length, groups
from medbench.engine.packed.trie import Block, Branches, build, depth_first, packs

tokens = st.integers(0, 2)
contexts = st.lists(st.lists(tokens, min_size=1, max_size=12).map(tuple), min_size=1, max_size=8)
continuations = st.lists(st.lists(tokens, min_size=1, max_size=4), min_size=1, max_size=4)


def spelled(block: Block) -> list[int]:
    """Return all tokens from the root to a block's end."""
    return [token for one in (*block.above(), block) for token in one.tokens]


def questions(starts: Sequence[tuple[int, ...]], ends: list[list[int]]) -> list[Branches]:
    return [Branches.of(context, ends) for context in dict.fromkeys(starts)]


@given(contexts, continuations, st.integers(1, 4), st.sampled_from([None, 3, 100]))
@settings(max_examples=200, deadline=None)
def test_blocks_spell_the_contexts(
    starts: list[tuple[int, ...]], ends: list[list[int]], step: int, longest: int | None
) -> None:
    asked = questions(starts, ends)
    roots, places = build(asked, step, longest)
    blocks = list(depth_first(roots))
    assert len(blocks) == len(set(blocks))
    for one, (end, bush) in zip(asked, places, strict=True):
        assert tuple(spelled(end)) == one.context
        assert end.is_end
        assert (bush is None) == (not one.nodes)
        if bush is not None:
            assert bush.parent is end
            assert bush.start == len(one.context)
    for block in blocks:
        assert block.start == sum(len(one.tokens) for one in block.above())
        assert block.parent is None or block in block.parent.children
        if longest is not None and block.nodes is None:
            assert len(block.tokens) <= max(longest, step)


@given(contexts, st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_shared_beginnings_are_there_once(starts: list[tuple[int, ...]], step: int) -> None:
    asked = questions(starts, [[1]])
    roots, _ = build(asked, step, 1000)
    distinct = {one.context[:end] for one in asked for end in range(step, 13, step)}
    whole = {piece for piece in distinct if len(piece) % step == 0}
    rest = sum(len(one.context) % step for one in asked)
    assert sum(len(block.tokens) for block in depth_first(roots)) == len(whole) * step + rest


@given(contexts, st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_strict_cuts_depend_on_the_context_alone(starts: list[tuple[int, ...]], step: int) -> None:
    asked = questions(starts, [[1, 2]])
    _, places = build(asked, step, None)
    for one, (end, _) in zip(asked, places, strict=True):
        _, [(alone, _)] = build([one], step, None)
        cuts = [[block.tokens for block in (*last.above(), last)] for last in (end, alone)]
        assert cuts[0] == cuts[1]


@given(contexts, continuations, st.integers(1, 20), st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_packs_keep_order_and_limits(
    starts: list[tuple[int, ...]], ends: list[list[int]], most: int, rows: int
) -> None:
    roots, _ = build(questions(starts, ends), 2, 5)
    blocks = list(depth_first(roots))
    found = list(packs(blocks, most, rows))
    assert [block for pack in found for block in pack] == blocks
    for pack in found:
        reads = sum(one.is_end + len(one.nodes or ()) for one in pack)
        assert len(pack) == 1 or (sum(len(one.tokens) for one in pack) <= most and reads <= rows)
    assert [len(pack) for pack in packs(blocks, most, rows, alone=True)] == [1] * len(blocks)


def test_a_bush_sees_its_ancestors_alone() -> None:
    tree = Branches.of([9, 9], [[1, 5], [1, 2, 5], [1, 2, 3, 5], [4, 7], [6]])
    assert tree.nodes == [(1,), (4,), (1, 2), (1, 2, 3)]
    _, [(_, bush)] = build([tree], 16, 100)
    assert bush is not None
    assert bush.tokens == [1, 4, 2, 3]
    assert bush.positions().tolist() == [2, 2, 3, 4]
    sees = bush.sees()
    assert sees is not None
    wanted = [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 1]]
    assert torch.equal(sees, torch.tensor(wanted, dtype=torch.bool))


def test_order_of_continuations_does_not_matter() -> None:
    ends = [[1, 5], [4, 7], [1, 2, 5]]
    assert Branches.of([9], ends).nodes == Branches.of([9], ends[::-1]).nodes


@given(st.lists(st.lists(tokens, min_size=1, max_size=6), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_groups_share_what_they_say(starts: list[list[int]]) -> None:
    prompts = [one * 40 for one in starts]
    found = groups(prompts)
    assert sorted(index for _, members in found for index in members) == list(range(len(prompts)))
    for shared, members in found:
        for index in members:
            assert prompts[index][:shared] == prompts[members[0]][:shared]
            assert shared < len(prompts[index])


@pytest.mark.parametrize(
    ("prompts", "wanted"),
    [
        ([[1] * 3000 + [index] for index in range(20)], [(2992, 20)]),
        (
            [[0, kind] + [kind] * 3000 + [index] for kind in (1, 2) for index in range(9)],
            [(2992, 9), (2992, 9)],
        ),
        ([[5] * 70 + [index // 2] * 100 + [index] for index in range(40)], [(64, 40)]),
        ([[index] * 50 for index in range(5)], [(0, 5)]),
        ([[7] * 3000, *([index] * 9 for index in range(3))], [(0, 4)]),
        ([], []),
    ],
    ids=["few-shot", "two subsets", "a system prompt, then pairs", "nothing alike", "one", "none"],
)
def test_groups(prompts: list[list[int]], wanted: list[tuple[int, int]]) -> None:
    assert [(shared, len(members)) for shared, members in groups(prompts)] == wanted


def test_common_length() -> None:
    assert common_length([1, 2, 3], [1, 2, 4]) == 2
    assert common_length([1, 2], [1, 2, 3]) == 2
    assert common_length([], [1]) == 0
