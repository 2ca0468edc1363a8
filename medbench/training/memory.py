"""What a device must hold: weights, gradients, the optimiser's state, activations, logits.

Bytes per weight: ZeRO (arXiv 1910.02054, section 3.1) for DeepSpeed and FSDP, 16 of them under
AdamW; two more where autocast keeps a bfloat16 copy (one process, DDP). 4-bit weights: QLoRA
(arXiv 2305.14314, section 3). Activations: what a decoder layer of transformers saves for its
backward pass; attention itself saves nothing that grows with the square of the length.
"""

from dataclasses import dataclass, replace
from math import prod

from medbench.recipe import EXPERTS, LOW_RANK, Facts, Recipe
from medbench.training.shapes import adapter_shapes, placed, widths

__all__ = [
    "LOGITS_AT_ONCE",
    "Memory",
    "adapter_parameters",
    "devices_needed",
    "memory",
    "state_bytes",
]

GIB = 2**30
CARD_GIB = 79.0
"""What PyTorch finds on an 80 GB card."""
RESERVE_GIB = 1.5
"""The CUDA context, the libraries' workspaces and what fragmentation wastes."""
LOGITS_AT_ONCE = 1 << 25
"""Logits that the loss computes in one piece: 128 MiB in float32."""
MOST_DEVICES = 64
BLOCK_BITS = {
    "nf4": 4.127,  # a scale for 64 weights, itself in 8 bits, and a scale for 256 scales
    "fp4": 4.127,
    "int8": 8.0,
    "awq": 4.16,  # groups of 128 with a 16-bit scale and a 4-bit zero
    "gptq": 4.16,
}
SINGLE_QUANT_BITS = 4.5  # a float32 scale for 64 weights


@dataclass(frozen=True, slots=True)
class Memory:
    """What one device holds at its fullest, in GiB."""

    weights: float
    """The model's, frozen and trained."""
    gradients: float
    """Of the trained weights."""
    optimizer: float
    """Moments, and the float32 copies that DeepSpeed steps."""
    activations: float
    """Of a batch of the longest examples."""
    logits: float
    """At the supervised positions, and their gradient."""
    reserve: float = RESERVE_GIB
    """What no formula counts."""

    @property
    def total(self) -> float:
        """All of it."""
        parts = (self.weights, self.gradients, self.optimizer, self.activations, self.logits)
        return sum(parts) + self.reserve


def memory(recipe: Recipe, answer_tokens: float) -> Memory:
    """Return what a device must hold, for answers of so many tokens."""
    facts, launch = recipe.model.facts, recipe.launch
    assert facts, "only a model with facts can be estimated"
    devices = launch.devices * launch.nodes
    if recipe.kind == "baseline":
        return Memory(base_bytes(recipe, facts) / devices / GIB, 0, 0, 0, 0)
    is_full = recipe.method.name == "full"
    trained = facts.parameters if is_full else adapter_parameters(recipe, facts)
    weight, gradient, state = trained_bytes(recipe, is_full)
    gathers = launch.strategy in ("fsdp", "deepspeed_zero3")
    splits = launch.strategy == "single"
    all_shard = devices if gathers or splits else 1
    state_shard = devices if launch.strategy != "ddp" else 1
    frozen = 0 if is_full else base_bytes(recipe, facts)
    weights = 0 if launch.offload == "all" else (frozen + trained * weight) / all_shard
    return Memory(
        weights=(weights + (2 * working_set(facts) if gathers else 0)) / GIB,
        gradients=0 if launch.offload == "all" else trained * gradient / state_shard / GIB,
        optimizer=0 if launch.offload != "none" else trained * state / state_shard / GIB,
        activations=activation_bytes(recipe, facts) / (devices if splits else 1) / GIB,
        logits=min(
            recipe.training.per_device_batch * answer_tokens * facts.vocabulary, LOGITS_AT_ONCE
        )
        * 10
        / GIB,
    )


def state_bytes(recipe: Recipe, facts: Facts, trained: int) -> float:
    """Return what one saved state takes on the disk: weights and the optimiser's state."""
    weight, _, state = trained_bytes(recipe, recipe.method.name == "full")
    return trained * (min(weight, 4.0) + state) if recipe.kind != "baseline" else 0.0


