"""What a run's files say, without the folders of the machine that it ran on."""

import json
import re
from pathlib import Path
from typing import Any

from medbench.model_names import model_path

__all__ = ["portable", "shortened"]

ABSOLUTE = re.compile(r"(?:~|[A-Za-z]:[\\/]|/)[^\n]*")


def portable(document: bytes, here: Path) -> bytes:
    """Shorten every path in a JSON document; one without paths stays as it is, byte for byte."""
    content = json.loads(document)
    short = shortened(content, here)
    if short == content:
        return document
    return json.dumps(short, indent=2, ensure_ascii=False).encode()


def shortened(value: Any, here: Path) -> Any:
    """Return a document's content with every path in it shortened.

    A folder of the Hub's cache becomes the model's id, a path below `here` starts there, any other
    absolute one keeps its last part; so does the path of a `key=value`.
    """
    if isinstance(value, dict):
        return {key: shortened(one, here) for key, one in value.items()}
    if isinstance(value, list):
        return [shortened(one, here) for one in value]
    if not isinstance(value, str):
        return value
    key, sign, path = value.rpartition("=")
    return f"{key}{sign}{_short(path, here)}" if ABSOLUTE.fullmatch(path) else value


def _short(path: str, here: Path) -> str:
    known = model_path(path)  # the Hub's id, or the path in one form
    if not ABSOLUTE.fullmatch(known):
        return known
    if Path(path).is_relative_to(here):
        return Path(path).relative_to(here).as_posix()
    return known.rpartition("/")[2]
