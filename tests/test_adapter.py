"""Adapter folders, good and bad, and what vLLM cannot run of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM

from medbench.engine.adapter import Adapter, find_adapter, lora_settings, read_adapter
from medbench.errors import ModelError

WEIGHTS = "adapter_model.safetensors"
LORA = {"peft_type": "LORA", "r": 8, "target_modules": ["v_proj", "q_proj"]}


def adapter(folder: Path, config: Any = LORA, weights: str = WEIGHTS) -> Path:
    folder.mkdir(exist_ok=True)
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")
    (folder / weights).write_bytes(b"")
    return folder


def missing(folder: Path) -> None:
    """No folder at all."""


def a_file(folder: Path) -> None:
    folder.write_bytes(b"")


def no_config(folder: Path) -> None:
    adapter(folder)
    (folder / "adapter_config.json").unlink()


def broken(folder: Path) -> None:
    adapter(folder, '{"peft_type": "LORA",')


def latin(folder: Path) -> None:
    adapter(folder)
    (folder / "adapter_config.json").write_bytes('{"base": "café"}'.encode("latin-1"))


def a_list(folder: Path) -> None:
    adapter(folder, "[]")


def pickled(folder: Path) -> None:
    adapter(folder, weights="adapter_model.bin")


BAD = [
    (missing, r"adapter .*x is not a folder; a PEFT adapter's folder is needed"),
    (a_file, "is not a folder"),
    (Path.mkdir, r"adapter .*x holds no adapter_config\.json"),
    (no_config, r"holds no adapter_config\.json"),
    (broken, r"adapter_config\.json is not JSON: "),
    (latin, "is not JSON: "),
    (a_list, r"adapter_config\.json holds a list, not an object"),
    (pickled, r"has no adapter_model\.safetensors \(pickled weights are not loaded\)"),
]


@pytest.mark.parametrize("find", [read_adapter, lambda path: find_adapter(str(path))])
@pytest.mark.parametrize(("make", "message"), BAD, ids=[make.__name__ for make, _ in BAD])
def test_bad_folder(tmp_path: Path, make: Any, message: str, find: Any) -> None:
    make(tmp_path / "x")
    with pytest.raises(ModelError, match=message):
        find(tmp_path / "x")


def test_full_description(tmp_path: Path) -> None:
    content = {**LORA, "base_model_name_or_path": "org/base", "use_dora": False}
    assert read_adapter(adapter(tmp_path, content)) == Adapter(
        tmp_path, "LORA", 8, ("q_proj", "v_proj"), False, "org/base"
    )
    assert find_adapter(str(tmp_path)) == read_adapter(tmp_path)


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({}, {"kind": "unknown", "rank": 0, "target_modules": (), "base": ""}),
        ({**LORA, "r": None}, {"rank": 0}),
        ({**LORA, "rank_pattern": {"q_proj": 4}}, {"rank": 8}),
        ({**LORA, "rank_pattern": {"q_proj": 64, "v_proj": 16}}, {"rank": 64}),
        ({**LORA, "rank_pattern": None}, {"rank": 8}),
        ({**LORA, "target_modules": r".*\.(q|v)_proj"}, {"target_modules": ()}),
        ({**LORA, "target_modules": None}, {"target_modules": ()}),
        ({**LORA, "use_dora": True}, {"is_dora": True}),
        ({**LORA, "use_dora": None}, {"is_dora": False}),
        ({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 8}, {"kind": "PREFIX_TUNING"}),
        ({**LORA, "base_model_name_or_path": None}, {"base": ""}),
        ({**LORA, "init_lora_weights": "gaussian", "bias": "none"}, {"changes_base": ""}),
        ({**LORA, "init_lora_weights": True, "bias": None}, {"changes_base": ""}),
        ({**LORA, "init_lora_weights": "olora"}, {"changes_base": "init_lora_weights=olora"}),
        ({**LORA, "bias": "lora_only"}, {"changes_base": "bias=lora_only"}),
    ],
)
def test_field(tmp_path: Path, content: dict[str, Any], fields: dict[str, Any]) -> None:
    found = read_adapter(adapter(tmp_path, content))
    assert {name: getattr(found, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LORA, None),
        ({**LORA, "r": 512}, None),
        ({**LORA, "use_dora": True}, "is a DoRA adapter, which vLLM cannot run; merge it"),
        ({"peft_type": "PREFIX_TUNING"}, "vLLM runs LoRA adapters, not PREFIX_TUNING; use hf"),
        ({}, "vLLM runs LoRA adapters, not unknown"),
        ({**LORA, "rank_pattern": {"q_proj": 1024}}, "has rank 1024, vLLM runs LoRA up to 512"),
        ({**LORA, "init_lora_weights": "pissa"}, "has init_lora_weights=pissa, which changes the"),
    ],
)
def test_vllm(tmp_path: Path, content: dict[str, Any], message: str | None) -> None:
    found = read_adapter(adapter(tmp_path, content))
    if message is None:
        found.check_vllm()
        return
    with pytest.raises(ModelError, match=message):
        found.check_vllm()


@pytest.mark.parametrize(
    ("contents", "settings"),
    [
        ([LORA], {"max_lora_rank": 8, "lora_target_modules": ["q_proj", "v_proj"]}),
        (
            [LORA, {**LORA, "r": 33, "target_modules": ["o_proj", "q_proj"]}],
            {"max_lora_rank": 64, "lora_target_modules": ["o_proj", "q_proj", "v_proj"]},
        ),
        ([LORA, {**LORA, "r": 2, "target_modules": "all-linear"}], {"max_lora_rank": 8}),
    ],
)
def test_an_engine_for_all(
    tmp_path: Path, contents: list[dict[str, Any]], settings: dict[str, Any]
) -> None:
    folders = (adapter(tmp_path / str(number), one) for number, one in enumerate(contents))
    assert lora_settings([read_adapter(folder) for folder in folders]) == settings


@pytest.mark.parametrize("name", ["nobody/no-such-adapter", "no/such/thing", "a b"])
def test_unknown_hub_id_without_network(name: str) -> None:
    with pytest.raises(ModelError) as error:
        find_adapter(name)
    assert str(error.value).startswith(f"{name} is no local folder and did not come from")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["./none", "/none", "~/none-such-adapter", "../none"])
def test_a_path_is_never_looked_for_on_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match="is not a folder"):
        find_adapter(name)


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        (
            LoraConfig(r=4, target_modules=["q_proj", "k_proj"], use_dora=True),
            {"kind": "LORA", "rank": 4, "target_modules": ("k_proj", "q_proj"), "is_dora": True},
        ),
        (
            LoraConfig(
                r=4, target_modules=["q_proj"], rank_pattern={"layers.0.self_attn.q_proj": 32}
            ),
            {"kind": "LORA", "rank": 32, "is_dora": False},
        ),
        (
            PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
            {"kind": "PREFIX_TUNING", "rank": 0, "target_modules": ()},
        ),
    ],
    ids=["dora", "rank pattern", "prefix tuning"],
)
def test_what_peft_writes(
    tiny_model: Path, tmp_path: Path, settings: Any, fields: dict[str, Any]
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    get_peft_model(model, settings).save_pretrained(tmp_path)
    found = read_adapter(tmp_path)
    assert {name: getattr(found, name) for name in fields} == fields
    assert found.base == str(tiny_model)
