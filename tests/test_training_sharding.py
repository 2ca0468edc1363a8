"""The look at what each process holds, on models that are not spread as asked."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from medbench.errors import TrainingError
from medbench.recipe import Launch, Model, Recipe
from medbench.training.sharding import Sharding, verify


def asked(strategy: Any, devices: int = 1, offload: Any = "none") -> Recipe:
    launch = Launch(strategy=strategy, devices=devices, offload=offload)
    return Recipe(model=Model(id="x", layer_class="Linear"), launch=launch)


def model(**attributes: Callable[[], Any]) -> Any:
    """Return two layers of 64 weights, with what an engine would add."""
    made: Any = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False))
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def adam(of: nn.Module) -> Any:
    return torch.optim.AdamW(of.parameters())


def test_single() -> None:
    made = model()
    found = verify(made, adam(made), asked("single"))
    assert found == Sharding("single", 1, 128, 128, 128)


@pytest.mark.parametrize(
    ("recipe", "made", "expected"),
    [
        (asked("single", 2), model(), "the layers lie on 1 of 2 devices"),
        (asked("ddp", 2), model(), "1 processes train together; the model is a Sequential without"),
        (asked("fsdp", 2), model(), "2 weights are not sharded, 0.weight among them; no Linear is"),
        (asked("deepspeed_zero2", 2), model(), "the model is a Sequential without DeepSpeed"),
        (
            asked("deepspeed_zero2", 2),
            model(zero_optimization_stage=lambda: 0),
            "DeepSpeed is at ZeRO stage 0",
        ),
        (
            asked("deepspeed_zero2", 1, "optimizer"),
            model(zero_optimization_stage=lambda: 2, zero_cpu_offload=lambda: False),
            "launch.offload is not optimizer",
        ),
        (
            asked("deepspeed_zero3", 2),
            model(zero_optimization_stage=lambda: 3, zero_cpu_offload=lambda: False),
            "2 weights are not partitioned, 0.weight among them",
        ),
    ],
)
def test_not_in_force(recipe: Recipe, made: Any, expected: str) -> None:
    with pytest.raises(TrainingError) as error:
        verify(made, adam(made), recipe)
    assert f"launch.strategy {recipe.launch.strategy} over {recipe.replicas} is not in f" in str(
        error.value
    )
    assert expected in str(error.value)


def test_zero2_steps_its_part() -> None:
    """DeepSpeed's optimiser keeps the part of this process flat, in float32."""
    made = model(zero_optimization_stage=lambda: 2, zero_cpu_offload=lambda: False)
    recipe = asked("deepspeed_zero2", 1)
    whole = SimpleNamespace(single_partition_of_fp32_groups=[torch.zeros(128)])
    assert verify(made, whole, recipe).local_optimizer == 128


def test_zero3_counts_parts() -> None:
    made = model(zero_optimization_stage=lambda: 3, zero_cpu_offload=lambda: False)
    for one in made.parameters():
        one.ds_numel, one.ds_tensor = 64, torch.zeros(32)
    flat = SimpleNamespace(fp32_partitioned_groups_flat=[torch.zeros(64)])
    found = verify(made, flat, asked("deepspeed_zero3", 1))
    assert (found.parameters, found.local_parameters, found.local_optimizer) == (128, 64, 64)
