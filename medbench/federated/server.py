"""The server's side of Flower: rounds, their states on the disk, scores, the checkpoint."""

import sys
import time
from collections.abc import Iterator
from typing import Any

from flwr.app import ArrayRecord, Context, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp

from medbench.errors import TrainingError
from medbench.federated.asked import Asked
from medbench.federated.finish import finish
from medbench.federated.messages import METRICS, decode, record
from medbench.federated.rounds import Round, read_state, write_adapter, write_state
from medbench.federated.scores import score
from medbench.federated.strategy import WEIGHT, Private, Rounds
from medbench.federated.traffic import MIB
from medbench.federated.wire import Wire
from medbench.federated.worker import Worker, adapter
from medbench.training.checkpoint import begin
from medbench.training.ready import Ready, prepare
from medbench.training.states import workplace

__all__ = ["serve", "server_app"]

POLL_SECONDS = 1.0


def server_app(asked: Asked | None = None) -> ServerApp:
    """Return the app of the server.

    Args:
        asked: what is trained; None: as the run's configuration says.
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        serve(asked or Asked.of(context.run_config), grid)

    return app


def serve(asked: Asked, grid: Any) -> None:
    """Train over a grid of clients and leave a checkpoint.

    Raises:
        MedbenchError: what keeps it from starting, or from going on.
    """
    recipe, federated = asked.recipe, asked.federated
    state = begin(recipe, asked.output, resume=asked.resume)
    ready = prepare(recipe, reads_rows=federated.partition != "own")
    base = Base(ready)
    rounds, tensors = read_state(state) if state else ([], base.tensors)
    nodes, rows = introduced(grid, asked)
    weights = [1] if federated.privacy else list(rows.values())
    wire = Wire(grid, weights if federated.secure else None)
    strategy: Any = Rounds(recipe, nodes, rounds)
    if federated.privacy is not None:
        strategy = Private(strategy)
    ends = Ends(asked, base, rounds, wire)
    strategy.start(
        grid=wire,
        initial_arrays=record(tensors),
        num_rounds=federated.rounds - len(rounds),
        timeout=federated.timeout,
        evaluate_fn=ends,
    )
    finish(asked, ready, base.facts, rounds)


class Base:
    """What the server must know of the base model; its weights are let go again."""

    def __init__(self, ready: Ready) -> None:
        from medbench.training.provenance import base

        model = Worker(ready).model
        self.tensors = adapter(model)
        self.config = model.peft_config["default"]
        self.facts = base(ready.recipe, model)


class Ends:
    """What is done at the end of each round, as Flower's `evaluate_fn`."""

    def __init__(self, asked: Asked, base: Base, rounds: list[Round], wire: Wire) -> None:
        self.asked, self.base, self.rounds, self.wire = asked, base, rounds, wire
        self.tensors: dict[str, Any] = {}
        self.started = time.monotonic()

    def __call__(self, server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
        """Note what a round took, save its state, score it.

        Raises:
            TrainingError: none of the round's clients gave anything.
        """
        traffic = self.wire.take()
        if server_round == 0:  # Flower asks before the first one, too
            self.started = time.monotonic()
            return None
        current = self.rounds[-1]
        current.traffic = {name: getattr(traffic, name) for name in traffic.__slots__}
        current.seconds = round(time.monotonic() - self.started, 2)
        if not current.learnt:
            raise TrainingError(f"round {current.number}: {'; '.join(told(current))}")
        self.tensors = decode(arrays)
        self.save(current)
        print(line(current, self.asked.federated.rounds), file=sys.stderr, flush=True)
        self.started = time.monotonic()
        return MetricRecord(current.scores) if current.scores else None

    def save(self, current: Round) -> None:
        """Write the round's state, the adapter that stays, its scores."""
        federated, folder = self.asked.federated, workplace(self.asked.output)
        is_last = current.number == federated.rounds
        if current.number % federated.save_every == 0 or is_last:
            kept = folder / "rounds" / str(current.number)
            write_adapter(kept, self.tensors, self.base.config)
        if federated.evaluate_every and (current.number % federated.evaluate_every == 0 or is_last):
            state = folder / "scored"
            write_adapter(state, self.tensors, self.base.config)
            current.scores = score(self.asked.recipe, state)
        write_state(folder, self.rounds, self.tensors, self.base.config)


def told(current: Round) -> Iterator[str]:
    """Yield what went wrong with each client."""
    for client, reason in current.faults.items():
        yield f"client {client}: {reason}"


def line(current: Round, rounds: int) -> str:
    """Say how a round went."""
    down, up = (current.traffic[name] / MIB for name in ("down", "up"))
    parts = [
        f"round {current.number}/{rounds}",
        f"clients {', '.join(current.learnt)}",
        f"loss {current.loss:.4f}",
        f"lr {current.learning_rate:.2e}",
        f"{down:.2f} MiB down, {up:.2f} up",
        *(f"{task} {100 * value:.1f}" for task, value in current.scores.items()),
        *told(current),
    ]
    return " · ".join(parts)


def introduced(grid: Any, asked: Asked) -> tuple[dict[int, int], dict[int, int]]:
    """Wait until all clients are there; return the node of each, and how many rows it has.

    Raises:
        TrainingError: some stay away, two are the same one, or one cannot train.
    """
    federated, deadline = asked.federated, time.monotonic() + asked.federated.timeout
    while len(ids := list(grid.get_node_ids())) < federated.clients:
        if time.monotonic() > deadline:
            raise TrainingError(
                f"{len(ids)} of {federated.clients} clients came in {federated.timeout:g} seconds"
            )
        time.sleep(POLL_SECONDS)
    ask = [Message(RecordDict(), dst_node_id=one, message_type=MessageType.QUERY) for one in ids]
    nodes: dict[int, int] = {}
    rows: dict[int, int] = {}
    faults = []
    for reply in grid.send_and_receive(ask, timeout=federated.timeout):
        if reply.has_error():
            faults.append(str(reply.error.reason))
            continue
        client, size = (int(reply.content[METRICS][key]) for key in ("client", WEIGHT))
        if client in nodes:
            faults.append(f"two nodes say that they are client {client}")
        nodes[client], rows[client] = reply.metadata.src_node_id, size
    missing = sorted(set(range(federated.clients)) - nodes.keys())
    if missing or faults:
        faults += [f"client {one} is missing" for one in missing]
        raise TrainingError("\n".join(dict.fromkeys(faults)))
    return dict(sorted(nodes.items())), dict(sorted(rows.items()))
