"""Every fault of a training is told before a weight loads, and all of them at once."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from medbench.errors import MedbenchError, MissingExtra, RecipeError, TrainingError
from medbench.recipe import load
from medbench.training import ready as module
from medbench.training.model import load_config
from medbench.training.modules import module_faults, skeleton
from medbench.training.ready import prepare
from tests.training_runs import LORA, write_recipe

LOW_RANK = "rank: 8, alpha: 16"


@pytest.fixture
def recipe(tiny_model: Path, tmp_path: Path) -> Path:
    """A recipe on the tiny model."""
    return write_recipe(tiny_model, tmp_path)


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where weights are read."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("weights were read")

    monkeypatch.setattr("transformers.PreTrainedModel.from_pretrained", refuse)


def test_ready(recipe: Path) -> None:
    found = prepare(load(recipe))
    assert found.layout.packing and len(found.examples) > 10 and found.held_out
    assert found.tokenizer.eos_token == "</s>" and found.tokenizer.pad_token is not None


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            [LORA.replace("all-linear", "q_porj")],
            "method.target_modules: the model has no q_porj; did you mean q_proj",
        ),
        ([LORA.replace("all-linear", "[q_proj, all-linear]")], "all-linear stands alone"),
        (
            [LORA.replace("all-linear", "self_attn")],
            "method.target_modules: the model has no self_attn; it has",
        ),
        (
            [LORA.replace("all-linear", "q_proj, modules_to_save: [lm_haed]")],
            "method.modules_to_save: the model has no lm_haed; did you mean lm_head",
        ),
        (["model.layer_class=QwenLayer"], "model.layer_class: the model has no QwenLayer"),
        (
            ["model.architecture=Qwen2ForCausalLM"],
            "Qwen2ForCausalLM; {model} is a LlamaForCausalLM",
        ),
        (["model.id=/nowhere/at/all"], "no model /nowhere/at/all: "),
        (["model.start.recipe=first"], "small starts from what first leaves: `medbench run` makes"),
        (
            ["model.start={recipe: first, folder: /nowhere}"],
            "model.start.folder: /nowhere holds no whole model; `medbench merge` makes one",
        ),
        (
            ["model.tokenizer.pad=<none>"],
            "model.tokenizer.pad: the tokenizer of {model} has no token",
        ),
        (
            ["model.tokenizer.stop=<none>"],
            "model.tokenizer.stop: '<none>' is no token of the vocab",
        ),
        (["model.tokenizer.id=/nowhere"], "no tokenizer for /nowhere: "),
        (
            ["quantization.load=awq", LORA],
            "quantization.load: awq; those of {model} are not quantis",
        ),
        (["training.precision=float16"], "training.precision: float16 needs a GPU; bfloat16 runs"),
        (["training.optimizer=paged_adamw_8bit"], "there is none here; adamw_8bit has no pages"),
        (["launch.devices=4"], "launch.devices: 4 to spread layers over, and no GPU here"),
        (["training.neftune_alpha=5"], "training.neftune_alpha: the noise depends on the length"),
        (
            ["tracking={keep_best: true, save_every: 3, validate_every: 2}"],
            "save_every 3 must be a multiple of validate_every 2",
        ),
        (
            ["tracking={keep_best: true, save_every: 0.5, validate_every: 2}"],
            "save_every 0.5 must be a multiple of validate_every 2",
        ),
        (["data.sequence_length=5"], "rows are longer than data.sequence_length: 5 tokens"),
        (["data.mixture=[{benchmark: usmle, subsets: [6_options]}]"], "usmle has no 6_options"),
        (
            [
                "launch={strategy: fsdp, devices: 2}",
                "training.per_device_batch=2",
                "training.optimizer=adamw_8bit",
            ],
            "adamw_8bit cannot step weights that FSDP has cut; adamw, sgd can",
        ),
        (
            ["launch={strategy: fsdp, devices: 2, offload: all}", "training.per_device_batch=2"],
            "launch.offload: there is no GPU here to take weights off",
        ),
    ],
)
def test_fault(recipe: Path, tiny_model: Path, overrides: list[str], expected: str) -> None:
    with pytest.raises(MedbenchError) as error:
        prepare(load(recipe, overrides))
    assert expected.format(model=tiny_model) in str(error.value)


def test_all_faults_at_once(recipe: Path) -> None:
    overrides = [
        LORA.replace("all-linear", "[q_porj, v_proj]"),
        "model.layer_class=Layer",
        "training.precision=float16",
        "model.tokenizer.stop=<none>",
        "data.mixture=[{benchmark: usmle, protocol: haiku}]",
        "training.optimizer=paged_adamw",
    ]
    with pytest.raises(TrainingError) as error:
        prepare(load(recipe, overrides))
    told = str(error.value)
    for part in ("q_porj", "Layer", "float16", "<none>", "haiku", "paged_adamw"):
        assert part in told, part
    assert len(told.splitlines()) == len(set(told.splitlines())) == 6


def test_services(recipe: Path) -> None:
    """A service that is not installed is told before the start."""
    with pytest.raises(MissingExtra, match=r"tracking.report_to trackio .*'medbench\[trackio\]'"):
        prepare(load(recipe, ["tracking.report_to=trackio"]))


def test_bitsandbytes_is_looked_for(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"8-bit optimisers and quantisation at load"):
        prepare(load(recipe, ["training.optimizer=adamw_8bit"]))


def test_weights_that_are_quantised_already(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "awq"
    folder.mkdir()
    for file in tiny_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "awq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    recipe = write_recipe(folder, tmp_path)
    with pytest.raises(RecipeError, match=r"quantization.load: none; the weights of .*awq are awq"):
        prepare(load(recipe))
    with pytest.raises(MedbenchError, match="training beside awq weights needs: pip install gptq"):
        prepare(load(recipe, ["quantization.load=awq", LORA]))


def test_cards(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine with GPUs cannot do either."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    overrides = ["launch={strategy: ddp, devices: 4}", "training.precision=bfloat16"]
    asked = load(recipe, [*overrides, "training.per_device_batch=1"])
    with pytest.raises(RecipeError) as error:
        module.check_machine(asked)
    assert str(error.value).splitlines() == [
        "launch.devices: 4, and this machine has 2",
        "training.precision: bfloat16 needs a newer GPU; float16 runs on this",
    ]


def test_skeleton_has_shapes_and_no_weights(recipe: Path) -> None:
    asked = load(recipe, [LORA.replace("all-linear", "[layers.0.self_attn.q_proj, o_proj]")])
    model = skeleton(load_config(asked))
    assert {one.device.type for one in model.parameters()} == {"meta"}
    assert module_faults(model, asked) == []
