"""Generation with rows that come and go: what prompts begin with once, a full batch to the end.

Prompts that begin alike share the keys and values of their beginning; each running row keeps those
of its own tokens in a slot. A finished row leaves, and a waiting one takes its slot.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from medbench.engine.packed.attention import planned, running
from medbench.engine.packed.linears import laid_out
from medbench.engine.packed.passes import Path, forward
from medbench.engine.packed.scores import STEP, STRICT_STEP, Limits
from medbench.engine.packed.slots import Filling, Slots, Step
from medbench.engine.packed.trie import Block, Branches, build, depth_first, packs

__all__ = ["Choose", "Row", "generate", "groups"]

APART = 2048
"""What running some prompts apart from others costs, in tokens."""


@dataclass(slots=True)
class Row:
    """One prompt and what has been generated for it."""

    index: int
    prompt: Sequence[int]
    tokens: list[int] = field(default_factory=list)


Choose = Callable[[Sequence[Row], torch.Tensor], list[int]]
"""Next tokens of some rows from their logits, (N, V) in float32."""


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    choose: Choose,
    is_done: Callable[[Row], bool],
    limits: Limits,
    rows: int,
) -> Iterator[Row]:
    """Yield every prompt's row as soon as it is done.

    In strict mode rows run one at a time, so that a text depends on its prompt alone.
    """
    with planned(model), laid_out(model):
        if limits.strict:
            yield from one_by_one(model, prompts, choose, is_done)
            return
        for shared, indices in groups(prompts):
            waiting = [Row(index, prompts[index]) for index in indices]
            waiting.sort(key=lambda row: -len(row.prompt))
            batch = Batch(model, choose, is_done, limits, min(rows, len(waiting)))
            yield from batch.run(waiting, shared)


class Batch:
    """Rows that run together behind one shared beginning."""

    def __init__(
        self,
        model: Any,
        choose: Choose,
        is_done: Callable[[Row], bool],
        limits: Limits,
        rows: int,
    ) -> None:
        """Start with no row."""
        self.model, self.choose, self.is_done, self.limits = model, choose, is_done, limits
        self.slots = Slots(rows)
        self.running: list[Row] = []
        self.path = Path()

    def run(self, waiting: Sequence[Row], shared: int) -> Iterator[Row]:
        """Generate for rows whose prompts have `shared` tokens in common."""
        root = self.share(waiting[0].prompt[:shared])
        queue = deque(waiting)
        while queue or self.running:
            free = self.slots.rows - len(self.running)
            if queue and (not self.running or free >= max(1, self.slots.rows // 8)):
                new = [queue.popleft() for _ in range(min(free, len(queue)))]
                self.enter(new, root, shared)
            else:
                self.step(shared)
            yield from self.leave()

    def share(self, tokens: Sequence[int]) -> Block | None:
        """Compute the common beginning; return its last block."""
        if not tokens:
            return None
        root = Branches.of(tuple(tokens), [])
        blocks = list(depth_first(build([root], self.limits.tokens, None)[0]))
        for block in blocks:
            below = Block([], block.end, block)
            forward(self.model, [block], Filling([block], self.path, below, self.slots, {}), [])
        return blocks[-1]

    def enter(self, rows: Sequence[Row], root: Block | None, shared: int) -> None:
        """Compute the prompts' own tokens, and each row's first new one."""
        owner = {Block(list(row.prompt[shared:]), shared, root, is_end=True): row for row in rows}
        for pack in packs(list(owner), self.limits.tokens, len(rows)):
            first = len(self.running)
            taken = {block: first + number for number, block in enumerate(pack)}
            plan = Filling(pack, self.path, pack[0] if root else None, self.slots, taken)
            ends = [plan.starts[block] + len(block.tokens) - 1 for block in pack]
            logits = forward(self.model, pack, plan, ends)
            self.running += [owner[block] for block in pack]
            self.slots.lengths += [len(block.tokens) for block in pack]
            self.take(self.running[first:], logits)

    def step(self, shared: int) -> None:
        """Compute one more token of every running row."""
        plan = Step(self.path, shared, self.slots)
        device = self.model.device
        with torch.inference_mode(), running(plan):
            logits = self.model(
                input_ids=torch.tensor([[row.tokens[-1] for row in self.running]], device=device),
                position_ids=plan.positions[None].to(device),
                use_cache=False,
            ).logits[0]
        self.slots.lengths = [length + 1 for length in self.slots.lengths]
        self.take(self.running, logits)

    def take(self, rows: Sequence[Row], logits: torch.Tensor) -> None:
        """Append the chosen tokens."""
        for row, token in zip(rows, self.choose(rows, logits.float()), strict=True):
            row.tokens.append(token)

    def leave(self) -> Iterator[Row]:
        """Yield finished rows and free their slots."""
        for slot in reversed(range(len(self.running))):
            if self.is_done(self.running[slot]):
                yield self.running[slot]
                self.running[slot] = self.running[-1]
                self.running.pop()
                self.slots.remove(slot)


def one_by_one(
    model: Any,
    prompts: Sequence[Sequence[int]],
    choose: Choose,
    is_done: Callable[[Row], bool],
) -> Iterator[Row]:
    """Generate row after row; beginnings are shared in fixed pieces, whatever the other prompts."""
    members: dict[tuple[int, ...], list[int]] = {}
    for index, one in enumerate(prompts):
        members.setdefault(tuple(one), []).append(index)
    roots, places = build([Branches.of(one, []) for one in members], STRICT_STEP, None)
    ends = {end: one for (end, _), one in zip(places, members, strict=True)}
    batch = Batch(model, choose, is_done, Limits(strict=True), 1)
    for block, after in pairwise([*depth_first(roots), None]):
        assert block is not None
        prompt = ends.get(block, ())
        plan = Filling(
            [block], batch.path, after, batch.slots, {block: 0} if prompt else {}, whole=True
        )
        logits = forward(model, [block], plan, [len(block.tokens) - 1])
        if not prompt:
            continue
        done = Row(members[prompt][0], prompt)
        batch.running, batch.slots.lengths = [done], [len(prompt)]
        batch.take([done], logits)
        while not is_done(done):
            batch.step(0)
        batch.running, batch.slots.lengths = [], []
        for index in members[prompt]:
            yield Row(index, prompt, list(done.tokens))


def groups(prompts: Sequence[Sequence[int]]) -> list[tuple[int, list[int]]]:
    """Split prompts into (length of the common beginning, indices), so that little is computed.

    A group of its own costs about `APART` tokens, as its last rows run in a batch that is not full.
    Every member keeps at least one own token.
    """
    order = sorted(range(len(prompts)), key=lambda index: tuple(prompts[index]))
    alike = [common_length(prompts[one], prompts[other]) for one, other in pairwise(order)]
    sizes = [len(prompts[index]) for index in order]
    steps = [
        min(length, size - 1) // STEP * STEP
        for length, size in zip(alike, map(min, sizes, sizes[1:]), strict=True)
    ]

    def cheapest(first: int, last: int) -> tuple[int, list[tuple[int, int, int]]]:
        """Return tokens and groups (shared, first, last) for a stretch of the sorted prompts."""
        shared = min(steps[first : last - 1], default=0)
        total = sum(sizes[first:last]) - shared * (last - first - 1) + APART
        if last - first == 1:
            return total, [(0, first, last)]
        cuts = [at + 1 for at in range(first, last - 1) if steps[at] == shared]
        parts = [cheapest(start, stop) for start, stop in pairwise([first, *cuts, last])]
        divided = sum(tokens for tokens, _ in parts)
        if divided < total:
            return divided, [group for _, found in parts for group in found]
        return total, [(shared, first, last)]

    found = cheapest(0, len(order))[1] if order else []
    loose = [order[first] for _, first, last in found if last - first == 1]
    kept = [(shared, order[first:last]) for shared, first, last in found if last - first > 1]
    return kept + ([(0, loose)] if loose else [])


def common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Count the tokens that two sequences begin with alike."""
    pairs = zip(left, right, strict=False)
    different = (at for at, (one, other) in enumerate(pairs) if one != other)
    return next(different, min(len(left), len(right)))
