"""Is the sharding that was asked for in force? Launchers fall back in silence, with exit code 0.

accelerate runs DDP instead of FSDP where it finds no accelerator, and DeepSpeed processes that do
not find one another each train alone and overwrite each other's files. So what counts is looked at
after start: the wrapped classes, the process group, and the weights that each process holds.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn

from medbench.errors import TrainingError
from medbench.recipe import Recipe

__all__ = ["Sharding", "verify"]

SLACK = 1.25
"""A share may be larger than 1 / processes: rows that do not divide, small unsharded tensors."""


@dataclass(frozen=True, slots=True)
class Sharding:
    """What one process holds."""

    strategy: str
    """As the recipe says it."""
    processes: int
    """That train together."""
    parameters: int
    """Weights of the model, adapters included."""
    local_parameters: int
    """Of these, what the first process holds."""
    local_optimizer: int
    """Trained weights that the first process steps."""


def verify(model: nn.Module, optimizer: Any, recipe: Recipe) -> Sharding:
    """Return how the weights are spread; every process must call it.

    Args:
        model: as accelerate wrapped it.
        optimizer: the same.
        recipe: what was asked for.

    Raises:
        TrainingError: it is not what the recipe asks for; the message says what is there instead.
    """
    strategy = recipe.launch.strategy
    found = measure(model, optimizer, strategy)
    faults = [f"{found.processes} processes train together"] * (
        found.processes != recipe.replicas
    ) + LOOK[strategy](model, optimizer, recipe, found)
    everywhere = gather(faults)
    if everywhere:
        raise TrainingError(
            f"launch.strategy {strategy} over {recipe.replicas} is not in force: "
            f"{'; '.join(dict.fromkeys(everywhere))}"
        )
    return found


def gather(faults: list[str]) -> list[str]:
    """Return the faults of all processes."""
    if not distributed.is_initialized():
        return faults
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, faults)
    return [fault for one in found for fault in one]


def measure(model: nn.Module, optimizer: Any, strategy: str) -> Sharding:
    """Count the weights of this process."""
    parameters = list(model.parameters())
    processes = distributed.get_world_size() if distributed.is_initialized() else 1
    return Sharding(
        strategy=strategy,
        processes=processes,
        parameters=sum(whole(one) for one in parameters),
        local_parameters=sum(local(one) for one in parameters),
        local_optimizer=stepped(optimizer),
    )


def whole(parameter: Any) -> int:
    """Return a parameter's numbers over all processes."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def local(parameter: Any) -> int:
    """Return the numbers of a parameter that this process holds."""
    if hasattr(parameter, "ds_tensor"):
        return int(parameter.ds_tensor.numel())
    if hasattr(parameter, "to_local"):
        return int(parameter.to_local().numel())
    return int(parameter.numel())


def stepped(optimizer: Any) -> int:
    """Return how many numbers an optimiser of this process steps."""
    inner = getattr(optimizer, "optimizer", optimizer)  # accelerate's wrapper, DeepSpeed's inside
    partitions = getattr(inner, "fp32_partitioned_groups_flat", None) or getattr(
        inner, "single_partition_of_fp32_groups", None
    )
    if partitions is not None:
        return sum(int(one.numel()) for one in partitions)
    return sum(local(one) for group in inner.param_groups for one in group["params"])


def single(model: nn.Module, _: Any, recipe: Recipe, found: Sharding) -> list[str]:
    """One process; with several devices, its layers lie on all of them."""
    used = {one.device for one in model.parameters()}
    if recipe.launch.devices > 1 and len(used) != recipe.launch.devices:
        return [f"the layers lie on {len(used)} of {recipe.launch.devices} devices"]
    return []


def ddp(model: nn.Module, _: Any, recipe: Recipe, found: Sharding) -> list[str]:
    """Every process holds the model, and gradients are averaged."""
    if not isinstance(model, nn.parallel.DistributedDataParallel):
        return [f"the model is a {type(model).__name__} without DistributedDataParallel"]
    return []


def fsdp(model: nn.Module, _: Any, recipe: Recipe, found: Sharding) -> list[str]:
    """Every weight is a DTensor, and every decoder layer a group of its own."""
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor

    faults = []
    plain = [name for name, one in model.named_parameters() if not isinstance(one, DTensor)]
    if plain:
        faults.append(f"{len(plain)} weights are not sharded, {plain[0]} among them")
    layers = [one for one in model.modules() if layer_name(one) == recipe.model.layer_class]
    if not any(isinstance(one, FSDPModule) for one in layers):
        faults.append(f"no {recipe.model.layer_class} is sharded by itself")
    if recipe.launch.offload == "all" and any(not one.is_cpu for one in model.parameters()):
        faults.append("launch.offload is not all")
    return faults + share(found)


def layer_name(module: nn.Module) -> str:
    """Return a module's class as the model wrote it; FSDP2 puts its own in front."""
    return type(module).__name__.removeprefix("FSDP")


def zero2(model: nn.Module, optimizer: Any, recipe: Recipe, found: Sharding) -> list[str]:
    """DeepSpeed runs, and each process steps its part of the trained weights."""
    faults = engine(model, 2) or offloaded(model, recipe)
    trained = sum(whole(one) for one in model.parameters() if one.requires_grad)
    most = trained / found.processes * SLACK
    if not faults and found.local_optimizer > most:
        faults.append(f"a process steps {found.local_optimizer:,} of {trained:,} trained weights")
    return faults


def zero3(model: nn.Module, _: Any, recipe: Recipe, found: Sharding) -> list[str]:
    """DeepSpeed runs, and every weight is cut into parts."""
    faults = engine(model, 3) or offloaded(model, recipe)
    lacking = [name for name, one in model.named_parameters() if not hasattr(one, "ds_tensor")]
    if not faults and lacking:
        faults.append(f"{len(lacking)} weights are not partitioned, {lacking[0]} among them")
    return faults or share(found)


def engine(model: Any, stage: int) -> list[str]:
    """Look for DeepSpeed's engine at a ZeRO stage."""
    if not hasattr(model, "zero_optimization_stage"):
        return [f"the model is a {type(model).__name__} without DeepSpeed"]
    found = model.zero_optimization_stage()
    return [] if found == stage else [f"DeepSpeed is at ZeRO stage {found}"]


def offloaded(model: Any, recipe: Recipe) -> list[str]:
    """Look whether state waits in the host's memory as the recipe says."""
    asked = recipe.launch.offload
    weights = asked == "all" and model.zero_offload_param() is None
    if weights or model.zero_cpu_offload() != (asked != "none"):
        return [f"launch.offload is not {asked}"]
    return []


def share(found: Sharding) -> list[str]:
    """Look whether a process holds about its share of the weights."""
    most = found.parameters / found.processes * SLACK
    if found.local_parameters > most:
        held = f"{found.local_parameters:,} of {found.parameters:,}"
        return [f"a process holds {held} weights"]
    return []


LOOK = {
    "single": single,
    "ddp": ddp,
    "fsdp": fsdp,
    "deepspeed_zero2": zero2,
    "deepspeed_zero3": zero3,
}
"""What each strategy must look like."""


def memory() -> float | None:
    """Return the most GiB that a device of this process held; None on a processor."""
    if not torch.cuda.is_available():
        return None
    return torch.cuda.max_memory_allocated() / 2**30
