"""Starting the processes of a training: accelerate's launcher with the files of `train/launch/`.

The files are sized for four A100 cards. What a recipe says otherwise goes onto the command line,
so that the command can be typed by hand, and each machine of several runs the same one.
"""

import logging
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from medbench import paths
from medbench.errors import MissingExtra, RecipeError, TrainingError
from medbench.recipe import Recipe

__all__ = ["check_launch", "command", "launch"]

PROGRAMS = {"sft": "sft.py", "pretrain": "pretrain.py"}
"""Of each kind of recipe, in `train/`."""
PORT = "29500"
RANK = ("MEDBENCH_NODE_RANK", "SLURM_NODEID")
"""Environment variables that tell a machine its number; the first that is set counts."""
BY_MESSAGE = 1
"""The exit code of a process that has told what was wrong."""


def check_launch(recipe: Recipe) -> None:
    """Look for what a launch needs.

    Raises:
        MissingExtra: DeepSpeed is asked for and not installed.
        RecipeError: several machines are asked for and do not know one another.
    """
    from importlib.util import find_spec

    if recipe.launch.strategy.startswith("deepspeed") and find_spec("deepspeed") is None:
        raise MissingExtra("deepspeed", f"launch.strategy {recipe.launch.strategy}")
    if recipe.launch.nodes > 1:
        machine(os.environ)


def machine(environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Return this machine's number, and the first one's address and port.

    Raises:
        RecipeError: the environment does not tell.
    """
    rank = next((environment[name] for name in RANK if name in environment), None)
    address = environment.get("MASTER_ADDR")
    if rank is None or address is None:
        raise RecipeError(
            f"launch.nodes: each machine must be told {' or '.join(RANK)}, and MASTER_ADDR, the "
            "first one's address; train/launch/slurm.sh does it"
        )
    return rank, address, environment.get("MASTER_PORT", PORT)


def is_first_machine(recipe: Recipe) -> bool:
    """Tell whether this machine prepares the folders that all share."""
    return recipe.launch.nodes == 1 or machine(os.environ)[0] == "0"


def command(recipe: Recipe, program: Sequence[str]) -> list[str]:
    """Return the arguments of `accelerate launch`.

    Args:
        recipe: what is launched, and how.
        program: arguments of the program in `train/`.
    """
    launch, folder = recipe.launch, paths.folder("train")
    words = {
        "config_file": str(folder / "launch" / f"{launch.strategy}.yaml"),
        "num_processes": str(launch.devices * launch.nodes),
        "num_machines": str(launch.nodes),
        "main_process_port": "0",  # any that is free
    }
    if launch.nodes > 1:
        rank, address, port = machine(os.environ)
        words |= {"machine_rank": rank, "main_process_ip": address, "main_process_port": port}
    words |= SPECIFIC.get(launch.strategy, lambda _: {})(recipe)
    options = [word for name, value in words.items() for word in (f"--{name}", value)]
    return [*options, str(folder / PROGRAMS[recipe.kind]), *program]


def fsdp(recipe: Recipe) -> dict[str, str]:
    """Return FSDP2's options; its own checkpointing gathers a layer once, transformers' twice."""
    return {
        "fsdp_transformer_layer_cls_to_wrap": recipe.model.layer_class,
        "fsdp_offload_params": str(recipe.launch.offload == "all").lower(),
        "fsdp_activation_checkpointing": str(recipe.training.gradient_checkpointing).lower(),
    }


def deepspeed(recipe: Recipe) -> dict[str, str]:
    """Return DeepSpeed's options."""
    strategy, offload = recipe.launch.strategy, recipe.launch.offload
    file = paths.folder("train") / "launch" / f"{strategy}.json"
    options = {
        "deepspeed_config_file": str(file),
        "offload_optimizer_device": "none" if offload == "none" else "cpu",
    }
    if strategy == "deepspeed_zero3":
        options["offload_param_device"] = "cpu" if offload == "all" else "none"
    return options


SPECIFIC = {"fsdp": fsdp, "deepspeed_zero2": deepspeed, "deepspeed_zero3": deepspeed}


def launch(recipe: Recipe, program: Sequence[str]) -> None:
    """Run a program of `train/` in as many processes as a recipe says, and wait for them.

    Raises:
        TrainingError: a process was ended from outside.
        SystemExit: a process failed, and has told why.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    words = command(recipe, program)
    print(f"accelerate launch {shlex.join(words)}", flush=True)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        launch_command(launch_command_parser().parse_args(words))
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        rank, code = min(codes.items())
        if code == BY_MESSAGE:
            raise SystemExit(BY_MESSAGE) from None
        raise TrainingError(
            f"process {rank} ended with exit code {code}"
            f"{'; it was killed, perhaps for want of memory' if code == -9 else ''}"
        ) from None


def program_arguments(
    recipe: Path | str, overrides: Sequence[str], checkpoint: Path, *, resume: bool
) -> list[str]:
    """Return the arguments of a program in `train/`."""
    words = [str(recipe), *overrides, "--output", str(checkpoint)]
    return [*words, "--resume"] if resume else words
