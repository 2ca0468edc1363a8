"""Where the content folders lie: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

__all__ = ["CONTENT_FOLDERS", "folder", "sample"]

CONTENT_FOLDERS = ("tasks", "adapters", "train", "leaderboard")
PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return a content folder, one of `CONTENT_FOLDERS`."""
    assert name in CONTENT_FOLDERS, f"no content folder is called {name!r}"
    checkout = PACKAGE.parent / name
    in_checkout = (PACKAGE.parent / "pyproject.toml").is_file()
    return checkout if in_checkout else PACKAGE / "_data" / name


def sample() -> Path:
    """Return the packaged bundle of questions that this project wrote."""
    return PACKAGE / "data" / "sample"
