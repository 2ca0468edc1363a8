"""What is wrong with a checkpoint's tensors is seen, whatever its method."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    IA3Config,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
)
from safetensors.torch import load_file, save_file

from medbench.publish.candidate import Candidate
from medbench.publish.gates.tensors import check
from tests.adapted_models import ATTENTION, LORA, TIED_WARNING, make_bases
from tests.gate_cases import adapter, describe, whole

WEIGHTS = "adapter_model.safetensors"
Tensors = dict[str, torch.Tensor]
pytestmark = [
    pytest.mark.filterwarnings(TIED_WARNING),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers` to:UserWarning"),
]
VIRTUAL: dict[str, Any] = {"num_virtual_tokens": 4, "task_type": "CAUSAL_LM"}
KINDS: dict[str, Any] = {
    "lora": LoraConfig(**LORA),
    "dora": LoraConfig(r=4, target_modules=["q_proj", "down_proj"], use_dora=True),
    "head": LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"]),
    "embedding": LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["embed_tokens"]),
    "low-rank embedding": LoraConfig(r=2, target_modules=["q_proj", "embed_tokens"]),
    "ranks": LoraConfig(r=2, target_modules=ATTENTION, rank_pattern={"q_proj": 8}),
    "loha": LoHaConfig(r=2, target_modules=ATTENTION),
    "lokr": LoKrConfig(r=2, target_modules=ATTENTION),
    "ia3": IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "prefix": PrefixTuningConfig(**VIRTUAL),
    "projected prefix": PrefixTuningConfig(**VIRTUAL, prefix_projection=True),
    "prompt": PromptTuningConfig(**VIRTUAL),
    "p-tuning": PromptEncoderConfig(**VIRTUAL, encoder_hidden_size=16),
}


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bases(tiny_model, tmp_path_factory.mktemp("bases"))


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("kind", KINDS)
def test_adapters_of_every_kind_pass(
    bases: dict[str, Path], tmp_path: Path, kind: str, family: str
) -> None:
    found = check(adapter(tmp_path / "lora", bases[family], KINDS[kind]))
    assert found.passed, found.report
    assert found.facts["tensors"] > 0 and found.facts["faults"] == 0


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
def test_whole_models_pass(bases: dict[str, Path], tmp_path: Path, family: str) -> None:
    found = check(whole(tmp_path / "whole", bases[family]))
    assert found.passed, found.report


def spoil(candidate: Candidate, change: Callable[[Tensors], Any]) -> str:
    """Change an adapter's tensors; return what the gate says against them."""
    file = candidate.checkpoint.path / WEIGHTS
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    found = check(candidate)
    assert not found.passed
    return found.report


def set_to(value: float) -> Callable[[Tensors], Any]:
    return lambda tensors: tensors[min(tensors)].view(-1)[3:4].fill_(value)


def rename(tensors: Tensors) -> None:
    name = min(tensors)
    tensors[name.replace("layers.0", "layers.7")] = tensors.pop(name)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (set_to(float("nan")), "holds NaN or infinity"),
        (set_to(float("inf")), "holds NaN or infinity"),
        (lambda t: t.update({min(t): torch.zeros(0, 32)}), "is empty, of shape [0, 32]"),
        (lambda t: t.update({min(t): torch.ones(4, 16)}), "is [4, 16], its place is [4, 32]"),
        (lambda t: t.pop(min(t)), "is missing"),
        (rename, "layers.7.self_attn.k_proj.lora_A.weight has no place in the base"),
        (lambda t: t.clear(), "and 11 more"),
    ],
)
def test_spoilt_tensors(
    bases: dict[str, Path], tmp_path: Path, change: Callable[[Tensors], Any], fault: str
) -> None:
    assert fault in spoil(adapter(tmp_path / "lora", bases["llama"]), change)


def test_another_base(bases: dict[str, Path], tmp_path: Path) -> None:
    """An adapter of a narrow model, said to be of a wide one."""
    made = adapter(tmp_path / "lora", bases["llama"])
    found = check(describe(made.checkpoint.path, bases["wide"]))
    assert not found.passed
    assert "its place is" in found.report


@pytest.mark.parametrize("name", ["training_args.bin", "old/optimizer.pt", "a.PKL"])
def test_pickles(bases: dict[str, Path], tmp_path: Path, name: str) -> None:
    made = adapter(tmp_path / "lora", bases["llama"])
    file = made.checkpoint.path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"")
    found = check(made)
    assert not found.passed
    assert f"{name} is a pickle" in found.report


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"PK\x03\x04 no safetensors at all"])
def test_files_that_are_none(bases: dict[str, Path], tmp_path: Path, content: bytes) -> None:
    made = adapter(tmp_path / "lora", bases["llama"])
    (made.checkpoint.path / WEIGHTS).write_bytes(content)
    found = check(made)
    assert not found.passed
    assert f"{WEIGHTS} cannot be read" in found.report


def test_a_file_that_was_cut(bases: dict[str, Path], tmp_path: Path) -> None:
    made = adapter(tmp_path / "lora", bases["llama"])
    file = made.checkpoint.path / WEIGHTS
    file.write_bytes(file.read_bytes()[:-64])
    found = check(made)
    assert not found.passed
    assert f"{WEIGHTS} cannot be read" in found.report


def test_no_weights_at_all(bases: dict[str, Path], tmp_path: Path) -> None:
    made = adapter(tmp_path / "lora", bases["llama"])
    (made.checkpoint.path / WEIGHTS).unlink()
    assert "there are no safetensors" in check(made).report


def test_a_base_that_is_not_there(bases: dict[str, Path], tmp_path: Path) -> None:
    made = adapter(tmp_path / "lora", bases["llama"])
    found = check(Candidate(made.checkpoint, base=str(tmp_path / "nowhere")))
    assert not found.passed
    assert "shapes could not be compared" in found.report
