"""A small continued pre-training, as its tests run it: texts of our own words, a tiny model."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from medbench.recipe import Source
from medbench.training.corpus.build import Encoder, store_of
from medbench.training.corpus.store import TokenStore

RECIPE = """
kind: pretrain
model: {{id: {model}, layer_class: LlamaDecoderLayer, architecture: LlamaForCausalLM}}
corpus:
  sources: [{{path: {folder}/medical.jsonl}}]
  general: [{{path: {folder}/general.jsonl}}]
  replay: 0.25
  held_out: 0.2
data: {{sequence_length: 48}}
training:
  global_batch: 8
  per_device_batch: 4
  epochs: 3
  learning_rate: 3e-3
  schedule: linear
  precision: float32
tracking: {{log_every: 1, save_every: 4}}
"""
MEDICAL = ["heart", "kidney", "liver", "drug", "dose", "patient", "trial", "blood", "pressure",
           "acute", "chronic", "lung", "fever"]  # fmt: skip
GENERAL = ["bridge", "river", "bread", "sail", "library", "star", "train", "chess", "garden",
           "rain", "violin", "street", "map"]  # fmt: skip


def sentences(words: Sequence[str], count: int, seed: int, longest: int = 120) -> list[str]:
    """Return texts of random words, some short, some longer than a window."""
    source = Random(seed)
    return [" ".join(source.choices(words, k=source.randint(3, longest))) for _ in range(count)]


def write_lines(file: Path, texts: Iterable[Any], field: str = "text") -> Path:
    """Write texts as JSON lines."""
    file.write_text("".join(f"{json.dumps({field: one})}\n" for one in texts), encoding="utf-8")
    return file


def write_pretraining(model: Path, folder: Path) -> Path:
    """Write a corpus and the recipe that reads it."""
    write_lines(folder / "medical.jsonl", sentences(MEDICAL, 30, 0))
    write_lines(folder / "general.jsonl", sentences(GENERAL, 20, 1))
    file = folder / "pretrain.yaml"
    file.write_text(RECIPE.format(model=model, folder=folder), encoding="utf-8")
    return file


class Bytes:
    """The smallest tokenizer: a byte is a token, and nothing is put in front."""

    is_fast = False

    def __call__(self, texts: Any, **_: Any) -> Any:
        from transformers import BatchEncoding

        if isinstance(texts, str):
            return BatchEncoding({"input_ids": list(texts.encode())})
        return BatchEncoding({"input_ids": [list(one.encode()) for one in texts]})

    def __len__(self) -> int:
        return 256

    def get_vocab(self) -> dict[str, int]:
        return {chr(one): one for one in range(256)}


END = 256
"""The token behind each text of a `Bytes` store."""


def byte_store(texts: Sequence[str], folder: Path, **settings: Any) -> TokenStore:
    """Return a store whose tokens are the texts' bytes, and 256 behind each."""
    file = write_lines(folder / "texts.jsonl", texts)
    return store_of(Source(path=str(file), **settings), Encoder(Bytes(), END))


def text_of(ids: Sequence[int]) -> str:
    """Return the text of such tokens, `¶` for the end."""
    return "".join("¶" if one == END else chr(one) for one in ids)
