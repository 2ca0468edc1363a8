"""The section of a recipe that divides its rows among clients, which train in rounds."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Literal

from medbench.recipe.bounds import Amount, Count, Positive

if TYPE_CHECKING:
    from medbench.recipe.schema import Recipe

__all__ = ["Federated", "Privacy", "federations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """Central differential privacy: clients clip what they changed, the server adds noise.

    All clients count alike, whatever rows they have.
    """

    clipping_norm: Positive
    """The most that a client may move the adapter, in all weights together."""
    noise_multiplier: Positive
    """The noise's deviation, in clipping norms over the clients that a round hears from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Federated:
    """Clients that train on rows of their own; the training section is one client's turn."""

    clients: Count = 20
    """Who hold the rows."""
    fraction: Positive = 1.0
    """The share of them that trains in a round, drawn anew each time; at most 1."""
    rounds: Count = 10
    """Times that the adapter goes out and comes back."""
    min_learning_rate: Positive | None = None
    """The last round's rate, by a cosine from training.learning_rate; null: always that one."""
    proximal_mu: Amount = 0.0
    """FedProx: μ/2 times the squared distance from the round's start joins the loss; 0: FedAvg."""
    partition: Literal["iid", "dirichlet", "own"] = "iid"
    """How rows are divided; own: each client's are whatever it reads, and nobody else's."""
    partition_by: str = "subset"
    """dirichlet: what clients differ in: benchmark, subset, language, answer, or a row's tag."""
    alpha: Positive = 0.5
    """dirichlet: the smaller, the more they differ."""
    aggregation: Literal["mean", "svd", "fixed_a"] = "mean"
    """mean: of each matrix; svd: of the products, cut to the rank; fixed_a: only B is learnt."""
    message: Literal["float32", "float16", "int8"] = "float32"
    """What the tensors in messages are written as."""
    save_every: Count = 5
    """Rounds between two adapters that stay on the disk; the last one always does."""
    evaluate_every: Count | None = None
    """Rounds between two scores of the adapter on evaluation.tasks; null: none before the end."""
    evaluate_limit: Count | None = None
    """Only the first so many questions of each task, between rounds."""
    timeout: Positive = 3600.0
    """Seconds that a round waits for its clients; those that are late are left out."""
    workers: Count = 1
    """Clients that are simulated at once, each with a copy of the base model."""
    secure: bool = False
    """Secure aggregation (SecAgg+): the server sees the mean and no client's own tensors."""
    privacy: Privacy | None = None
    """Differential privacy."""

    @property
    def clients_per_round(self) -> int:
        """Clients that train in a round."""
        return max(1, floor(self.clients * self.fraction + 1e-9))


def federations(recipe: "Recipe") -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield (keys, message) of what a federated training cannot be."""
    federated, training = recipe.federated, recipe.training
    if federated is None:
        return
    if recipe.method.name not in ("lora", "rslora", "dora", "qlora"):
        keys: tuple[str, ...] = ("federated", "method.name")
        yield keys, f"clients exchange low-rank adapters; method {recipe.method.name} trains none"
    if training.max_steps is None:
        yield ("training.max_steps", "federated"), "how long is a client's turn? name its steps"
    if recipe.launch.strategy != "single" or recipe.launch.devices > 1:
        keys = ("launch.strategy", "launch.devices", "federated")
        yield keys, "each client trains on one device; federated.workers are simulated at once"
    if federated.fraction > 1:
        yield ("federated.fraction",), f"{federated.fraction} is more than all clients, 1"
    lowest = federated.min_learning_rate
    if lowest is not None and lowest > training.learning_rate:
        keys = ("federated.min_learning_rate", "training.learning_rate")
        yield keys, f"{lowest} is above the highest, {training.learning_rate}"
    if training.schedule not in ("constant", "constant_with_warmup"):
        keys = ("training.schedule", "federated")
        yield keys, f"{training.schedule} would start anew in each turn; constant_with_warmup"
    yield from protections(federated)


def protections(federated: Federated) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what secure aggregation and differential privacy do not go with."""
    wanted = {"secure": federated.secure, "privacy": federated.privacy is not None}
    for name in (one for one, is_on in wanted.items() if is_on):
        if federated.aggregation != "mean":
            keys: tuple[str, ...] = (f"federated.{name}", "federated.aggregation")
            yield keys, f"needs aggregation mean, not {federated.aggregation}"
        if federated.message != "float32":
            keys = (f"federated.{name}", "federated.message")
            yield keys, f"needs message float32, not {federated.message}"
    if federated.secure and federated.clients_per_round < 3:
        keys = ("federated.secure", "federated.clients", "federated.fraction")
        yield keys, f"{federated.clients_per_round} clients in a round hide nothing; three do"
