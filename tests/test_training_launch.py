"""Several processes: the launcher's command, and real runs of two on this machine's processor."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from medbench import paths
from medbench.errors import MissingExtra, RecipeError
from medbench.recipe import Recipe, load
from medbench.training.launch import check_launch, command, is_first_machine
from tests.training_runs import LORA, ROOT, TWO, compare, medbench, stop_and_resume, write_recipe

LAUNCH = paths.folder("train") / "launch"
PLAIN_LORA = LORA.replace("dropout: 0.1, ", "")
SHARDS = ("fsdp", "deepspeed_zero2", "deepspeed_zero3")


@pytest.fixture
def recipe(wide_model: Path, tmp_path: Path) -> Path:
    """A recipe on the model whose layers are wide enough for 4-bit blocks."""
    return write_recipe(wide_model, tmp_path)


def options(recipe: Recipe) -> dict[str, object]:
    """Return what accelerate's own parser makes of a command."""
    from accelerate.commands.launch import launch_command_parser

    parsed = launch_command_parser().parse_args(command(recipe, ["x.yaml", "--output", "y"]))
    assert parsed.training_script == str(paths.folder("train") / "sft.py")
    assert parsed.training_script_args == ["x.yaml", "--output", "y"]
    return vars(parsed)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["ddp"], {"num_processes": 4, "num_machines": 1, "main_process_port": 0}),
        (
            ["fsdp", "launch.offload=all", "training.gradient_checkpointing=true"],
            {
                "fsdp_transformer_layer_cls_to_wrap": "LlamaDecoderLayer",
                "fsdp_offload_params": "true",
                "fsdp_activation_checkpointing": "true",
            },
        ),
        (["fsdp"], {"fsdp_offload_params": "false", "fsdp_activation_checkpointing": "false"}),
        (["deepspeed_zero2"], {"offload_optimizer_device": "none"}),
        (["deepspeed_zero2", "launch.offload=optimizer"], {"offload_optimizer_device": "cpu"}),
        (
            ["deepspeed_zero3", "launch.offload=all"],
            {"offload_optimizer_device": "cpu", "offload_param_device": "cpu"},
        ),
        (
            ["deepspeed_zero3", "launch.offload=optimizer"],
            {"offload_optimizer_device": "cpu", "offload_param_device": "none"},
        ),
    ],
)
def test_command(recipe: Path, settings: list[str], expected: dict[str, object]) -> None:
    strategy, *rest = settings
    found = options(
        load(
            recipe,
            [
                f"launch.strategy={strategy}",
                "launch.devices=4",
                *rest,
                "training={per_device_batch: 1}",
            ],
        )
    )
    assert found["config_file"] == str(LAUNCH / f"{strategy}.yaml")
    assert {name: found[name] for name in expected} == expected
    if strategy.startswith("deepspeed"):
        assert found["deepspeed_config_file"] == str(LAUNCH / f"{strategy}.json")


def test_command_of_one_of_several_machines(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = load(
        recipe, ["launch={strategy: ddp, devices: 4, nodes: 2}", "training={per_device_batch: 1}"]
    )
    with pytest.raises(RecipeError, match="MEDBENCH_NODE_RANK or SLURM_NODEID, and MASTER_ADDR"):
        check_launch(asked)
    monkeypatch.setenv("SLURM_NODEID", "1")
    monkeypatch.setenv("MASTER_ADDR", "first")
    check_launch(asked)
    found = options(asked)
    names = (
        "num_processes",
        "num_machines",
        "machine_rank",
        "main_process_ip",
        "main_process_port",
    )
    assert [found[name] for name in names] == [8, 2, 1, "first", 29500]
    assert not is_first_machine(asked)
    monkeypatch.setenv("MEDBENCH_NODE_RANK", "0")
    assert is_first_machine(asked)


@pytest.mark.parametrize("strategy", ["ddp", *SHARDS])
def test_files(strategy: str) -> None:
    """Each file is one that accelerate reads; each key of DeepSpeed's is one that it knows."""
    from accelerate.commands.config import load_config_from_file

    config = load_config_from_file(str(LAUNCH / f"{strategy}.yaml"))
    assert config.num_processes == 4
    text = (LAUNCH / f"{strategy}.yaml").read_text()
    assert text.startswith("# ")
    if strategy.startswith("deepspeed"):
        assert yaml.safe_load(text)["deepspeed_config"]["deepspeed_config_file"] == (
            f"train/launch/{strategy}.json"
        )
        assert json.loads((LAUNCH / f"{strategy}.json").read_text())["zero_optimization"][
            "stage"
        ] == (int(strategy[-1]))


def test_deepspeed_is_an_extra(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"launch.strategy deepspeed_zero2 .*medbench\[deepsp"):
        check_launch(load(recipe, ["launch.strategy=deepspeed_zero2", *TWO]))


@pytest.mark.parametrize("method", [[], [PLAIN_LORA]], ids=["full", "lora"])
@pytest.mark.parametrize(("strategy", "share"), [("ddp", 1.0), ("fsdp", 0.5)])
def test_two_processes_learn_as_one(
    strategy: str, share: float, method: list[str], recipe: Path, tmp_path: Path
) -> None:
    compare(recipe, tmp_path, [f"launch.strategy={strategy}", *method], share)


def test_fsdp_of_four_bits_with_checkpointing(recipe: Path, tmp_path: Path) -> None:
    method = "method={name: qlora, rank: 8, alpha: 16, target_modules: all-linear}"
    exact = ["quantization.load=nf4", "quantization.compute_dtype=float32"]
    settings = ["launch.strategy=fsdp", method, *exact]
    compare(recipe, tmp_path, [*settings, "training.gradient_checkpointing=true"], 0.5)


@pytest.mark.parametrize(
    ("strategy", "settings"),
    [
        ("ddp", []),
        ("fsdp", []),
        ("fsdp", [PLAIN_LORA, "training.gradient_checkpointing=true"]),
    ],
    ids=["ddp", "fsdp", "fsdp-lora"],
)
def test_two_processes_go_on_where_they_were_stopped(
    strategy: str, settings: list[str], recipe: Path, tmp_path: Path
) -> None:
    stop_and_resume(recipe, tmp_path, [f"launch.strategy={strategy}", *settings])


def test_sharding_that_is_not_in_force_stops(recipe: Path, tmp_path: Path) -> None:
    """Stock accelerate trains with DDP here, in silence, where FSDP is asked for."""
    arguments = ["train", str(recipe), *TWO, "--launch", "fsdp", "--output", str(tmp_path / "x")]
    done = medbench(*arguments, shim=False)
    assert done.returncode == 1
    first = done.stderr.splitlines()[0]
    assert "launch.strategy fsdp over 2 is not in force: " in first
    assert "weights are not sharded" in first and "no LlamaDecoderLayer is sharded by its" in first
    assert "Traceback" not in done.stderr and "1/8" not in done.stderr


def test_a_wrong_number_of_processes_stops(recipe: Path, tmp_path: Path) -> None:
    """The program, started by hand with fewer processes than the recipe counts on."""
    words = [str(recipe), *TWO, "launch.strategy=ddp", "--output", str(tmp_path / "x")]
    done = subprocess.run(
        [sys.executable, ROOT / "train/sft.py", *words], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1
    assert "ddp over 2 is not in force: 1 processes train together" in done.stderr
    assert "Traceback" not in done.stderr
