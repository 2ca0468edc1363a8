"""How much energy a training took at most: what its devices may draw, times how long it ran."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import yaml

__all__ = ["most_energy"]

FILE = Path(__file__).with_name("energy.yaml")


@cache
def watts() -> tuple[tuple[str, float], ...]:
    """Return the table: part of a device's name, watts."""
    return tuple((name, float(power)) for name, power in yaml.safe_load(FILE.read_text("utf-8")))


def most_energy(devices: Sequence[str], used: int, seconds: float) -> float | None:
    """Return the most that the devices drew, in kWh; processors and cooling are not in it.

    Args:
        devices: names that the driver gives, of one machine.
        used: how many took part, over all machines.
        seconds: of training.

    Returns:
        None where there are no devices, or one is not in the table.
    """
    powers = [next((power for part, power in watts() if part in name), None) for name in devices]
    known = [power for power in powers if power is not None]
    if not known or len(known) < len(powers):
        return None
    mean = sum(known) / len(known)
    return mean * used * seconds / 3.6e6
