"""How a measured run put its questions, as its files tell: what it takes to ask them again."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medbench.engine.run import Backend, Engine
from medbench.model_names import model_arguments

__all__ = ["Asked", "asked"]

GREEDY = {"temperature": ("0", "0.0"), "do_sample": ("False", "false"), "num_beams": ("1",),
          "top_p": (), "top_k": (), "min_p": (), "typical_p": ()}  # fmt: skip
"""What chooses the next token, and at which values the likeliest one is taken."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A run's settings, by their names in `medbench.engine.run.Run`."""

    backend: Backend
    engine: Engine
    quantization: str | None
    strict: bool
    dtype: str
    batch_tokens: int | None
    num_fewshot: int | None
    """None: tasks had different ones, their own."""
    chat_template: Literal["on", "off"]
    gen_kwargs: str | None

    @property
    def generation(self) -> dict[str, str]:
        """What `gen_kwargs` sets."""
        pairs = (pair.partition("=") for pair in (self.gen_kwargs or "").split(",") if pair)
        return {key.strip(): value.strip() for key, _, value in pairs}

    @property
    def is_greedy(self) -> bool:
        """The likeliest token was taken, as all tasks say unless `gen_kwargs` says otherwise."""
        return all(value in GREEDY.get(key, (value,)) for key, value in self.generation.items())

    @property
    def changed(self) -> dict[str, str]:
        """What is not as it is where nothing is said, and may change a score."""
        stated = {
            "quantization": self.quantization,
            "backend": self.backend if self.backend != "hf" else None,
            "dtype": self.dtype if self.dtype != "auto" else None,
            "gen_kwargs": self.gen_kwargs,
        }
        return {name: value for name, value in stated.items() if value}


def asked(results: Path, facts: Mapping[str, Any], tasks: Iterable[str]) -> Asked:
    """Read the settings of some of a run's tasks.

    Args:
        results: lm-eval's results file.
        facts: what `medbench eval` wrote beside it; empty: plain `lm_eval` ran.
        tasks: names of tasks in it.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is not as lm-eval writes it.
    """
    document = json.loads(results.read_text(encoding="utf-8"))
    config = document["config"]
    arguments = model_arguments(config)
    shots = {document["n-shot"][task] for task in tasks}
    generation = config.get("gen_kwargs") or {}
    return Asked(
        backend=facts["backend"] if facts else backend_of(str(config.get("model"))),
        engine=facts.get("engine", "medbench"),
        quantization=facts.get("quantization") or quantization_of(arguments),
        strict=bool(facts.get("strict")),
        dtype=arguments.get("dtype") or "auto",
        batch_tokens=arguments.get("batch_tokens"),
        num_fewshot=shots.pop() if len(shots) == 1 else None,
        chat_template="on" if document.get("chat_template") else "off",
        gen_kwargs=",".join(f"{key}={value}" for key, value in generation.items()) or None,
    )


def backend_of(model: str) -> Backend:
    """Return which backend a class of lm-eval is."""
    return "vllm" if "vllm" in model else "openai" if "completions" in model else "hf"


def quantization_of(arguments: Mapping[str, Any]) -> str | None:
    """Return what plain lm_eval was told to quantise to at load: our word for it, or its own."""
    if said := arguments.get("quantization"):
        return str(said)
    if str(arguments.get("load_in_4bit")) == "True":
        return str(arguments.get("bnb_4bit_quant_type") or "fp4")
    return "int8" if str(arguments.get("load_in_8bit")) == "True" else None
