"""Log-likelihoods of questions' continuations, every shared token computed once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from medbench.engine.packed.attention import planned
from medbench.engine.packed.linears import laid_out
from medbench.engine.packed.passes import PackPlan, Path, forward
from medbench.engine.packed.trie import Block, Branches, build, depth_first, packs

__all__ = ["BATCH_TOKENS", "STEP", "STRICT_STEP", "Limits", "Score", "score"]

Score = tuple[float, bool]
"""A continuation's log-probability, and whether it is the model's greedy choice."""
Node = tuple[int, ...]
LOGITS = 1 << 26
"""Logits held at once (256 MiB in float32)."""
BATCH_TOKENS = 2048
"""Tokens of one forward pass, unless told otherwise."""
STEP = 16
"""Beginnings are shared in steps of so many tokens."""
STRICT_STEP = 256
"""Where contexts are cut in strict mode."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How work is cut into forward passes."""

    tokens: int = BATCH_TOKENS
    """The most tokens of a pass."""
    strict: bool = False
    """One block a pass, cut at fixed places: a score depends on its question alone."""


@dataclass(slots=True)
class Reading:
    """What has been read of one question."""

    question: Branches
    asked: dict[Node, list[int]]
    """For each node, the tokens that continue it."""
    log_probs: dict[Node, float]
    """For each beginning of a continuation, the log-probability of its last token."""
    greedy: dict[Node, int]
    """For each node, the likeliest next token."""

    @classmethod
    def of(cls, question: Branches) -> "Reading":
        """Collect what is to be read."""
        asked: dict[Node, list[int]] = {}
        for tokens in question.continuations:
            for at, token in enumerate(tokens):
                after = asked.setdefault(tuple(tokens[:at]), [])
                if token not in after:
                    after.append(token)
        return cls(question, asked, {}, {})

    def scores(self) -> list[Score]:
        """Sum along each continuation."""
        found = []
        for tokens in self.question.continuations:
            nodes = [tuple(tokens[: at + 1]) for at in range(len(tokens))]
            total = sum(self.log_probs[node] for node in nodes)
            found.append((total, all(self.greedy[node[:-1]] == node[-1] for node in nodes)))
        return found


def score(
    model: Any, questions: Sequence[Branches], limits: Limits
) -> Iterator[tuple[int, list[Score]]]:
    """Yield (index, scores of its continuations) for each question; softmax in float32.

    Contexts must be distinct, and within what the model can take.
    """
    if not questions:
        return
    step, longest = (STRICT_STEP, None) if limits.strict else (STEP, limits.tokens)
    roots, places = build(questions, step, longest)
    readers = dict(enumerate(map(Reading.of, questions)))
    ends = {end: index for index, (end, _) in enumerate(places)}
    bushes = {bush: index for index, (_, bush) in enumerate(places) if bush}
    rows = max(1, LOGITS // model.get_input_embeddings().num_embeddings)
    path = Path()
    cuts = packs(list(depth_first(roots)), limits.tokens, rows, alone=limits.strict)
    with planned(model), laid_out(model):
        for pack, after in pairwise([*cuts, []]):
            plan = PackPlan(pack, path, after[0] if after else None)
            reads = list(places_to_read(pack, plan, ends, bushes))
            logits = forward(model, pack, plan, [place for place, _, _ in reads])
            note(logits.float(), [(readers[index], node) for _, index, node in reads])
            for block in pack:
                index = bushes.get(block, ends.get(block, -1))
                if index in readers and places[index][1] in (None, block):
                    yield index, readers.pop(index).scores()


def places_to_read(
    pack: Sequence[Block], plan: PackPlan, ends: dict[Block, int], bushes: dict[Block, int]
) -> Iterator[tuple[int, int, Node]]:
    """Yield (place in the pack, question, node) wherever logits are needed."""
    for block in pack:
        start = plan.starts[block]
        if block in ends:
            yield start + len(block.tokens) - 1, ends[block], ()
        for at, node in enumerate(block.nodes or ()):
            yield start + at, bushes[block], node


def note(logits: torch.Tensor, reads: Sequence[tuple[Reading, Node]]) -> None:
    """Take what is asked from the logits (R, V) behind R nodes."""
    asked = [one.asked.get(node, []) for one, node in reads]
    rows = [row for row, tokens in enumerate(asked) for _ in tokens]
    tokens = [token for tokens in asked for token in tokens]
    values = (logits[rows, tokens] - logits.logsumexp(-1)[rows]).tolist()
    for row, token, value in zip(rows, tokens, values, strict=True):
        reading, node = reads[row]
        reading.log_probs[*node, token] = value
    for (reading, node), token in zip(reads, logits.argmax(-1).tolist(), strict=True):
        reading.greedy[node] = token
