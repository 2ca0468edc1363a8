"""What one gate found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One gate's answer; all of them together are the certificate in the card."""

    gate: str
    """The name by which it is overridden."""
    passed: bool
    """It was looked at, and nothing stands in the way."""
    report: str
    """Plain lines: what was looked at, what was found, and the way out where it failed."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The numbers behind the report, for the certificate; JSON."""
    is_skipped: bool = False
    """It was named in `skip`: not looked at, not passed, and not in the way."""

    @property
    def stops(self) -> bool:
        """Nothing is published because of it."""
        return not (self.passed or self.is_skipped)
