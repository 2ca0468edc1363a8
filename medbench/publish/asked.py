"""How a measured run put its questions, as its files tell: what it takes to ask them again."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medbench.engine.run import Backend, Engine
from medbench.model_names import model_arguments

__all__ = ["Asked", "asked"]


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


def asked(results: Path, facts: Mapping[str, Any], tasks: Iterable[str]) -> Asked:
    """Read the settings of some of a run's tasks.

    Args:
        results: lm-eval's results file.
        facts: what `medbench eval` wrote beside it; empty: plain `lm_eval` ran.
        tasks: names of tasks in it.

    Raises:
        KeyError, TypeError, ValueError: it is not as lm-eval writes it.
    """
    document = json.loads(results.read_text(encoding="utf-8"))
    config = document["config"]
    arguments = model_arguments(config)
    shots = {document["n-shot"][task] for task in tasks}
    generation = config.get("gen_kwargs") or {}
    return Asked(
        backend=facts["backend"] if facts else "hf",
        engine=facts.get("engine", "medbench"),
        quantization=facts.get("quantization"),
        strict=bool(facts.get("strict")),
        dtype=arguments.get("dtype") or "auto",
        batch_tokens=arguments.get("batch_tokens"),
        num_fewshot=shots.pop() if len(shots) == 1 else None,
        chat_template="on" if document.get("chat_template") else "off",
        gen_kwargs=",".join(f"{key}={value}" for key, value in generation.items()) or None,
    )
