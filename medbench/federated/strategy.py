"""Flower's FedProx with rounds that a seed decides, replies that are looked at, and exact products.

FedProx with μ 0 is FedAvg, arXiv 1602.05629; the term itself is added by the client
(`medbench.federated.proximal`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp.strategy import DifferentialPrivacyClientSideFixedClipping, FedProx

from medbench.federated.low_rank import A_NAME, Tensors, error, factor_pairs, stack, truncate
from medbench.federated.messages import ARRAYS, CONFIG, METRICS, decode, encode, record
from medbench.federated.rounds import Round, turns
from medbench.federated.schedule import chosen, learning_rate
from medbench.recipe import Recipe

__all__ = ["Private", "Rounds"]

WEIGHT = "num-examples"
REASON = re.compile(r"<class '(?:[\w.]*\.)?(\w+)'>:<[\"'](.*?)[\"']>", re.DOTALL)
"""How Flower writes down what a client raised."""


class Rounds(FedProx):  # type: ignore[misc, unused-ignore]
    """The rounds of a recipe.

    Args:
        recipe: what is trained, and how.
        nodes: node of each client that is connected.
        rounds: those that are done already; new ones are added.
    """

    def __init__(self, recipe: Recipe, nodes: Mapping[int, int], rounds: list[Round]) -> None:
        assert recipe.federated is not None
        federated = recipe.federated
        super().__init__(
            fraction_train=federated.fraction,
            fraction_evaluate=0.0,
            min_train_nodes=1,
            min_available_nodes=federated.clients,
            weighted_by_key=WEIGHT,
            proximal_mu=federated.proximal_mu,
        )
        self.recipe, self.federated = recipe, federated
        self.nodes, self.rounds = nodes, rounds
        self.sent: Tensors = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Any
    ) -> Iterable[Message]:
        """Return what this round's clients are sent; numbers go on from the rounds done before."""
        number = len(self.rounds) + 1
        clients, rate = chosen(self.recipe, number), learning_rate(self.recipe, number)
        finished = turns(self.rounds)
        self.rounds.append(Round(number, rate, clients))
        sent = encode(decode(arrays), self.federated.message)
        self.sent = decode(sent)
        common = {
            **config,
            "server-round": number,
            "learning-rate": rate,
            "proximal-mu": self.proximal_mu,
        }
        return [
            Message(
                RecordDict({ARRAYS: sent, CONFIG: ConfigRecord({**common, "turn": finished[one]})}),
                dst_node_id=self.nodes[one],
                message_type=MessageType.TRAIN,
            )
            for one in clients
        ]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the mean of the replies that can be used, and note why others cannot."""
        current = self.rounds[-1]
        usable = self.usable(replies)
        for client, reply in usable:
            current.learnt[str(client)] = {
                name: float(v) for name, v in reply.content[METRICS].items()
            }
            reply.content[ARRAYS] = record(self.learnt(reply.content))
        messages = [reply for _, reply in usable]
        arrays, metrics = super().aggregate_train(server_round, messages)
        if arrays is None or metrics is None:
            return None, None
        current.loss = float(metrics["loss"])
        found = decode(arrays)
        if not self.federated.secure:
            found |= self.products(found, [decode(one.content[ARRAYS]) for one in messages])
        if self.federated.privacy is not None:
            np.random.seed()  # the noise comes next; one that a known seed tells would hide nothing
        return record(found), metrics

    def usable(self, replies: Iterable[Message]) -> list[tuple[int, Message]]:
        """Return the replies without fault, in the clients' order whatever came first."""
        current, clients = self.rounds[-1], {node: one for one, node in self.nodes.items()}
        came = {clients[one.metadata.src_node_id]: one for one in replies}
        for client in current.clients:
            reason = (
                self.fault(came[client])
                if client in came
                else f"no answer within {self.federated.timeout:g} seconds"
            )
            if reason:
                current.faults.setdefault(str(client), reason)
        return [(one, came[one]) for one in current.clients if str(one) not in current.faults]

    def fault(self, reply: Message) -> str:
        """Return why a reply cannot be used; empty: it can."""
        if reply.has_error():
            told = REASON.search(reply.error.reason or "")
            return ": ".join(told.groups()) if told else str(reply.error.reason)
        content = reply.content
        if set(content) != {ARRAYS, METRICS}:
            return f"it sent {', '.join(content) or 'nothing'} for {ARRAYS} and {METRICS}"
        weight = content[METRICS].get(WEIGHT)
        if not isinstance(weight, int) or weight < 1:
            return f"it says that it has {weight} examples"
        if not all(np.isfinite(one).all() for one in content[METRICS].values()):
            return "a number that it tells is none"
        try:
            tensors = decode(content[ARRAYS])
        except (ValueError, TypeError, KeyError) as problem:
            return f"its tensors cannot be read: {problem}"
        return self.fault_of(tensors)

    def fault_of(self, tensors: Tensors) -> str:
        """Return what is wrong with a client's tensors."""
        wanted = {name: one.shape for name, one in self.sent.items() if not self.is_fixed(name)}
        found = {name: one.shape for name, one in tensors.items()}
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                return f"{name} is {found.get(name)}, not {wanted.get(name)}"
        return next(
            (f"{name} holds NaN or infinity" for name, one in tensors.items()
             if not np.isfinite(one).all()), ""
        )  # fmt: skip

    def is_fixed(self, name: str) -> bool:
        """Tell whether a tensor stays what it was from the start."""
        return self.federated.aggregation == "fixed_a" and A_NAME in name

    def learnt(self, content: RecordDict) -> dict[str, Any]:
        """Return the whole adapter of a reply that may hold differences, and no fixed tensors."""
        found = decode(content[ARRAYS])
        if self.federated.message != "float32":
            found = {name: self.sent[name] + one for name, one in found.items()}
        return {name: found.get(name, one) for name, one in self.sent.items()}

    def products(self, means: Tensors, adapters: Sequence[Tensors]) -> dict[str, Any]:
        """Return the factors that aggregation svd puts for the means; note the error of either."""
        weights = [one[WEIGHT] for one in self.rounds[-1].learnt.values()]
        shares = [one / sum(weights) for one in weights]
        missing, whole, better = 0.0, 0.0, {}
        for a, b in factor_pairs(means):
            exact = stack([(one[a], one[b]) for one in adapters], shares)
            found = means[a], means[b]
            if self.federated.aggregation == "svd":
                size = float(np.linalg.norm(means[a]))
                found = better[a], better[b] = truncate(exact, means[a].shape[0], size)
            lost, norm = error(exact, found)
            missing, whole = missing + lost, whole + norm
        self.rounds[-1].aggregation_error = (missing / whole) ** 0.5 if whole else 0.0
        return better


class Private(DifferentialPrivacyClientSideFixedClipping):  # type: ignore[misc, unused-ignore]
    """Flower's noise around the rounds of a recipe with differential privacy.

    Args:
        rounds: which aggregate without it.
    """

    def __init__(self, rounds: Rounds) -> None:
        privacy = rounds.federated.privacy
        assert privacy is not None
        clients = rounds.federated.clients_per_round
        super().__init__(rounds, privacy.noise_multiplier, privacy.clipping_norm, clients)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the blurred mean of the replies that can be used.

        Flower's own gives a round up for one error, and fits its noise to clients that count alike
        and all answer.
        """
        usable = [reply for _, reply in self.strategy.usable(replies)]
        for reply in usable:
            reply.content[METRICS][WEIGHT] = 1
        self.num_sampled_clients = len(usable)
        found: tuple[ArrayRecord | None, MetricRecord | None]
        found = super().aggregate_train(server_round, usable)
        return found
