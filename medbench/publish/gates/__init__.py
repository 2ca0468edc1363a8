"""What is checked before anything is uploaded."""

from medbench.publish.gates.finding import Finding

__all__ = ["Finding"]
