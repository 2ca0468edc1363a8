"""What cannot be merged says why, and nothing is written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from peft import (
    LoraConfig,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
)
from safetensors.torch import load_file, save_file

from medbench.cli import main
from medbench.errors import ModelError
from medbench.training import merge as merging
from medbench.training.merge import merge
from tests.adapted_models import (
    LORA,
    TIED_WARNING,
    make_bases,
    point,
    save_adapter,
)

VECTORS = {
    "PREFIX_TUNING": PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
    "PROMPT_TUNING": PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
    "P_TUNING": PromptEncoderConfig(
        num_virtual_tokens=3, encoder_hidden_size=8, task_type="CAUSAL_LM"
    ),
}
pytestmark = [
    pytest.mark.filterwarnings(TIED_WARNING),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers` to:UserWarning"),
]


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bases(tiny_model, tmp_path_factory.mktemp("bases"))


@pytest.fixture
def adapter(bases: dict[str, Path], tmp_path: Path) -> Path:
    """A LoRA adapter on the smallest base."""
    return save_adapter(tmp_path / "lora", bases["llama"], LoraConfig(**LORA))


@pytest.mark.parametrize("kind", VECTORS)
def test_vectors_are_refused(bases: dict[str, Path], tmp_path: Path, kind: str) -> None:
    adapter = save_adapter(tmp_path / "vectors", bases["llama"], VECTORS[kind])
    with pytest.raises(ModelError, match=f"{kind} puts .* nothing to merge; `medbench eval`"):
        merge(adapter)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "SHINY"}, "SHINY is none of the types that are merged: LORA, "),
        ({"peft_type": None}, "None is none of the types"),
        ({"layer_replication": [[0, 1]]}, "layer_replication uses one layer several times"),
        ({"base_model_name_or_path": None}, "names no base: set base_model_name_or_path"),
        ({"base_model_name_or_path": "/nowhere"}, "the base, /nowhere, is not to be had"),
        ({"base_model_name_or_path": "no/such"}, "the base, no/such, is not to be had"),
    ],
)
def test_refusals(adapter: Path, changes: dict[str, Any], message: str) -> None:
    point(adapter, **changes)
    with pytest.raises(ModelError, match=message):
        merge(adapter)
    assert not adapter.with_name("lora-merged").exists()


def test_all_faults_at_once(adapter: Path, capsys: Any) -> None:
    point(adapter, peft_type="SHINY", base_model_name_or_path="")
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(SystemExit) as stop:
        main(["merge", str(adapter), "--output", str(adapter)])
    assert stop.value.code == 1
    message = capsys.readouterr().err
    for part in ("SHINY", "no adapter_model.safetensors", "names no base", "is there already"):
        assert part in message
    assert "Traceback" not in message


def test_a_full_disk(adapter: Path) -> None:
    command = f"ulimit -f 40; exec {sys.executable} -m medbench merge {adapter}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    (told,) = (line for line in done.stderr.splitlines() if line.startswith("medbench: "))
    assert f"{adapter}-merged cannot be written: " in told and "File too large" in told
    assert "Traceback" not in done.stderr
    assert [one.name for one in adapter.parent.iterdir()] == ["lora"]


def test_broken_files(adapter: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no adapter_config.json; a PEFT adapter's folder"):
        merge(bases["llama"])
    with pytest.raises(ModelError, match="nowhere is not a folder"):
        merge(tmp_path / "nowhere")
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:99])
    with pytest.raises(ModelError, match="cannot be read"):
        merge(adapter)
    (adapter / "adapter_config.json").write_text("[]")
    with pytest.raises(ModelError, match="holds a list, not an object"):
        merge(adapter)


def test_a_base_quantised_before(adapter: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    awq = tmp_path / "awq"
    shutil.copytree(bases["llama"], awq)
    config = json.loads((awq / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "awq", "bits": 4, "group_size": 32}
    (awq / "config.json").write_text(json.dumps(config))
    point(adapter, base_model_name_or_path=str(awq))
    with pytest.raises(ModelError, match=r"is saved as awq.* to the model that it was made from"):
        merge(adapter)


def test_an_adapter_of_another_base(adapter: Path, bases: dict[str, Path]) -> None:
    point(adapter, base_model_name_or_path=str(bases["wide"]))
    with pytest.raises(ModelError, match=r"does not fit .*size mismatch"):
        merge(adapter)


def test_weights_that_are_no_numbers(adapter: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    tensors = load_file(weights)
    tensors[next(iter(tensors))][:] = float("nan")
    save_file(tensors, weights)
    with pytest.raises(ModelError, match="cannot be merged: NaN"):
        merge(adapter)


def test_weights_without_a_place(adapter: Path) -> None:
    """PEFT only warns, and the merged model would be the base."""
    point(adapter, target_modules=["gate_proj"])
    with pytest.raises(ModelError, match=r"has weights for .*k_proj.*another base"):
        merge(adapter)


def test_a_merge_that_goes_wrong_writes_nothing(
    adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match=r"off by .*; nothing was written"):
        merge(adapter)
    assert [path.name for path in adapter.parent.iterdir()] == ["lora"]
