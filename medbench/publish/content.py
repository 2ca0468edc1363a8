"""What of a checkpoint goes to the Hub: weights, tokenizer, recipe, provenance, loss curve.

Only names that are known go: a folder may hold notes, states and pickles too. What names a folder
of this machine is published with the Hub's names instead.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from medbench.checkpoint import (
    ADAPTER,
    CURVE,
    PROVENANCE,
    RECIPE,
    STATE,
    WEIGHTS,
    Checkpoint,
)
from medbench.errors import PublishError
from medbench.hub.files import is_pickle
from medbench.leaderboard.portable import portable, shortened
from medbench.publish.base import HubBase
from medbench.recipe import load, to_yaml

__all__ = ["NAMES", "Content", "check_secrets", "checkpoint_content", "is_named", "size_of"]

Content = dict[str, Path | bytes]
"""Path in the repository → the file, or what is to be in it."""

OURS = (RECIPE, PROVENANCE, STATE, f"{CURVE}.svg", f"{CURVE}.png")
OF_ADAPTER = (ADAPTER, WEIGHTS)
OF_MODEL = (
    "config.json", "generation_config.json",
    "model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json",
)  # fmt: skip
OF_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "spiece.model",
    "chat_template.jinja", "additional_chat_templates/*.jinja",
)  # fmt: skip
NAMES = (*OURS, *OF_ADAPTER, *OF_MODEL, *OF_TOKENIZER)
"""All that a checkpoint's files are called when they are published."""
SECRET = re.compile(rb"\bhf_[A-Za-z0-9]{30,}")
"""How the Hub's tokens look."""
TEXT = (".json", ".yaml", ".jinja", ".txt", ".md", ".svg")


def checkpoint_content(checkpoint: Checkpoint, base: HubBase, repo: str) -> Content:
    """Return the files of a checkpoint as they are published; the card is not among them.

    Args:
        checkpoint: the folder, an adapter's or a whole model's.
        base: what the adapter names as its base.
        repo: where it goes; a tokenizer of a local folder is found there.

    Raises:
        PublishError: pickled weights, weights or tokenizer that are missing; all at once.
    """
    folder = checkpoint.path
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    names = [name for name, path in paths.items() if path.is_file()]
    faults = [
        f"{name} holds pickled weights: only safetensors are published"
        for name in names
        if is_pickle(name)
    ]
    wanted = (*OURS, *OF_TOKENIZER, *(OF_ADAPTER if checkpoint.is_adapter else OF_MODEL))
    content: Content = {name: paths[name] for name in names if is_named(name, wanted)}
    needed = (WEIGHTS,) if checkpoint.is_adapter else ("config.json", "model*.safetensors")
    for pattern in (*needed, "tokenizer_config.json", RECIPE):
        if not any(is_named(name, [pattern]) for name in content):
            faults.append(f"there is no {pattern}")
    if faults:
        raise PublishError("\n".join(f"{folder}: {fault}" for fault in faults))
    return content | {
        name: rewritten(paths[name], change)
        for name, change in changes(base).items()
        if name in content
    } | {RECIPE: recipe_text(checkpoint, base, repo)}  # fmt: skip


def is_named(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether a path follows one of some patterns, whose `*` stops at a slash."""
    parts = path.split("/")
    return any(
        len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
        for wanted in (pattern.split("/") for pattern in patterns)
    )


Object = dict[str, Any]


def changes(base: HubBase) -> Mapping[str, Callable[[Object], Object]]:
    """Return, for each JSON file that may name a folder, what is put in its place."""
    of_adapter = {"base_model_name_or_path": base.id, "revision": base.revision}
    commit = base.revision if re.fullmatch(r"[0-9a-f]{40}", base.revision) else None
    return {
        ADAPTER: lambda content: content | of_adapter,
        PROVENANCE: lambda content: anonymous(content, base, commit),
        STATE: lambda content: content,
        "config.json": unnamed,
        "tokenizer_config.json": unnamed,
    }


def anonymous(content: Object, base: HubBase, commit: str | None) -> Object:
    """Return a provenance whose base is the Hub's."""
    if not base.is_certain:
        content = content | {"base": content["base"] | {
            "id": base.id, "revision": base.revision, "commit": commit}}  # fmt: skip
    if merged := content.get("merged_from"):
        named = {"base": base.id, "base_revision": base.revision}
        content = content | {"merged_from": merged | named}
    return content


def unnamed(content: Object) -> Object:
    """Return a configuration without the name under which it was loaded."""
    names = ("_name_or_path", "name_or_path", "tokenizer_file")
    return {key: value for key, value in content.items() if key not in names}


def rewritten(file: Path, change: Callable[[Object], Object]) -> bytes:
    """Return a JSON file after a change, as it is where nothing changes.

    Raises:
        PublishError: it is no JSON object.
    """
    raw = file.read_bytes()
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise PublishError(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise PublishError(f"{file} holds a {type(content).__name__}, not an object")
    new = change(content)
    text = raw if new == content else json.dumps(new, indent=2, ensure_ascii=False).encode()
    # a tokenizer's own words may begin with a slash; it names no folders any more
    return text if file.name == "tokenizer_config.json" else portable(text, Path.cwd())


def recipe_text(checkpoint: Checkpoint, base: HubBase, repo: str) -> bytes:
    """Return the recipe with the Hub's names for model and tokenizer, no folder's elsewhere."""
    recipe = load(checkpoint.recipe)
    model, tokenizer = recipe.model, recipe.model.tokenizer
    if Path(tokenizer.id).expanduser().is_dir() and tokenizer.id:
        model = replace(model, tokenizer=replace(tokenizer, id=repo))
    if model.start:
        model = replace(model, start=replace(model.start, folder=None))
    model = replace(model, id=base.id, revision=base.revision)
    content = yaml.safe_load(to_yaml(replace(recipe, model=model)))
    return yaml.safe_dump(
        shortened(content, Path.cwd()), sort_keys=False, allow_unicode=True, width=100
    ).encode()


def size_of(file: Path | bytes) -> int:
    """Return a file's size in bytes."""
    return len(file) if isinstance(file, bytes) else file.stat().st_size


def check_secrets(content: Content, token: str | None) -> None:
    """Refuse texts that hold a token of the Hub.

    Raises:
        PublishError: names the files, not the token.
    """
    found = []
    for name, file in content.items():
        if not name.endswith(TEXT):
            continue
        text = file if isinstance(file, bytes) else file.read_bytes()
        if SECRET.search(text) or (token and token.encode() in text):
            found.append(name)
    if found:
        raise PublishError(f"{', '.join(found)}: a token of the Hub is inside; take it out first")
