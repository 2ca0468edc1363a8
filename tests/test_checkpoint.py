"""A checkpoint's description: written, read again, and refused where it is not one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medbench.checkpoint import (
    ADAPTER,
    PROVENANCE,
    RECIPE,
    Base,
    Provenance,
    Trained,
    read,
    write_provenance,
)
from medbench.errors import ModelError

FACTS = Provenance(
    recipe="demo/x",
    method="lora",
    base=Base("some/model", "main", "0123abc", "LlamaForCausalLM"),
    data=(Trained("usmle", "4_options", "train", "letters", "mixture", "Hub", 10_178, "ab" * 32),),
    examples=10_178,
    steps=30,
    tokens=123_456,
    supervised_tokens=789,
    loss=0.5,
    held_out_loss=None,
    seed=42,
    seconds=12.3,
    finished="2026-11-22T02:26:31+00:00",
    command=("medbench", "train", "demo/x"),
    launch={"strategy": "single", "processes": 1},
    hardware={"devices": []},
    packages={"torch": "2.13.0"},
    medbench="0.1.0",
)


def test_written_and_read_again(tmp_path: Path) -> None:
    write_provenance(tmp_path, FACTS)
    found = read(tmp_path)
    assert found.provenance == FACTS
    assert (found.path, found.is_adapter, found.recipe) == (tmp_path, False, tmp_path / RECIPE)
    (tmp_path / ADAPTER).touch()
    assert read(tmp_path).is_adapter
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


STAGE2 = replace(FACTS, recipe="demo/y", base=Base("/runs/x", "main", None, ""), start=FACTS)


def test_a_chain_is_written_and_read_again(tmp_path: Path) -> None:
    last = replace(FACTS, recipe="demo/z", method="full", start=STAGE2, merged="all")
    write_provenance(tmp_path, last)
    found = read(tmp_path).provenance
    assert found == last
    assert FACTS.chain == ("some/model", "demo/x (lora)")
    assert STAGE2.chain == ("some/model", "demo/x (lora)", "demo/y (lora)")
    assert found.chain == (
        "some/model",
        "demo/x (lora)",
        "demo/y (lora), all merged",
        "demo/z (full)",
    )
    assert found.learnt_from == FACTS.data * 3


def test_keys_of_later_versions_are_left_out(tmp_path: Path) -> None:
    write_provenance(tmp_path, FACTS)
    content = json.loads((tmp_path / PROVENANCE).read_text())
    (tmp_path / PROVENANCE).write_text(json.dumps({**content, "mood": "good"}))
    assert read(tmp_path).provenance == FACTS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "is no checkpoint of `medbench train`: it has no provenance.json"),
        ("{", "cannot be read: JSONDecodeError"),
        ("[]", "cannot be read: TypeError"),
        ("{}", "cannot be read: KeyError: 'base'"),
        ('{"base": {"id": "x"}, "data": [], "command": []}', "cannot be read: TypeError"),
        ('{"base": null}', "cannot be read: TypeError"),
    ],
)
def test_what_is_none(tmp_path: Path, text: str | None, reason: str) -> None:
    if text is not None:
        (tmp_path / PROVENANCE).write_text(text)
    with pytest.raises(ModelError, match=reason):
        read(tmp_path)
