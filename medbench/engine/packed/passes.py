"""Forward passes over packed blocks: no padding, each block once, logits only where they are read.

All tokens of a pack are one row. A token attends to its own block, to the blocks above it in the
same pack, and to the path: keys and values that earlier packs left for the blocks still to come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch

from medbench.engine.packed.attention import Mask, attend, hidden_by_window, join, running
from medbench.engine.packed.trie import Block

__all__ = ["PackPlan", "Path", "forward"]


@dataclass(slots=True)
class Path:
    """Keys and values of the blocks from a root down to where the next pack goes on."""

    layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    """Keys and values of each layer, each (1, heads, length, head size)."""


@dataclass(frozen=True, slots=True)
class Look:
    """Queries of a pack that look at keys above their own block."""

    queries: slice
    keys: slice
    on_path: bool
    """The keys are the path's, not the pack's."""


class PackPlan:
    """What the tokens of one pack look at, and what stays on the path after it."""

    def __init__(self, pack: Sequence[Block], path: Path, below: Block | None) -> None:
        """Lay out a pack; `below` is the first block of the next one, if there is one."""
        self.path = path
        starts, total = {}, 0
        for block in pack:
            starts[block] = total
            total += len(block.tokens)
        self.starts, self.total = starts, total
        self.positions = torch.cat([block.positions() for block in pack])
        self.own = [(at, at + len(block.tokens), block.sees()) for block, at in starts.items()]
        self.above = inside(pack, starts) + outside(pack, starts)
        self.kept = below.above() if below else []
        self.masks: dict[tuple[int, int | None, torch.device], Mask | None] = {}

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Join each token's own block with what is above it; then renew the layer's path."""
        out = torch.empty_like(query)
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        for number, (start, stop, _) in enumerate(self.own):
            mask = self.mask(number, window, query)
            mine = slice(start, stop)
            out[:, :, mine], sums[:, :, mine] = attend(
                query[:, :, mine],
                key[:, :, mine],
                value[:, :, mine],
                scale,
                mask=mask,
                causal=mask is None,
            )
        for number, look in enumerate(self.above, start=len(self.own)):
            keys, values = self.path.layers[layer] if look.on_path else (key, value)
            found = attend(
                query[:, :, look.queries],
                keys[:, :, look.keys],
                values[:, :, look.keys],
                scale,
                mask=self.mask(number, window, query),
            )
            join((out[:, :, look.queries], sums[:, :, look.queries]), found)
        self.renew(layer, key, value)
        return out

    def mask(self, number: int, window: int | None, query: torch.Tensor) -> Mask | None:
        """Return what a part hides beyond causality; computed once a pack and device."""
        known = number, window, query.device
        if known not in self.masks:
            self.masks[known] = Mask.of(self.hidden(number, window), query)
        return self.masks[known]

    def hidden(self, number: int, window: int | None) -> torch.Tensor | None:
        """Return which keys of a part are out of sight, (Q, K); None: causal, nothing else."""
        if number < len(self.own):
            start, stop, sees = self.own[number]
            at = self.positions[start:stop]
            return own_mask(hidden_by_window(at, at, window), sees, len(at))
        look = self.above[number - len(self.own)]
        at = torch.arange(look.keys.stop) if look.on_path else self.positions[look.keys]
        return hidden_by_window(self.positions[look.queries], at, window)

    def renew(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> None:
        """Keep on the path what the next pack looks at."""
        old = [block for block in self.kept if block not in self.starts]
        new = [slice(self.starts[b], self.starts[b] + len(b.tokens)) for b in self.kept[len(old) :]]
        length = old[-1].end if old else 0
        if not self.kept:
            self.path.layers.pop(layer, None)
        elif new or length < self.path.layers[layer][0].shape[2]:
            before = self.path.layers.get(layer, (key[:, :, :0], value[:, :, :0]))
            self.path.layers[layer] = tuple(  # type: ignore[assignment]
                torch.cat([kept[:, :, :length], *(fresh[:, :, one] for one in new)], dim=2)
                for kept, fresh in zip(before, (key, value), strict=True)
            )


def own_mask(
    window: torch.Tensor | None, sees: torch.Tensor | None, length: int
) -> torch.Tensor | None:
    """Combine a window with a bush's or a chain's own mask; None: causal, nothing else."""
    if sees is not None:
        return ~sees if window is None else window | ~sees
    if window is None:
        return None
    return window | torch.ones(length, length, dtype=torch.bool).triu(1)


def inside(pack: Sequence[Block], starts: dict[Block, int]) -> list[Look]:
    """Return what the pack's blocks look at in the pack."""
    last: dict[Block, int] = {}
    for block in pack:
        for above in block.above():
            if above in starts:
                last[above] = starts[block] + len(block.tokens)
    found = []
    for block, stop in last.items():
        start, end = starts[block], starts[block] + len(block.tokens)
        found.append(Look(slice(end, stop), slice(start, end), on_path=False))
    return found


def outside(pack: Sequence[Block], starts: dict[Block, int]) -> list[Look]:
    """Return what the pack's blocks look at on the path."""

    def depth(block: Block) -> int:
        return max((one.end for one in block.above() if one not in starts), default=0)

    found = []
    for length, members in groupby(pack, key=depth):
        blocks = list(members)
        stop = starts[blocks[-1]] + len(blocks[-1].tokens)
        if length:
            found.append(Look(slice(starts[blocks[0]], stop), slice(0, length), on_path=True))
    return found


def forward(model: Any, pack: Sequence[Block], plan: PackPlan, keep: Sequence[int]) -> torch.Tensor:
    """Run the model over a pack; return logits (len(keep), V) at these places."""
    tokens = [token for block in pack for token in block.tokens]
    with torch.inference_mode(), running(plan):
        logits = model(
            input_ids=torch.tensor([tokens], device=model.device),
            position_ids=plan.positions[None].to(model.device),
            logits_to_keep=torch.tensor(keep or [0], device=model.device),
            use_cache=False,
        ).logits[0]
    return logits[: len(keep)]  # type: ignore[no-any-return]
