"""Federated training inside one process: real server, real clients, no network between them."""

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity

from medbench.federated.asked import Asked
from medbench.federated.client import client_app


def asked(recipe: Path, output: Path, *overrides: str, resume: bool = False) -> Asked:
    """Return what is to be done with it."""
    return Asked(str(recipe), overrides, output, resume)


Spoil = Callable[[int, int, Message], "Message | None"]
"""(client, its training messages so far, reply) → the reply that arrives; None: none does."""


class Loopback:
    """Stands where Flower's grid does: clients answer in this process, all that is said is kept.

    Args:
        of: what is trained.
        spoil: what goes wrong on the way.
    """

    def __init__(self, of: Asked, spoil: Spoil | None = None) -> None:
        TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1
        self.app: ClientApp = client_app(of)
        self.spoil = spoil
        clients = of.federated.clients
        self.contexts = {
            900 - client: Context(
                run_id=1,
                node_id=900 - client,
                node_config={"partition-id": client, "num-partitions": clients},
                state=RecordDict(),
                run_config={},
            )
            for client in range(clients)
        }
        self.sent: list[Message] = []
        self.received: list[Message] = []
        self.turns: dict[int, int] = {}

    def get_node_ids(self) -> list[int]:
        """Return who is connected."""
        return list(self.contexts)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Hand each message to its client; return what comes back, the last one first."""
        replies = []
        for number, message in enumerate(messages):
            message.metadata.__dict__["_message_id"] = f"{len(self.sent)}/{number}"
            self.sent.append(copy.deepcopy(message))
            reply = self.answer(copy.deepcopy(message))
            if reply is not None:
                self.received.append(copy.deepcopy(reply))
                replies.append(reply)
        return replies[::-1]

    def answer(self, message: Message) -> Message | None:
        """Return a client's reply, as Flower's engine words what it raises."""
        context = self.contexts[message.metadata.dst_node_id]
        try:
            reply = self.app(message=message, context=context)
        except Exception as error:  # Flower's engine does the same
            reply = Message(Error(code=2, reason=f"{type(error)}:<'{error}'>"), reply_to=message)
        if self.spoil is None or message.metadata.message_type != "train":
            return reply
        client: Any = context.node_config["partition-id"]
        self.turns[client] = self.turns.get(client, 0) + 1
        return self.spoil(client, self.turns[client], reply)
