"""Parts of a mixture in its base: equal to the mixture with the rest switched off.

The original's merge of attention alone crashes (`experts_masks` is read before it is set); here it
is `test_a_part_is_merged`.
"""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel

from medbench.cli import main
from medbench.errors import ModelError
from medbench.molora import mixtures
from medbench.training.merge import merge
from tests.adapted_models import LORA, base_model, log_probabilities, make_bases, save_adapter
from tests.mixtures import mixture_checkpoint


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bases(tiny_model, tmp_path_factory.mktemp("bases"))


@pytest.fixture
def mixture(bases: dict[str, Path], tmp_path: Path) -> Path:
    return mixture_checkpoint(bases["qwen3"], tmp_path / "mixture")


@pytest.mark.parametrize("only", ["attention", "shared"])
def test_a_part_is_merged(only: str, mixture: Path, bases: dict[str, Path]) -> None:
    """The same numbers by another way: the mixture, its other parts multiplied with zero."""
    merged = merge(mixture, dtype="float32", only=only)
    assert merged.path == mixture.with_name(f"mixture-{only}")
    assert merged.difference < 1e-5
    beside = PeftModel.from_pretrained(base_model(bases["qwen3"]), mixture).eval()
    whole = log_probabilities(beside)
    for layer, adapter, one in mixtures(beside):
        up = layer.lora_B[adapter].weight.data
        kept = torch.zeros(up.shape[1])
        kept[: one.shared_rank if only == "shared" else 0] = 1
        layer.lora_B[adapter].weight.data = up * kept
    part, after = log_probabilities(beside), log_probabilities(base_model(merged.path))
    assert (after - part).abs().max() < 1e-5
    assert (whole - part).abs().max() > 0.05
    assert (log_probabilities(base_model(bases["qwen3"])) - part).abs().max() > 0.05
    facts = json.loads((merged.path / "provenance.json").read_text())
    assert facts["merged_from"]["only"] == only


def test_a_whole_mixture_is_refused(mixture: Path) -> None:
    with pytest.raises(ModelError, match=r"the router of MOLORA picks .* --only shared merges att"):
        merge(mixture)
    assert not mixture.with_name("mixture-merged").exists()


def test_parts_that_are_not_there(bases: dict[str, Path], tmp_path: Path) -> None:
    lora = save_adapter(tmp_path / "lora", bases["llama"], LoraConfig(**LORA))
    with pytest.raises(ModelError, match=r"--only attention: .* is a LORA adapter; only MOLORA"):
        merge(lora, only="attention")
    routed = mixture_checkpoint(bases["llama"], tmp_path / "routed", shared_experts=0)
    with pytest.raises(ModelError, match="has no shared experts; --only attention merges the rest"):
        merge(routed, only="shared")


def test_the_command_says_what_is_dropped(
    mixture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["merge", str(mixture), "--only", "shared"])
    out = capsys.readouterr().out
    assert f"merged: {mixture}-shared" in out
    assert "only shared: routed experts are dropped" in out
