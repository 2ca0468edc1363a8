"""What tells two models apart, and the shortest names that still do."""

import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Set
from typing import Any, NamedTuple

__all__ = [
    "ADAPTERS",
    "BASES",
    "Model",
    "display_names",
    "model_argument",
    "model_arguments",
    "model_path",
]

BASES = ("pretrained", "model", "path", "engine")
"""lm-eval's arguments that may name the model."""
ADAPTERS = ("peft", "lora_local_path", "delta")
"""Those that may name what is put on it."""
METHODS = ("full", "lora", "rslora", "dora", "qlora", "molora", "orthogonal_lora", "prefix",
           "p_tuning", "prompt")  # fmt: skip
"""Last folders that say little alone, as does a stage's."""
STAGE = re.compile(r"stage\d")
OF_A_RECIPE = 3
"""Folders of a recipe's name: a model and a benchmark, in either order, and a method."""
HUB_CACHE = re.compile(r"models--(.+?)(?:/snapshots/[0-9a-f]+)?$")


class Model(NamedTuple):
    """What tells two models apart."""

    base: str
    """Path or Hub name, in the form of `model_path`."""
    adapter: str
    """The same; empty: none."""
    variant: str
    """Revision, quantisation, … as they are shown."""

    def name(self, depth: int) -> str:
        """Return a display name made of the last `depth` folders of each path, or its recipe's."""
        base, adapter = (_end(path.split("/"), depth) for path in (self.base, self.adapter))
        return base + (f" + {adapter}" if adapter else "") + self.variant


def _end(parts: list[str], depth: int) -> str:
    last = parts[-1]
    least = OF_A_RECIPE if last in METHODS or STAGE.match(last) else 1
    return "/".join(parts[-max(depth, least) :])


def model_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model's arguments of a results file's `config`: a mapping there, or a=1,b=2."""
    arguments = config.get("model_args")
    if isinstance(arguments, str):
        pairs = (pair.partition("=") for pair in arguments.split(","))
        return {key.strip(): value.strip() for key, _, value in pairs}
    return dict(arguments) if isinstance(arguments, dict) else {}


def model_argument(config: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first of some arguments that is set; empty: none is."""
    arguments = model_arguments(config)
    return next((str(arguments[name]) for name in names if arguments.get(name)), "")


def model_path(name: str) -> str:
    """Return a path or a Hub name in one form, be it `./a/b/` or a folder of the Hub's cache."""
    text = name.replace("\\", "/")
    cached = HUB_CACHE.search(text)
    plain = cached[1].replace("--", "/") if cached else text
    return posixpath.normpath(plain) if plain else ""


def display_names(models: Set[Model]) -> dict[Model, str]:
    """Return a unique display name for each model, as short as can be."""
    names: dict[Model, str] = {}
    deepest = max((path.count("/") + 1 for m in models for path in (m.base, m.adapter)), default=1)
    for depth in range(1, deepest + 1):
        counts = Counter(model.name(depth) for model in models)
        for model in models - names.keys():
            if counts[model.name(depth)] == 1 or depth == deepest:
                names[model] = model.name(depth)
    return names
