"""Where names stand beside dots: none on another, on a dot or outside the frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

__all__ = ["Box", "Dot", "Label", "place_labels"]

NEAR, FAR = (0.07,), (0.14, 0.24, 0.36, 0.5)
"""Inches between a dot's middle and its name; far ones need a line to the dot."""
SIDES = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))
AROUND = 0.055
"""Half the side of the square that a dot keeps free."""


class Box(NamedTuple):
    """A rectangle, down is positive."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Tell whether two rectangles share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def is_within(self, other: "Box") -> bool:
        """Tell whether it lies inside another one."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True, slots=True)
class Dot:
    """Something to be named."""

    at: float
    down: float
    width: float
    """Of its name."""
    is_needed: bool
    """May be named from far, by a line."""


class Label(NamedTuple):
    """A name's place."""

    box: Box
    has_line: bool


def place_labels(
    dots: Sequence[Dot], height: float, frame: Box, taken: Sequence[Box] = ()
) -> list[Label | None]:
    """Return a place for each name; None where there is no room.

    Names are placed in the order given, needed ones first, each at the nearest free place.

    Args:
        dots: With the width of their names.
        height: Of a name.
        frame: Names stay inside.
        taken: What names must also keep off.
    """
    blocked = [*taken, *(Box(one.at - AROUND, one.down - AROUND, one.at + AROUND,
                             one.down + AROUND) for one in dots)]  # fmt: skip
    places: list[Label | None] = [None] * len(dots)
    for index in sorted(range(len(dots)), key=lambda index: not dots[index].is_needed):
        for label in _candidates(dots[index], height):
            is_free = not any(label.box.meets(box) for box in blocked)
            if is_free and label.box.is_within(frame):
                places[index] = label
                blocked.append(label.box)
                break
    return places


def _candidates(dot: Dot, height: float) -> Iterator[Label]:
    """Yield the places around a dot, the best first."""
    for distance, (x, y) in product(NEAR + FAR * dot.is_needed, SIDES):
        reach = distance if not (x and y) else distance * 0.8
        left = dot.at + x * reach - dot.width * {1: 0.0, 0: 0.5, -1: 1.0}[x]
        middle = dot.down + y * (reach + height / 2)
        box = Box(left, middle - height / 2, left + dot.width, middle + height / 2)
        yield Label(box, distance in FAR)
