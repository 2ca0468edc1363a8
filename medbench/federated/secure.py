"""Secure aggregation by Flower's own SecAgg+ (arXiv 1611.04482, 2012.05810).

Its workflow and its mod speak Flower's former records (`FitIns`, `FitRes`); here they are
translated. Clients send by how much the adapter moved, so that no weight leaves the range which
SecAgg+ quantises, and the server learns the mean of that.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.common import (
    Code,
    FitIns,
    FitRes,
    Parameters,
    Status,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.compat.common import recorddict_compat as compat
from flwr.server import LegacyContext
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key

from medbench.federated.low_rank import Tensors
from medbench.federated.messages import ARRAYS, CONFIG, METRICS, decode, record

__all__ = ["as_ours", "as_theirs", "secure_round"]

NAMES = "names"
WEIGHT = "num-examples"
SHARES, THRESHOLD = 1.0, 0.5
"""Each client's secret is shared among all of the round; half of them must stay to the end."""


def as_theirs_to_send(content: RecordDict) -> FitIns:
    """Return a message of ours as instructions of Flower's former kind."""
    tensors = decode(content[ARRAYS])
    return FitIns(parameters(tensors), {**content[CONFIG], NAMES: "\n".join(tensors)})


def as_ours(content: RecordDict) -> RecordDict:
    """Return what a client was sent, as our records."""
    sent = compat.recorddict_to_fitins(content, keep_input=True)
    config = dict(sent.config)
    names = str(config.pop(NAMES)).split("\n")
    return RecordDict({ARRAYS: named(names, sent.parameters), CONFIG: ConfigRecord(config)})


def as_theirs(asked: RecordDict, reply: RecordDict) -> RecordDict:
    """Return a client's reply as SecAgg+ masks it: by how much each tensor moved."""
    begun, learnt = decode(asked[ARRAYS]), decode(reply[ARRAYS])
    metrics = dict(reply[METRICS])
    weight = int(metrics.pop(WEIGHT))
    moved = parameters({name: one - begun[name] for name, one in learnt.items()})
    return compat.fitres_to_recorddict(FitRes(Status(Code.OK, ""), moved, weight, metrics), True)


def parameters(tensors: Tensors) -> Parameters:
    """Return tensors without their names."""
    return ndarrays_to_parameters([np.ascontiguousarray(one) for one in tensors.values()])


def named(names: Sequence[str], found: Parameters) -> Any:
    """Return a record of tensors with their names."""
    return record(dict(zip(names, parameters_to_ndarrays(found), strict=True)))


class Node:
    """What the workflow knows of a client."""

    def __init__(self, node_id: int) -> None:
        self.node_id = node_id


class Order:
    """Stands where the workflow expects a strategy and a manager: it hands out, and collects."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.results: list[tuple[Any, FitRes]] = []

    def num_available(self) -> int:
        """Return how many clients there are."""
        return len(self.messages)

    def configure_fit(self, *_: Any) -> list[tuple[Any, FitIns]]:
        """Return each client with what it is sent."""
        return [
            (Node(one.metadata.dst_node_id), as_theirs_to_send(one.content))
            for one in self.messages
        ]

    def aggregate_fit(self, _: int, results: Any, failures: Any) -> tuple[None, dict[str, Any]]:
        """Take what the workflow has unmasked: with each client, the mean of all."""
        self.results = list(results)
        return None, {}


def secure_round(
    grid: Any, messages: Iterable[Message], weights: Sequence[int], timeout: float
) -> list[Message]:
    """Let clients train; return a reply for each that stayed, all with the mean adapter.

    Args:
        grid: Flower's, which the protocol's messages go through.
        messages: what each client is sent.
        weights: how much clients count; SecAgg+ must know the largest.
        timeout: seconds that each of the protocol's four stages waits.
    """
    messages = list(messages)
    order = Order(messages)
    context = LegacyContext(
        Context(run_id=0, node_id=0, node_config={}, state=RecordDict(), run_config={}),
        strategy=order,
        client_manager=order,
    )
    first = messages[0].content
    context.state[MAIN_CONFIGS_RECORD] = ConfigRecord(
        {Key.CURRENT_ROUND: first[CONFIG]["server-round"]}
    )
    context.state[MAIN_PARAMS_RECORD] = record({})
    workflow = SecAggPlusWorkflow(
        SHARES, THRESHOLD, max_weight=float(max(weights)), timeout=timeout
    )
    workflow(grid, context)
    by_node = {one.metadata.dst_node_id: one for one in messages}
    begun = decode(first[ARRAYS])
    return [answer(by_node[node.node_id], begun, found) for node, found in order.results]


def answer(message: Message, begun: Tensors, found: FitRes) -> Message:
    """Return a client's reply as if it had sent the mean."""
    moved = parameters_to_ndarrays(found.parameters)
    tensors = {
        name: (one + step).astype(np.float32)
        for (name, one), step in zip(begun.items(), moved, strict=True)
    }
    metrics = MetricRecord({**found.metrics, WEIGHT: found.num_examples})
    return Message(RecordDict({ARRAYS: record(tensors), METRICS: metrics}), reply_to=message)
