"""DeepSpeed on two processors: it cuts what it should, and learns as one process does.

`make test-all` runs it in an environment of its own. accelerate needs no help here: `use_cpu` lets
TrainingArguments make the process group, which DeepSpeed then takes.
"""

from pathlib import Path

import pytest

from tests.mixtures import MOLORA, ORTHOGONAL, mixture_checkpoint
from tests.training_runs import LORA, compare, stop_and_resume, write_recipe

pytest.importorskip("deepspeed")
pytestmark = pytest.mark.slow
PLAIN_LORA = LORA.replace("dropout: 0.1, ", "")
QLORA = [
    "method={name: qlora, rank: 8, alpha: 16, target_modules: all-linear}",
    "quantization={load: nf4, compute_dtype: float32}",  # bfloat16 rounds otherwise in each batch
]


@pytest.fixture
def recipe(wide_model: Path, tmp_path: Path) -> Path:
    """A recipe on the model whose layers are wide enough for 4-bit blocks."""
    return write_recipe(wide_model, tmp_path)


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        (["launch.strategy=deepspeed_zero2"], 1.0),
        (["launch.strategy=deepspeed_zero2", PLAIN_LORA], 1.0),
        (["launch.strategy=deepspeed_zero2", "launch.offload=optimizer"], 1.0),
        (["launch.strategy=deepspeed_zero3"], 0.5),
        (["launch.strategy=deepspeed_zero3", PLAIN_LORA], 0.5),
        (["launch.strategy=deepspeed_zero3", "launch.offload=all"], 0.5),
        (["launch.strategy=deepspeed_zero3", *QLORA], 0.5),
        (["launch.strategy=deepspeed_zero3", *MOLORA], 0.5),
        (["launch.strategy=deepspeed_zero3", "training.gradient_checkpointing=true"], 0.5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_two_processes_learn_as_one(
    settings: list[str], share: float, recipe: Path, tmp_path: Path
) -> None:
    compare(recipe, tmp_path, settings, share)


@pytest.mark.parametrize(("stage", "share"), [("2", 1.0), ("3", 0.5)])
def test_the_orthogonal_term_is_learnt(
    stage: str, share: float, recipe: Path, wide_model: Path, tmp_path: Path
) -> None:
    """The original's term is made of copies that DeepSpeed detached, and has no gradient."""
    source = mixture_checkpoint(wide_model, tmp_path / "mixture")
    settings = [*ORTHOGONAL, f"method.experts_from={source}", "method.l2=0.1"]
    compare(recipe, tmp_path, [f"launch.strategy=deepspeed_zero{stage}", *settings], share)


@pytest.mark.parametrize("strategy", ["deepspeed_zero2", "deepspeed_zero3"])
def test_it_goes_on_where_it_was_stopped(strategy: str, recipe: Path, tmp_path: Path) -> None:
    stop_and_resume(recipe, tmp_path, [f"launch.strategy={strategy}"])
