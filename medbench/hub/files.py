"""A model or an adapter by its name: a local folder, or a repository of the Hub.

The one place that decides which of the two a name is, for every command that takes one.
"""

from fnmatch import fnmatchcase
from pathlib import Path

from medbench.errors import ModelError
from medbench.hub.refusals import broken, reason

__all__ = ["cached_folder", "file_of", "folder_of", "is_local", "is_pickle", "names_of"]

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.joblib")
"""Files that run code when they are loaded."""


def is_pickle(file: str) -> bool:
    """Tell whether a file's name is that of a pickle."""
    return any(fnmatchcase(file.lower(), one) for one in PICKLES)


def is_local(name: str) -> bool:
    """Tell whether a name is a path: it is there, or looks like one."""
    return name.startswith((".", "/", "~")) or Path(name).exists()


def file_of(name: str, file: str, revision: str | None = None) -> Path | None:
    """Return one file of a folder or a repository; None: it has none, or cannot be asked.

    Args:
        name: a path, or owner/name.
        file: path inside it.
        revision: branch, tag or commit on the Hub; None: main.
    """
    if is_local(name):
        path = Path(name).expanduser() / file
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(hf_hub_download(name, file, revision=revision))
    except (OSError, broken(), HFValidationError):
        return None  # whoever loads the model says what is wrong with the name


def folder_of(name: str, revision: str | None = None) -> Path:
    """Return a local folder, or a repository of the Hub, downloaded without pickles.

    Args:
        name: a path, or owner/name.
        revision: branch, tag or commit on the Hub; None: main.

    Raises:
        ModelError: it is neither.
    """
    if is_local(name):
        path = Path(name).expanduser()
        if not path.is_dir():
            raise ModelError(f"{name} is not a folder")
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, revision=revision, ignore_patterns=list(PICKLES)))
    except (OSError, broken(), HFValidationError) as error:
        raise ModelError(
            f"{name} is no local folder and did not come from the Hub: {reason(error)}"
        ) from error


def cached_folder(name: str, revision: str | None = None) -> Path | None:
    """Return a model's local folder, or what the Hub's cache has of it; None: there is none.

    Nothing is downloaded, so files may be missing in it.

    Args:
        name: a path, or owner/name.
        revision: branch, tag or commit on the Hub; None: main.
    """
    if is_local(name):
        path = Path(name).expanduser()
        return path if path.is_dir() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        file = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(file).parent if isinstance(file, str) else None


def names_of(repo: str, revision: str | None = None) -> tuple[str, ...]:
    """Return the paths of all files of a repository of the Hub, pickles too.

    Args:
        repo: owner/name.
        revision: branch, tag or commit; None: main.

    Raises:
        ModelError: the Hub does not tell.
    """
    from huggingface_hub import list_repo_files
    from huggingface_hub.errors import HFValidationError

    try:
        return tuple(list_repo_files(repo, revision=revision))
    except (OSError, broken(), HFValidationError) as error:
        raise ModelError(f"the files of {repo} cannot be listed: {reason(error)}") from error
