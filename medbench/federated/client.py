"""The client's side of Flower: adapters in, adapters and a few numbers out.

Nothing else leaves a client: no row, no token, no optimiser state. An error tells its words.
"""

from collections.abc import Callable
from typing import Any

from flwr.app import Context, Message, MessageType, MetricRecord, RecordDict
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import fixedclipping_mod

from medbench.errors import RecipeError
from medbench.federated.asked import Asked
from medbench.federated.low_rank import A_NAME, Tensors
from medbench.federated.messages import ARRAYS, CONFIG, METRICS, decode, encode
from medbench.federated.secure import as_ours, as_theirs
from medbench.federated.worker import Turn, Worker, worker
from medbench.recipe import Federated

__all__ = ["client_app"]

Handler = Callable[[Message, Context], Message]


def client_app(asked: Asked | None = None) -> ClientApp:
    """Return the app of every client.

    Args:
        asked: what is trained; None: as the run's configuration says.
    """

    def of(context: Context) -> Asked:
        return asked or Asked.of(context.run_config)

    def protect(message: Message, context: Context, then: Handler) -> Message:
        return protected(of(context).federated, then)(message, context)

    app = ClientApp(mods=[protect])

    @app.query()
    def introduce(message: Message, context: Context) -> Message:
        found = of(context)
        client = number(found.federated, context)
        rows = worker(found.recipe_name, found.overrides).rows(client)
        known = MetricRecord({"client": client, "num-examples": len(rows)})
        return Message(RecordDict({METRICS: known}), reply_to=message)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        found = of(context)
        own = worker(found.recipe_name, found.overrides)
        client = number(found.federated, context)
        return Message(turn(own, client, message.content), reply_to=message)

    return app


def protected(federated: Federated, then: Handler) -> Handler:
    """Return a handler behind Flower's own mods, where a recipe asks for them."""

    def handle(message: Message, context: Context) -> Message:
        handler = then
        if message.metadata.message_type == MessageType.TRAIN:
            if federated.privacy is not None:
                handler = behind(fixedclipping_mod, handler)
            if federated.secure:
                handler = behind(secaggplus_mod, behind(legacy, handler))
        return handler(message, context)

    return handle


def behind(mod: Callable[[Message, Context, Handler], Message], then: Handler) -> Handler:
    """Return a handler with a mod in front of it."""
    return lambda message, context: mod(message, context, then)


def legacy(message: Message, context: Context, then: Handler) -> Message:
    """Translate for SecAgg+, which speaks Flower's former records."""
    message.content = as_ours(message.content)
    reply = then(message, context)
    return Message(as_theirs(message.content, reply.content), reply_to=message)


def number(federated: Federated, context: Context) -> int:
    """Return which of the clients this one is.

    Raises:
        RecipeError: the node was started as one of another number of clients.
    """
    config = context.node_config
    given = {key: config.get(key) for key in ("partition-id", "num-partitions")}
    client, clients = (int(one) if one is not None else -1 for one in given.values())
    if clients != federated.clients or not 0 <= client < clients:
        raise RecipeError(
            f"federated.clients: {federated.clients}, and this node is {given}; start it with "
            f"--node-config 'partition-id=0 num-partitions={federated.clients}', or set the recipe"
        )
    return client


def turn(own: Worker, client: int, content: RecordDict) -> RecordDict:
    """Train as a message asks; return the reply's records."""
    federated, config = own.federated, content[CONFIG]
    begun = decode(content[ARRAYS])
    asked = Turn(
        client=client,
        number=int(config["server-round"]),
        turn=int(config["turn"]),
        learning_rate=float(config["learning-rate"]),
        proximal_mu=float(config["proximal-mu"]),
    )
    learnt = own.train(begun, asked)
    tensors = answer(federated, begun, learnt.tensors)
    return RecordDict(
        {ARRAYS: encode(tensors, federated.message), METRICS: MetricRecord(dict(learnt.metrics))}
    )


def answer(federated: Federated, begun: Tensors, learnt: Tensors) -> dict[str, Any]:
    """Return the tensors that a client sends: what it learnt; in fewer bits, by how much."""
    return {
        name: one if federated.message == "float32" else one - begun[name]
        for name, one in learnt.items()
        if federated.aggregation != "fixed_a" or A_NAME not in name
    }
