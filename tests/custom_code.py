"""A model whose class comes with it: loading it runs its code, which leaves a mark."""

import json
from pathlib import Path
from shutil import copytree

__all__ = ["with_own_code"]

CONFIGURATION = """\
from pathlib import Path
from transformers import LlamaConfig

Path({mark!r}).touch()


class OwnConfig(LlamaConfig):
    model_type = "own"
"""
MODEL = """\
from transformers import LlamaForCausalLM
from .configuration_own import OwnConfig


class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""
CLASSES = {
    "AutoConfig": "configuration_own.OwnConfig",
    "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
}


def with_own_code(llama: Path, folder: Path, mark: Path) -> Path:
    """Copy a Llama and make its class the folder's own; whoever runs it finds `mark` there."""
    copytree(llama, folder)
    (folder / "configuration_own.py").write_text(CONFIGURATION.format(mark=str(mark)))
    (folder / "modeling_own.py").write_text(MODEL)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"model_type": "own", "architectures": ["OwnForCausalLM"], "auto_map": CLASSES}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
