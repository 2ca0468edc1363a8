"""Keys and values of running rows, and the plans that fill and use them."""

from collections.abc import Sequence

import torch

from medbench.engine.packed.attention import Mask, attend, join
from medbench.engine.packed.passes import PackPlan, Path
from medbench.engine.packed.trie import Block

__all__ = ["Filling", "Slots", "Step"]

GROWTH = 256
"""Tokens by which slots grow."""


class Slots:
    """Room for the own tokens of some rows, behind a path that all of them share."""

    def __init__(self, rows: int) -> None:
        """Make room for so many rows; memory follows what they hold."""
        self.rows = rows
        self.lengths: list[int] = []
        """Own tokens of each running row; row i is in slot i."""
        self.layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        """Keys and values of each layer, each (rows, heads, capacity, head size)."""

    def room(self, layer: int, length: int, like: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return a layer's keys and values, grown to hold `length` tokens a row."""
        held = self.layers.get(layer)
        if held is None or held[0].shape[2] < length:
            capacity = -(-length // GROWTH) * GROWTH
            grown = [like.new_zeros(self.rows, like.shape[1], capacity, like.shape[3])] * 2
            grown[1] = grown[0].clone()
            for new, old in zip(grown, held or (), strict=False):
                new[:, :, : old.shape[2]] = old
            self.layers[layer] = held = (grown[0], grown[1])
        return held

    @torch.inference_mode()
    def remove(self, slot: int) -> None:
        """Free a slot; the last row moves into it."""
        last = len(self.lengths) - 1
        moved = slice(0, self.lengths[last])
        for held in self.layers.values() if slot != last else ():
            for tensor in held:
                tensor[slot, :, moved] = tensor[last, :, moved]
        self.lengths[slot] = self.lengths[last]
        self.lengths.pop()


class Filling(PackPlan):
    """A pack of prompts' own tokens, which also go into slots."""

    def __init__(
        self,
        pack: Sequence[Block],
        path: Path,
        below: Block | None,
        slots: Slots,
        taken: dict[Block, int],
        whole: bool = False,
    ) -> None:
        """Say which block goes into which slot; `whole` puts what is above in front of it."""
        super().__init__(pack, path, below)
        self.slots, self.taken, self.whole = slots, taken, whole

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Attend as a pack does, and copy keys and values into their slots."""
        for block, slot in self.taken.items():
            start, length = self.starts[block], len(block.tokens)
            before = block.start if self.whole else 0
            held = self.slots.room(layer, before + length, key)
            for index, (room, fresh) in enumerate(zip(held, (key, value), strict=True)):
                if before:
                    room[slot, :, :before] = self.path.layers[layer][index][0, :, :before]
                room[slot, :, before : before + length] = fresh[0, :, start : start + length]
        return super().attend(layer, query, key, value, scale, window)


class Step:
    """One new token of every running row, behind the shared path."""

    def __init__(self, path: Path, shared: int, slots: Slots) -> None:
        """Lay out a step; `shared` is the length of the path."""
        self.path, self.shared, self.slots = path, shared, slots
        self.lengths = torch.tensor(slots.lengths)
        self.positions = shared + self.lengths
        self.masks: dict[tuple[str, int | None, torch.device], Mask | None] = {}

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Join each row's own tokens with the path; query (1, H, N, D)."""
        rows, longest = len(self.lengths), int(self.lengths.max()) + 1
        held = self.slots.room(layer, longest, key)
        for room, fresh in zip(held, (key, value), strict=True):
            at = torch.arange(rows), slice(None), self.lengths
            room[at] = fresh[0].transpose(0, 1)
        out, sums = attend(
            query.transpose(0, 2),
            held[0][:rows, :, :longest],
            held[1][:rows, :, :longest],
            scale,
            mask=self.mask("own", window, query),
        )
        out, sums = out.transpose(0, 2).contiguous(), sums.transpose(0, 2).contiguous()
        if self.shared:
            keys, values = self.path.layers[layer]
            found = attend(query, keys, values, scale, mask=self.mask("shared", window, query))
            join((out, sums), found)
        return out

    def mask(self, part: str, window: int | None, query: torch.Tensor) -> Mask | None:
        """Return what is out of sight: (N, 1, 1, own tokens) or (N, shared tokens)."""
        known = part, window, query.device
        if known not in self.masks:
            self.masks[known] = Mask.of(self.hidden(part, window), query)
        return self.masks[known]

    def hidden(self, part: str, window: int | None) -> torch.Tensor | None:
        """Return which keys are not there yet, or outside the window."""
        if part == "shared":
            keys = torch.arange(self.shared)
            hidden = torch.zeros(len(self.lengths), self.shared, dtype=torch.bool)
        else:
            keys = self.shared + torch.arange(int(self.lengths.max()) + 1)
            hidden = keys[None] > self.positions[:, None]
        if window is not None:
            hidden = hidden | (self.positions[:, None] - keys[None] >= window)
        if not bool(hidden.any()):
            return None
        return hidden if part == "shared" else hidden[:, None, None]
