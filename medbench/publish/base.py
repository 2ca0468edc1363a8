"""The base model as the Hub knows it: an id and a commit, never a folder of this machine."""

import re
from dataclasses import dataclass

from medbench.checkpoint import Checkpoint
from medbench.errors import PublishError

__all__ = ["HubBase", "check_repo", "hub_base"]

PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
MODEL_ID = re.compile(rf"(?:{PART}/)?{PART}")
REPO_ID = re.compile(rf"{PART}/{PART}")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}")
NEVER = ("--", "..")
"""What the Hub allows in no name."""


@dataclass(frozen=True, slots=True)
class HubBase:
    """A base model on the Hub."""

    id: str
    """owner/name, or a name of the Hub's early days."""
    revision: str
    """The commit where it is known, else the branch or tag."""
    is_certain: bool
    """Training noted the commit; else the id is what the publisher says."""


def hub_base(checkpoint: Checkpoint, named: str | None) -> HubBase:
    """Return the base that a checkpoint is published on.

    Args:
        checkpoint: what is published.
        named: `--base-model`, ID or ID@REVISION; None: as training noted.

    Raises:
        PublishError: training read the base from a folder and nobody names it, or no Hub model can
            have this name.
    """
    known = checkpoint.provenance.base
    if named is None and known.commit is None:
        raise PublishError(
            f"{checkpoint.path} was trained on {known.id}, without a commit of the Hub: name the "
            "model that it is there with --base-model OWNER/NAME@COMMIT"
        )
    if named is None:
        return HubBase(checked(known.id), str(known.commit), True)
    id, at, revision = named.partition("@")
    if at and not (REVISION.fullmatch(revision) and not any(bad in revision for bad in NEVER)):
        raise PublishError(f"--base-model {named}: {revision!r} is no revision")
    if checked(id) == known.id and known.commit and revision in ("", known.commit):
        return HubBase(id, known.commit, True)
    return HubBase(id, revision or "main", False)


def checked(id: str) -> str:
    """Return a model's id; PublishError: the Hub has none like it."""
    if not MODEL_ID.fullmatch(id) or any(bad in id for bad in NEVER):
        raise PublishError(
            f"the base model {id} is no id of the Hub: give --base-model OWNER/NAME@COMMIT"
        )
    return id


def check_repo(repo: str) -> None:
    """Refuse what can't be a repository's name.

    Raises:
        PublishError: says how one looks.
    """
    is_odd = any(bad in repo for bad in NEVER) or repo.endswith(".git")
    if not REPO_ID.fullmatch(repo) or is_odd:
        raise PublishError(f"{repo} is no repository of the Hub: OWNER/NAME, such as me/my-adapter")
