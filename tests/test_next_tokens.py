"""Trees of continuations: nothing is asked twice, and a pretended engine's answers add up."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.engine.next_tokens import Prompt, add_up, cheap_tree, computed_tokens, pieces

SETS = [[1, 9], [1, 7, 2, 9], [1, 7, 2, 7, 3, 9], [1, 7, 3, 9], [2, 9], [2, 7, 3, 9], [3, 9]]
tokens = st.lists(st.integers(0, 3), min_size=1, max_size=5)
questions = st.dictionaries(
    st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple),
    st.lists(tokens, min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)


def test_a_tree_asks_for_each_branch_once() -> None:
    assert cheap_tree(100, SETS, 32) == {
        (): {1, 2, 3},
        (1,): {9, 7},
        (1, 7): {2, 3},
        (1, 7, 2): {9, 7},
        (1, 7, 2, 7): {3},
        (1, 7, 2, 7, 3): {9},
        (1, 7, 3): {9},
        (2,): {9, 7},
        (2, 7): {3},
        (2, 7, 3): {9},
        (3,): {9},
    }


@pytest.mark.parametrize(
    ("lengths", "block", "computed"),
    [
        ([100], 32, 100),
        ([96, 97, 98], 32, 96 + 1 + 2),
        ([95, 96, 97], 32, 95 + 32 + 1),
        ([100, 101, 101], 1, 100 + 1 + 1),
        ([100, 101, 101], None, 302),
    ],
)
def test_computed_tokens(lengths: list[int], block: int | None, computed: int) -> None:
    assert computed_tokens(lengths, block) == computed


def computed_by_a_cache(prompts: Sequence[Prompt], block: int) -> int:
    """Keep every block that was seen, as vLLM does."""
    seen: set[Prompt] = set()
    total = 0
    for prompt in prompts:
        cached = 0
        while cached + block < len(prompt) and prompt[: cached + block] in seen:
            cached += block
        total += len(prompt) - cached
        seen |= {prompt[:end] for end in range(block, len(prompt) + 1, block)}
    return total


@given(st.integers(1, 40), st.lists(tokens, min_size=1, max_size=8), st.integers(1, 9))
def test_computed_tokens_are_those_of_a_cache(
    context: int, continuations: list[list[int]], block: int
) -> None:
    tree = cheap_tree(context, continuations, block)
    if tree is None:
        return
    prompts = sorted((8,) * context + beginning for beginning in tree)
    assert computed_by_a_cache(prompts, block) == computed_tokens(map(len, prompts), block)


@pytest.mark.parametrize(
    ("context", "continuations", "block", "is_cheap"),
    [
        (200, [[1], [2], [3]], None, True),  # letters: one request
        (200, SETS, None, False),  # without a cache, each node computes the context again
        (200, SETS, 32, True),
        (2000, [list(range(start, start + 30)) for start in (0, 100, 200, 300)], 32, True),
        (20, [list(range(60))], 32, False),
        (1, [list(range(8000))], 32, False),  # a document
    ],
)
def test_the_cheaper_way_is_taken(
    context: int, continuations: list[list[int]], block: int | None, is_cheap: bool
) -> None:
    assert (cheap_tree(context, continuations, block) is not None) == is_cheap


@given(questions, st.integers(1, 60))
def test_answers_add_up(asked: dict[Prompt, list[list[int]]], most: int) -> None:
    """The engine says that a token's log-probability is minus itself and the prompt's length."""
    trees = {context: cheap_tree(50, options, 1) for context, options in asked.items()}
    found = {}
    for contexts, prompts in pieces({c: tree for c, tree in trees.items() if tree}, most):
        assert contexts == sorted(contexts)
        answers = {
            prompt: {token: -token - len(prompt) for token in (0, *children)}
            for prompt, children in prompts.items()
        }
        found |= {
            (context, tuple(option)): add_up(context, option, answers)
            for context in contexts
            for option in asked[context]
        }
    for (context, option), (score, is_greedy) in found.items():
        assert score == sum(-token - len(context) - at for at, token in enumerate(option))
        assert is_greedy == (set(option) == {0})
    wanted = {(context, tuple(option)) for context, tree in trees.items() if tree
              for option in asked[context]}  # fmt: skip
    assert found.keys() == wanted


def test_pieces_are_no_larger_than_need_be() -> None:
    trees = {(number, *range(99)): {(): {1, 2}, (1,): {3}} for number in range(10)}
    sizes = [len(asked) for _, asked in pieces(trees, 400)]
    assert sizes == [4, 4, 4, 4, 4]
    assert [len(contexts) for contexts, _ in pieces(trees, 10**9)] == [10]
