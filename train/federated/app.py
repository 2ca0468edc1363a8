"""Server and client for Flower; all of it is in `medbench.federated`.

flwr run train/federated --run-config 'recipe="flowertune/smollm2-135m/lora"' --stream
"""

from medbench.federated.client import client_app
from medbench.federated.server import server_app

server = server_app()
client = client_app()
