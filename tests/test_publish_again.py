"""The commands of a card: they put the questions as they were put."""

from pathlib import Path
from typing import Any

import pytest

from medbench.publish.card.again import score_commands
from tests.card_subjects import COMMIT, USMLE, rewritten, subject
from tests.compared_runs import two_runs
from tests.publications import make_checkpoint


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tiny_model, tmp_path_factory.mktemp("made") / "lora", COMMIT)


@pytest.mark.parametrize(
    ("document", "facts", "ours", "plain"),
    [
        ({}, {}, ["--chat-template off", "--num-fewshot 0"], ["--num_fewshot 0"]),
        (
            {"chat_template": "x", "n-shot": {"usmle": 5}},
            {"strict": True},
            ["--chat-template on", "--num-fewshot 5", "--strict"],
            ["--apply_chat_template", "--num_fewshot 5"],
        ),
        (
            {"config": {"model_args": "dtype=float32", "gen_kwargs": {"top_k": 5, "n": 9}}},
            {"backend": "vllm"},
            ["--gen-kwargs top_k=5,n=9", "--dtype float32", "--backend vllm"],
            ["dtype=float32", "--gen_kwargs"],
        ),
        ({}, {"quantization": "nf4"}, ["--quantization nf4"], None),
    ],
)
def test_it_is_scored_again_as_it_was(
    folder: Path,
    tmp_path: Path,
    document: dict[str, Any],
    facts: dict[str, Any],
    ours: list[str],
    plain: list[str] | None,
) -> None:
    _, b = two_runs(tmp_path / "runs", configs=USMLE)
    rewritten(b, document, facts)
    text = score_commands(subject(folder, [b])).replace(" \\\n    ", " ")
    first, *others = text.splitlines()
    assert first.startswith("medbench eval me/x --tasks 'usmle'")
    assert all(one in first for one in ours), first
    assert len(others) == (plain is not None)
    assert all(one in others[0] for one in plain or ()), others
