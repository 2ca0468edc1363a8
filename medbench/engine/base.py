"""An adapter's folder named as the model: what `medbench train` left is evaluated as it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from medbench import checkpoint
from medbench.engine.adapter import find_adapter
from medbench.engine.run import Run
from medbench.errors import ModelError

__all__ = ["on_base"]


def on_base(run: Run) -> Run:
    """Return the run of an adapter's base with the adapter on it; any other run as it is.

    The base is the one that the adapter names, at the commit that it was trained on where that is
    known; prompts are tokenized as in training if the folder holds a tokenizer.

    Raises:
        ModelError: the folder's description cannot be used, or other adapters are asked for too.
    """
    folder = Path(run.model).expanduser()
    if run.backend == "openai" or not (folder / checkpoint.ADAPTER).is_file():
        return run
    if (folder / "config.json").is_file():
        return run  # a whole model; peft left its description beside it
    adapter = find_adapter(str(folder))
    if not adapter.base:
        raise ModelError(
            f"{folder / checkpoint.ADAPTER} names no base: set base_model_name_or_path there"
        )
    if run.adapters:
        raise ModelError(
            f"{folder} is an adapter itself; to evaluate several, name the base as MODEL "
            f"({adapter.base}) and each of them with --adapter"
        )
    settings: dict[str, Any] = {"model": adapter.base, "adapters": (str(folder),)}
    if run.revision == "main":
        settings["revision"] = checkpoint.base_revision(folder, adapter.base, adapter.revision)
    if run.tokenizer is None and (folder / "tokenizer_config.json").is_file():
        settings["tokenizer"] = str(folder)
    return replace(run, **settings)
