"""Adapters as Flower's records, in the type that a recipe's messages have."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Message, RecordDict
from flwr.common.serde import message_to_proto

from medbench.federated.low_rank import Tensors

__all__ = [
    "ARRAYS",
    "CONFIG",
    "METRICS",
    "decode",
    "encode",
    "record",
    "tensor_bytes",
    "whole_bytes",
]

ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"
"""Names of the records in a message."""
SCALE = ":scale"
LARGEST = 127
"""Of int8, the same on both sides of zero."""


def encode(tensors: Tensors, dtype: str) -> ArrayRecord:
    """Return tensors as they travel; int8: each row over its largest value, which goes along."""
    written: dict[str, Any] = {}
    for name, one in tensors.items():
        if dtype == "int8":
            scale = np.abs(one).max(axis=-1, keepdims=True) / LARGEST
            written[name] = np.rint(one / np.where(scale == 0, 1, scale)).astype(np.int8)
            written[name + SCALE] = scale.astype(np.float32)
        else:
            written[name] = one.astype(dtype)
    return record(written)


def decode(arrays: ArrayRecord) -> dict[str, Any]:
    """Return the tensors of a record in float32."""
    found = {name: one.numpy() for name, one in arrays.items()}
    return {
        name: one.astype(np.float32) * found.get(name + SCALE, np.float32(1))
        for name, one in found.items()
        if not name.endswith(SCALE)
    }


def record(tensors: Mapping[str, Any]) -> ArrayRecord:
    """Return tensors as a record, each as it is."""
    return ArrayRecord({name: Array(np.ascontiguousarray(one)) for name, one in tensors.items()})


def tensor_bytes(content: RecordDict) -> int:
    """Return the bytes of a message's tensors, as FlowerTune counts them."""
    return sum(len(one.data) for part in content.array_records.values() for one in part.values())


def whole_bytes(message: Message) -> int:
    """Return the bytes of a message with all its records, as Flower's protocol writes it."""
    return int(message_to_proto(message).ByteSize())