def trained_bytes(recipe: Recipe, is_full: bool) -> tuple[float, float, float]:
    """Return bytes per trained weight: itself, its gradient, the optimiser's state."""
    training, strategy = recipe.training, recipe.launch.strategy
    is_pure = training.precision == "pure_bfloat16"
    moments = {"adafactor": 0.0, "sgd": 0.0}.get(training.optimizer, 4.0 if is_pure else 8.0)
    if training.optimizer.endswith("8bit"):
        moments = 2.0
    if is_pure:
        return 2, 2, moments
    if training.precision == "float32":
        return 4, 4, moments
    if strategy.startswith("deepspeed"):
        return 2, 2, 4 + moments
    copies = 2 if is_full and strategy != "fsdp" else 0
    return 4 + copies, 4, moments


def base_bytes(recipe: Recipe, facts: Facts) -> float:
    """Return the bytes of frozen weights; quantisation leaves the embeddings as they are."""
    plain = 4 if recipe.training.precision == "float32" and recipe.kind != "baseline" else 2
    load = recipe.quantization.load
    if load == "none":
        return facts.parameters * plain
    embeddings = facts.vocabulary * facts.hidden_size * (1 if facts.tied_embeddings else 2)
    bits = BLOCK_BITS[load]
    if load in ("nf4", "fp4") and recipe.quantization.double_quant is False:
        bits = SINGLE_QUANT_BITS
    return embeddings * plain + (facts.parameters - embeddings) * bits / 8


def working_set(facts: Facts) -> float:
    """Return the bytes of one gathered layer in 16 bits; two are there at a time."""
    embedding = facts.vocabulary * facts.hidden_size
    layers = facts.parameters - embedding * (1 if facts.tied_embeddings else 2)
    return 2 * max(layers / facts.layers, embedding)


def activation_bytes(recipe: Recipe, facts: Facts) -> float:
    """Return the bytes that the backward pass needs of a batch of the longest examples."""
    query, key = widths(facts)
    width = facts.hidden_size
    # two norms with their float32 copies; rotated and plain heads; the four parts of a gated FFN
    layer = 16 * width + 6 * query + 6 * key + 8 * facts.intermediate_size
    if recipe.training.precision == "float32":
        layer = layer * 2 - 8 * width  # the norms' copies are no wider
    wide = 4 if recipe.training.precision == "float32" else 2
    tokens = recipe.training.per_device_batch * recipe.data.sequence_length
    if recipe.training.gradient_checkpointing:
        return tokens * (facts.layers * wide * width + layer)
    return tokens * facts.layers * layer


def adapter_parameters(recipe: Recipe, facts: Facts) -> int:
    """Return how many weights an adapter trains, where facts tell its modules' sizes."""
    method, width = recipe.method, facts.hidden_size
    if method.name in LOW_RANK:
        return sum(map(prod, adapter_shapes(recipe, facts)))
    if method.name in EXPERTS:
        return expert_parameters(recipe, facts)
    vectors, inner = method.virtual_tokens or 0, method.encoder_hidden_size or width
    if method.name == "prompt":
        return vectors * width
    if method.name == "p_tuning":
        return vectors * width + (width + inner + width) * inner + 2 * inner + width
    key = widths(facts)[1]
    pairs = 2 * facts.layers * key
    if not method.encoder_hidden_size:
        return vectors * pairs
    return vectors * key + inner * (key + 1) + pairs * (inner + 1)


def expert_parameters(recipe: Recipe, facts: Facts) -> int:
    """Return the weights of experts, their routers and attention's LoRA, or of pairs."""
    method = recipe.method
    rank, shared, routed = method.rank or 0, method.shared_experts or 0, method.experts or 0
    beside = placed(method.expert_modules or (), facts)
    plain = placed(method.target_modules or (), facts)
    if method.name == "orthogonal_lora":
        plain = plain * 2 if method.wrap_attention else []
        beside, routed = beside * 2, 0
    inside = sum((shared + routed) * rank * (i + o) + routed * (i + 1) for i, o in beside)
    return inside + sum(rank * (i + o) for i, o in plain)


def devices_needed(recipe: Recipe, answer_tokens: float) -> int | None:
    """Return the fewest 80 GB cards, a power of two, that hold the run; None: it never fits."""
    count = 1
    while count <= MOST_DEVICES:
        launch = replace(recipe.launch, devices=count, nodes=1)
        if memory(replace(recipe, launch=launch), answer_tokens).total <= CARD_GIB:
            return count
        count *= 2
    return None
