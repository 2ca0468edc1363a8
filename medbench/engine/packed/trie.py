"""Token sequences as a tree of blocks, so that what they begin with alike is computed once.

Contexts are cut every `step` tokens; equal pieces after equal beginnings are one block, and blocks
that follow each other without a branch grow together. A context's continuations ("A, C.",
"A, C, D.", …) hang below it as one bush: a block whose tokens see the context and their own
ancestors, as in tree attention (SpecInfer, arXiv 2305.09781).

    few-shot examples ─┬─ question 1 ── bush of its options
                       ├─ question 2 ── bush
                       └─ question 3 ── bush

Depth-first order makes the descendants of a block neighbours, which the attention relies on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

__all__ = ["Block", "Branches", "build", "depth_first", "packs"]


@dataclass(frozen=True, slots=True)
class Branches:
    """One context with its continuations as a tree."""

    context: tuple[int, ...]
    continuations: list[list[int]]
    nodes: list[tuple[int, ...]]
    """Each node as the tokens from the root to it; parents come before children, and the order
    does not depend on the order of the continuations."""

    @classmethod
    def of(cls, context: Sequence[int], continuations: Sequence[Sequence[int]]) -> "Branches":
        """Collect the nodes: every proper beginning of a continuation (its end is only scored)."""
        nodes = {
            tuple(tokens[:length]) for tokens in continuations for length in range(1, len(tokens))
        }
        order = sorted(nodes, key=lambda node: (len(node), node))
        return cls(tuple(context), [list(tokens) for tokens in continuations], order)


@dataclass(eq=False, slots=True)
class Block:
    """Tokens that are computed together, after all tokens of the blocks above."""

    tokens: list[int]
    start: int
    """Tokens above this block."""
    parent: "Block | None" = None
    children: list["Block"] = field(default_factory=list)
    is_end: bool = False
    """A context ends with this block."""
    nodes: list[tuple[int, ...]] | None = None
    """A bush's nodes; None in a block whose tokens follow each other."""

    @property
    def end(self) -> int:
        """Tokens above and in this block, where its tokens follow each other."""
        return self.start + len(self.tokens)

    def positions(self) -> torch.Tensor:
        """Return each token's distance from the root: (n,)."""
        if self.nodes is None:
            return torch.arange(self.start, self.end)
        return torch.tensor([self.start + len(node) - 1 for node in self.nodes])

    def sees(self) -> torch.Tensor | None:
        """Return which of its own tokens each token sees, (n, n); None: all before and itself."""
        if self.nodes is None:
            return None
        place = {node: index for index, node in enumerate(self.nodes)}
        mask = torch.eye(len(place), dtype=torch.bool)
        for node, at in place.items():
            mask[at, [place[node[:length]] for length in range(1, len(node))]] = True
        return mask

    def above(self) -> list["Block"]:
        """Return the blocks from the root to the one above this."""
        found: list[Block] = []
        block = self.parent
        while block is not None:
            found.append(block)
            block = block.parent
        return found[::-1]


def build(
    questions: Sequence[Branches], step: int, longest: int | None
) -> tuple[list[Block], list[tuple[Block, Block | None]]]:
    """Return the roots, and for each question the block where its context ends, and its bush.

    Blocks grow up to `longest` tokens; None leaves every block at most `step` long, so that how a
    context is cut depends on the context alone. Contexts must be distinct.
    """
    roots: list[Block] = []
    known: dict[tuple[int, tuple[int, ...]], Block] = {}
    places: list[tuple[Block, Block | None]] = []
    for question in questions:
        parent: Block | None = None
        for start in range(0, len(question.context), step):
            piece = question.context[start : start + step]
            key = id(parent), piece
            if key not in known:
                known[key] = Block(list(piece), start, parent)
                (parent.children if parent else roots).append(known[key])
            parent = known[key]
        assert parent is not None, "a context has at least one token"
        parent.is_end, bush = True, None
        if question.nodes:
            tokens = [node[-1] for node in question.nodes]
            bush = Block(tokens, len(question.context), parent, nodes=question.nodes)
            parent.children.append(bush)
        places.append((parent, bush))
    if longest is not None:
        places = grow(roots, longest, places)
    return roots, places


def grow(
    roots: list[Block], longest: int, places: list[tuple[Block, Block | None]]
) -> list[tuple[Block, Block | None]]:
    """Join blocks that follow each other without a branch; return the places with joined blocks."""
    joined: dict[Block, Block] = {}
    for block in list(depth_first(roots)):
        above = block.parent and joined.get(block.parent, block.parent)
        if (
            above is None
            or block.nodes is not None
            or len(above.children) > 1
            or above.is_end
            or len(above.tokens) + len(block.tokens) > longest
        ):
            block.parent = above
            continue
        above.tokens += block.tokens
        above.children, above.is_end = block.children, block.is_end
        joined[block] = above
    return [(joined.get(end, end), bush) for end, bush in places]


def depth_first(roots: Sequence[Block]) -> Iterator[Block]:
    """Yield every block before the blocks below it."""
    waiting = list(reversed(roots))
    while waiting:
        block = waiting.pop()
        below = list(reversed(block.children))
        yield block
        waiting += below


def packs(
    blocks: Sequence[Block], tokens: int, rows: int, alone: bool = False
) -> Iterator[list[Block]]:
    """Cut blocks in depth-first order into packs for one forward pass each.

    A pack has at most so many tokens and so many places where logits are taken (a context's end,
    a bush's nodes), or one block. `alone` gives each block a pack of its own.
    """
    pack: list[Block] = []
    used = scored = 0
    for block in blocks:
        reads = block.is_end + (len(block.tokens) if block.nodes is not None else 0)
        full = used + len(block.tokens) > tokens or scored + reads > rows
        if pack and (alone or full):
            yield pack
            pack, used, scored = [], 0, 0
        pack.append(block)
        used, scored = used + len(block.tokens), scored + reads
    if pack:
        yield pack
