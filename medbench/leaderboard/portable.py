"""What a run's files say, without the folders of the machine that it ran on."""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medbench.model_names import model_path

__all__ = ["leaks", "portable", "sanitized", "shortened"]

LETTER = r"""(?:[^\s/\\'"`,;|<>\[\]{}()=:]|\\[ ]|=(?![~/])|:(?![\s/\\]|$))"""
"""Of a name in the middle of a text: what ends it there is what ends a word or a value."""
WORD = rf"{LETTER}{{1,255}}"
"""A file's name is no longer, and a search for one ends."""
WORDS = rf"{WORD}(?:\ +{WORD})*"
SCHEME = r"(?:file:(?://[\w.-]*)?)?"
QUOTE = r"""(?<=['"`])(?<![\w.!?)}\]]['"`])"""
"""An opening one: in `"yes"/no/maybe` is no path."""


def _paths(name: str, on_drive: str) -> str:
    """Return a pattern of paths that tell at least one folder, with patterns of their later parts.

    In turn: absolute, from somebody's home, out of the folder that it starts in, on a drive.
    """
    return "|".join((
        rf"{SCHEME}/+{WORD}(?:/+{name})+/*",
        rf"~(?:[A-Za-z_][\w.-]*)?/+{name}(?:/+{name})*/*",
        rf"(?:{WORD}/+)*?\.\./+{WORD}(?:/+{name})+/*",
        rf"{SCHEME}/*[A-Za-z]:[\\/]+{WORD}(?:[\\/]+{on_drive})+[\\/]*",
    ))  # fmt: skip


ADDRESS = r"""\b(?!file:)[a-z][a-z0-9+.-]*://[^\s/'"`<>,;|(){}\[\]][^\s'"`<>,;|(){}\[\]]*"""
LONG = _paths(r"[^/\n]+", r"[^/\\\n]+")
WHOLE = re.compile(rf"(?i:(?P<key>[^=\s/]*=(?=[^=]*$))?(?P<path>{LONG}))")
"""A text that is one path, or one behind one sign `=`: its names may hold any sign."""
INSIDE = re.compile(
    rf"(?i:(?P<address>{ADDRESS})"
    rf"|(?:^|(?<=[=\[{{,|])|(?<=:\ )|{QUOTE})(?P<value>{_paths(WORDS, WORDS)})"
    rf"|(?<=[\s:;(@>])(?P<word>{_paths(WORD, WORD)}))"
)
"""Paths in a text: values may hold spaces, words may not; addresses stay as they are."""
OF_A_FILE = re.compile(rf"(?i:^{SCHEME})(?:/+(?=[A-Za-z]:))?")
HUB_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
NOT_IN_NAMES = re.compile(r'["<>:/|\\?*\[\]]+')


def portable(document: bytes, here: Path) -> bytes:
    """Shorten every path in a JSON document; one without paths stays as it is, byte for byte."""
    content = json.loads(document)
    short = shortened(content, here)
    if short == content:
        return document
    return json.dumps(short, indent=2, ensure_ascii=False).encode()


def leaks(document: bytes) -> Iterator[tuple[str, str]]:
    """Yield each text of a JSON document that tells a folder of a machine, and what it should say.

    Paths below the folder that one is in are no exception.
    """
    content = json.loads(document)
    pairs = zip(_texts(content), _texts(shortened(content, None)), strict=True)
    yield from ((old, new) for old, new in pairs if old != new)


def shortened(value: Any, here: Path | None) -> Any:
    """Return a document's content with every path in it shortened, keys included.

    A folder of the Hub's cache becomes the model's id, a path below `here` starts there, any other
    one keeps its last part. What lm-eval makes of the model's name follows that name.
    """
    if isinstance(value, dict):
        content = {_text(key, here): shortened(one, here) for key, one in value.items()}
        if len(content) < len(value):  # two keys became one
            content = {f"{number}: {_text(key, here)}": shortened(one, here)
                       for number, (key, one) in enumerate(value.items(), 1)}  # fmt: skip
        name, made = content.get("model_name"), content.get("model_name_sanitized")
        if isinstance(name, str) and isinstance(made, str):
            content["model_name_sanitized"] = sanitized(name)
        return content
    if isinstance(value, list):
        return [shortened(one, here) for one in value]
    return _text(value, here) if isinstance(value, str) else value


def sanitized(name: str) -> str:
    """Return a model's name as lm-eval writes it for a folder."""
    return NOT_IN_NAMES.sub("__", name)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _text(text: str, here: Path | None) -> str:
    if whole := WHOLE.fullmatch(text):
        return f"{whole['key'] or ''}{_short(whole['path'], here)}"
    return INSIDE.sub(
        lambda found: found["address"] or _short(found["value"] or found["word"], here), text
    )


def _short(path: str, here: Path | None) -> str:
    plain = posixpath.normpath(OF_A_FILE.sub("", path))
    known = model_path(plain)  # the Hub's id, or the path in one form
    if HUB_NAME.fullmatch(known) and not known.startswith(".."):
        return known
    if here and here not in Path.home().parents and Path(plain).is_relative_to(here):
        return Path(plain).relative_to(here).as_posix()
    return known.rpartition("/")[2]
