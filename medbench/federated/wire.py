"""Flower's grid, with every message weighed that goes through it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flwr.app import Message, MessageType

from medbench.federated.messages import tensor_bytes, whole_bytes
from medbench.federated.secure import secure_round

__all__ = ["Traffic", "Wire"]


@dataclass(slots=True)
class Traffic:
    """Bytes of one round's messages."""

    messages_down: int = 0
    """To clients."""
    messages_up: int = 0
    """From clients."""
    down: int = 0
    """All records to clients."""
    up: int = 0
    """All records from clients."""
    tensors_down: int = 0
    """Of these, tensors as Flower writes them."""
    tensors_up: int = 0
    """The same, from clients; under secure aggregation none: masked ones are no tensors."""

    def add(self, other: "Traffic") -> None:
        """Add another round's."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


class Wire:
    """What strategies and workflows use of a grid; it sends through Flower's own.

    Args:
        grid: Flower's.
        weights: how much each client counts, where aggregation is secure; None: it is not.
    """

    def __init__(self, grid: Any, weights: Sequence[int] | None = None) -> None:
        self.grid = grid
        self.weights = weights
        self.traffic = Traffic()

    def get_node_ids(self) -> list[int]:
        """Return who is connected."""
        return list(self.grid.get_node_ids())

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Send messages and wait for the replies; training goes by SecAgg+ where it is secure."""
        messages = list(messages)
        is_training = any(one.metadata.message_type == MessageType.TRAIN for one in messages)
        if self.weights is not None and is_training:
            assert timeout is not None
            return secure_round(Weighed(self), messages, self.weights, timeout)
        return self.exchange(messages, timeout)

    def exchange(self, messages: list[Message], timeout: float | None) -> list[Message]:
        """Send messages, wait for the replies, and weigh both."""
        traffic = self.traffic
        for one in messages:
            traffic.messages_down += 1
            traffic.down += whole_bytes(one)
            traffic.tensors_down += tensor_bytes(one.content)
        replies = list(self.grid.send_and_receive(messages, timeout=timeout))
        for one in replies:
            traffic.messages_up += 1
            traffic.up += whole_bytes(one)
            traffic.tensors_up += 0 if one.has_error() else tensor_bytes(one.content)
        return replies

    def take(self) -> Traffic:
        """Return what has been weighed since the last call."""
        taken, self.traffic = self.traffic, Traffic()
        return taken


class Weighed:
    """The grid that SecAgg+ is given: its messages go straight through the wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Send and wait."""
        return self.wire.exchange(list(messages), timeout)
