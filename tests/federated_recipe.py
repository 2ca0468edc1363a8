"""A small federated training: four clients on the packaged rows, a tiny random model."""

from pathlib import Path

RECIPE = """
model: {{id: {model}, layer_class: LlamaDecoderLayer, architecture: LlamaForCausalLM}}
data:
  mixture:
    - {{benchmark: mmedbench, subsets: [english], protocol: letters}}
    - {{benchmark: pubmedqa, protocol: letters}}
  sequence_length: 1024
method: {{name: lora, rank: 4, alpha: 8, dropout: 0.1, target_modules: [q_proj, v_proj]}}
training:
  global_batch: 2
  per_device_batch: 1
  max_steps: 2
  learning_rate: 3e-2
  schedule: constant
  precision: float32
federated: {{clients: 4, rounds: 2, fraction: 0.5, save_every: 1, timeout: 60}}
"""


def write_recipe(model: Path, folder: Path) -> Path:
    """Write the recipe of a training that takes seconds."""
    file = folder / "federated.yaml"
    file.write_text(RECIPE.format(model=model), encoding="utf-8")
    return file
