"""`medbench train RECIPE --federated`: Flower's simulation engine on this machine."""

import logging
import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch

from medbench.errors import MissingExtra
from medbench.federated.asked import Asked

__all__ = ["check_flower", "simulate"]


def check_flower() -> None:
    """Look for Flower, its engine and its partitioners.

    Raises:
        MissingExtra: one of them is not installed.
    """
    if not all(find_spec(one) for one in ("flwr", "ray", "flwr_datasets")):
        raise MissingExtra("federated", "federated training")


def simulate(asked: Asked) -> Path:
    """Train over clients on this machine; return the checkpoint.

    Raises:
        MedbenchError: what keeps it from starting, or from going on.
    """
    check_flower()
    from flwr.simulation import run_simulation

    from medbench.federated.client import client_app
    from medbench.federated.server import server_app

    logging.getLogger("flwr").setLevel(logging.CRITICAL)  # rounds are told by our own lines
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_simulation(
            server_app=server_app(asked),
            client_app=client_app(asked),
            num_supernodes=asked.federated.clients,
            backend_config={"client_resources": share(asked.federated.workers)},
        )
    return asked.output


def share(workers: int) -> dict[str, float]:
    """Return what one of the clients that are simulated at once may use of the machine."""
    cores, cards = os.cpu_count() or 1, torch.cuda.device_count()
    return {"num_cpus": max(1, cores // workers), "num_gpus": cards / workers}
