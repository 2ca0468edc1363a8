"""Numbers with bounds, as the fields of a recipe are annotated."""

from dataclasses import dataclass
from math import inf
from typing import Annotated

__all__ = ["Amount", "Bounds", "Count", "Positive", "Share", "Whole"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number may be."""

    words: str
    """The same in words, for messages: at least 1."""
    low: float
    """The smallest."""
    is_open: bool = False
    """The smallest itself is too small."""
    below: float = inf
    """What it must stay under."""

    def hold(self, number: float) -> bool:
        """Tell whether a number is within them."""
        return (number > self.low if self.is_open else number >= self.low) and number < self.below


Count = Annotated[int, Bounds("at least 1", 1)]
Whole = Annotated[int, Bounds("at least 0", 0)]
Amount = Annotated[float, Bounds("at least 0", 0)]
Positive = Annotated[float, Bounds("more than 0", 0, is_open=True)]
Share = Annotated[float, Bounds("at least 0 and less than 1", 0, below=1)]
