"""Federated fine-tuning with Flower: clients keep their rows, adapters travel.

`medbench train RECIPE --federated` simulates the clients on this machine; `flwr run` on the app in
`train/federated/` does the same, or goes to clients elsewhere. Flower's telemetry stays off unless
FLWR_TELEMETRY_ENABLED says otherwise.
"""

import os

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")  # read when flwr is imported
