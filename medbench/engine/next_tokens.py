"""Continuations scored by an engine that is asked for single next tokens and keeps a prefix cache.

A question's continuations ("A.", "A, C.", "A, C, D.", …) form a tree. Every inner node, the context
with the beginning of a continuation, is a prompt; what is asked of it are the log-probabilities of
exactly the tokens that may come next. The sum along a path is the continuation's score.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Children", "Prompt", "Score", "add_up", "cheap_tree", "computed_tokens", "pieces"]

Prompt = tuple[int, ...]
Score = tuple[float, bool]
"""A continuation's log-probability, and whether it is the model's greedy choice."""
Children = dict[Prompt, set[int]]
"""For each beginning of a continuation, the empty one first, the tokens that come next."""


def computed_tokens(lengths: Iterable[int], block: int | None) -> int:
    """Return how many tokens of a question's prompts are computed, given the prompts' lengths.

    The first is the context, counted in full. Each other prompt is one token more than one that
    came before it; the cache keeps whole blocks, and never gives a prompt's last token. `block` is
    None where nothing is cached.
    """
    context, *others = lengths
    if block is None:
        return context + sum(others)
    return context + sum((length - 1) % block + 1 for length in others)


def cheap_tree(
    context: int, continuations: Sequence[Sequence[int]], block: int | None
) -> Children | None:
    """Return the inner nodes of a question's continuations; none of these may be empty.

    None if they would cost more tokens than one request for each continuation that computes its
    prompt from the start: few long texts behind a short context, a document's log-likelihood.

    Args:
        context: The context's length in tokens.
        continuations: The tokens of each.
        block: Tokens of a block of the engine's cache; None: it has none.
    """
    alone = sum(context + len(tokens) for tokens in continuations)
    longest = max(map(len, continuations))
    if computed_tokens(range(context, context + longest), block) > alone:
        return None  # seen before a tree of thousands of nodes is made
    found: Children = {}
    for tokens in continuations:
        for length, token in enumerate(tokens):
            found.setdefault(tuple(tokens[:length]), set()).add(token)
    cost = computed_tokens((context + len(beginning) for beginning in found), block)
    return found if cost <= alone else None


def pieces(
    questions: Mapping[Prompt, Children], most: int
) -> Iterator[tuple[list[Prompt], dict[Prompt, set[int]]]]:
    """Yield (contexts, what is asked of each prompt), about so many prompt tokens at a time.

    Contexts go in the order of their tokens, so that those that begin alike follow each other; a
    question is never cut.
    """
    contexts: list[Prompt] = []
    asked: dict[Prompt, set[int]] = {}
    used = 0
    for context in sorted(questions):
        for beginning, tokens in questions[context].items():
            asked.setdefault(context + beginning, set()).update(tokens)
            used += len(context) + len(beginning)
        contexts.append(context)
        if used >= most:
            yield contexts, asked
            contexts, asked, used = [], {}, 0
    if contexts:
        yield contexts, asked


def add_up(
    context: Prompt, continuation: Sequence[int], answers: Mapping[Prompt, Mapping[int, float]]
) -> Score:
    """Sum a continuation's log-probabilities; each answer also holds the prompt's best token."""
    total, is_greedy = 0.0, True
    for length, token in enumerate(continuation):
        row = answers[*context, *continuation[:length]]
        total += row[token]
        is_greedy = is_greedy and row[token] == max(row.values())
    return total, is_greedy
