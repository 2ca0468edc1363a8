"""Where content folders lie; a file is written whole or not at all, and known by its digest."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["CONTENT_FOLDERS", "folder", "sample", "sha256", "write", "write_together"]

CONTENT_FOLDERS = ("tasks", "adapters", "train", "leaderboard")
PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return one of `CONTENT_FOLDERS`: beside the package in a checkout, inside it in a wheel."""
    assert name in CONTENT_FOLDERS, f"no content folder is called {name!r}"
    checkout = PACKAGE.parent / name
    in_checkout = (PACKAGE.parent / "pyproject.toml").is_file()
    return checkout if in_checkout else PACKAGE / "_data" / name


def sample() -> Path:
    """Return the packaged bundle of questions that this project wrote."""
    return PACKAGE / "data" / "sample"


def write(target: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, creating its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        partial.chmod(0o644)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def write_together(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write files of text, each through a draft; none appears before all drafts are written."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".drafts-") as drafts:
        for name, text in texts.items():
            # what a model wrote may hold half of a surrogate pair, which UTF-8 has not
            Path(drafts, name).write_bytes(text.encode("utf-8", "replace"))
        return [Path(drafts, name).replace(folder / name) for name in texts]


def sha256(file: Path) -> str:
    """Return the digest of a file's content, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
