"""The Hub's side: what is there, what would change, one commit, a folder back.

`huggingface_hub` does the talking, retries and uploads; here its failures become one line each, and
the token, which the client finds in its own store or environment, is kept out of them.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medbench.errors import PublishError
from medbench.hub.refusals import broken, reason
from medbench.publish.content import Content, is_named, size_of

__all__ = ["Change", "Place", "Sent", "compare", "pull", "send"]

NEWEST_PULL_REQUESTS = 10
"""Which are looked through for the same content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where on the Hub, and how."""

    repo: str
    """owner/name."""
    kind: Literal["model", "dataset"] = "model"
    private: bool = False
    """A repository that is made anew is private."""
    branch: str = "main"
    """Made from main where it is missing."""
    pull_request: bool = False
    """Ask for the change in place of making it."""
    tag: str | None = None
    """A name for the commit."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file here against the one there."""

    path: str
    size: int
    """Bytes; of a file that goes, 0."""
    state: Literal["new", "changed", "same", "goes"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a push."""

    commit: str
    """The Hub's commit that holds the content."""
    url: str
    """Where a reader finds it."""
    changes: tuple[Change, ...]
    """By path."""

    @property
    def is_new(self) -> bool:
        """A commit was made; else all was there."""
        return any(one.state != "same" for one in self.changes)


@contextmanager
def told(before: str) -> Iterator[None]:
    """Turn what the client raises into one line that begins with `before`.

    Raises:
        PublishError: what the client raised.
    """
    try:
        yield
    # a failed upload is a RuntimeError; an answer that it can't read, a ValueError or a KeyError
    except (broken(), OSError, RuntimeError, ValueError, KeyError) as error:
        raise PublishError(f"{before}: {reason(error)}") from None


def client() -> Any:
    """Return the Hub's client, which finds endpoint and token by itself."""
    from huggingface_hub import HfApi

    return HfApi(library_name="medbench")


def compare(content: Content, place: Place, outdated: Sequence[str] = ()) -> tuple[Change, ...]:
    """Return what a push would change.

    Raises:
        PublishError: the Hub can't be asked.
    """
    with told(f"{place.repo} cannot be read"):
        found = heads(client(), place)
        ref = found.get(place.branch, found.get("main"))
        return differences(content, listing(client(), place, ref), outdated)


def heads(api: Any, place: Place) -> dict[str, str]:
    """Return the commit of each branch, none without a repository."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        refs = api.list_repo_refs(place.repo, repo_type=place.kind)
    except RepositoryNotFoundError as error:
        if error.response.status_code == 401:  # it may be there: nobody is told without a token
            raise
        return {}
    return {one.name: one.target_commit for one in refs.branches}


def listing(api: Any, place: Place, revision: str | None) -> dict[str, str]:
    """Return the id of each file of a revision: SHA-256 with LFS, else git's."""
    if revision is None:
        return {}
    entries = api.list_repo_tree(
        place.repo, recursive=True, revision=revision, repo_type=place.kind
    )
    files = (one for one in entries if type(one).__name__ == "RepoFile")
    return {one.path: one.lfs.sha256 if one.lfs else one.blob_id for one in files}


def differences(
    content: Content, there: Mapping[str, str], outdated: Sequence[str]
) -> tuple[Change, ...]:
    """Compare files with those of a revision.

    Args:
        content: what is to be there.
        there: path → id.
        outdated: patterns of paths that must not stay if they are not in the content.
    """
    found = []
    for path, file in content.items():
        is_same = path in there and there[path] == file_id(file, is_large=len(there[path]) == 64)
        state = "same" if is_same else "changed" if path in there else "new"
        found.append(Change(path, size_of(file), state))  # type: ignore[arg-type]
    for path in there.keys() - content.keys():
        if is_named(path, outdated):
            found.append(Change(path, 0, "goes"))
    return tuple(sorted(found, key=lambda one: one.path))


def file_id(file: Path | bytes, *, is_large: bool) -> str:
    """Return the Hub's name for a content."""
    from huggingface_hub.utils.sha import git_hash, sha_fileobj

    if not is_large:
        return git_hash(file if isinstance(file, bytes) else file.read_bytes())
    if isinstance(file, bytes):
        from hashlib import sha256

        return sha256(file).hexdigest()
    with file.open("rb") as content:
        return sha_fileobj(content).hex()


def send(content: Content, place: Place, message: str, outdated: Sequence[str] = ()) -> Sent:
    """Publish files in one commit; none where all of them are there.

    Large files that came in an earlier attempt are not sent again: the Hub knows their digests.

    Raises:
        PublishError: why it did not come to a commit; or why the commit has no tag.
    """
    api = client()
    with told(f"nothing was published to {place.repo}"):
        api.create_repo(
            place.repo, repo_type=place.kind, private=place.private or None, exist_ok=True
        )
        check_private(api, place)
        found = heads(api, place)
        if place.branch not in found:
            api.create_branch(place.repo, branch=place.branch, repo_type=place.kind)
            found[place.branch] = found["main"]
        head = found[place.branch]
        changes = differences(content, listing(api, place, head), outdated)
        check_tag(api, place, head if all(one.state == "same" for one in changes) else None)
        sent = known(api, content, place, head, changes, outdated)
        sent = sent or commit(api, content, place, message, head, changes)
    if place.tag:
        with told(f"published as {sent.commit}, but without the tag {place.tag}"):
            api.create_tag(
                place.repo, tag=place.tag, revision=sent.commit, repo_type=place.kind, exist_ok=True
            )
    return sent


def check_private(api: Any, place: Place) -> None:
    """Refuse to publish what is to be private; RuntimeError, which `told` words."""
    if place.private and not api.repo_info(place.repo, repo_type=place.kind).private:
        raise RuntimeError("it is there already, and public; make it private, or drop --private")


def check_tag(api: Any, place: Place, commit: str | None) -> None:
    """Refuse a tag that stands elsewhere already; RuntimeError, which `told` words."""
    tags = api.list_repo_refs(place.repo, repo_type=place.kind).tags if place.tag else []
    for one in tags:
        if one.name == place.tag and one.target_commit != commit:
            raise RuntimeError(
                f"the tag {place.tag} is there, at {one.target_commit}; take another"
            )


def known(
    api: Any,
    content: Content,
    place: Place,
    head: str,
    changes: tuple[Change, ...],
    outdated: Sequence[str],
) -> Sent | None:
    """Return where the content is already: on the branch, or in a pull request."""
    if all(one.state == "same" for one in changes):
        return Sent(head, address(api, place), changes)
    if not place.pull_request:
        return None
    refs = api.list_repo_refs(place.repo, repo_type=place.kind, include_pull_requests=True)
    for one in (refs.pull_requests or [])[-NEWEST_PULL_REQUESTS:]:
        asked = differences(content, listing(api, place, one.ref), outdated)
        if all(change.state == "same" for change in asked):
            return Sent(one.target_commit, f"{address(api, place)}/discussions/{one.name}", asked)
    return None


def commit(
    api: Any, content: Content, place: Place, message: str, head: str, changes: tuple[Change, ...]
) -> Sent:
    """Upload what is new, then make one commit of it."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations: list[Any] = []
    for one in changes:
        if one.state == "goes":
            operations.append(CommitOperationDelete(one.path, is_folder=False))
        elif one.state != "same":
            file = content[one.path]
            source = file if isinstance(file, bytes) else str(file)
            operations.append(CommitOperationAdd(one.path, source))
    made = api.create_commit(
        place.repo,
        operations,
        commit_message=message,
        repo_type=place.kind,
        revision=None if place.branch == "main" else place.branch,
        create_pr=place.pull_request,
        parent_commit=head,  # nobody else's commit is overwritten unseen
    )
    return Sent(made.oid, made.pr_url or address(api, place), changes)


def address(api: Any, place: Place) -> str:
    """Return the page of a repository."""
    return f"{api.endpoint}/{'datasets/' * (place.kind == 'dataset')}{place.repo}"


def pull(repo: str, folder: Path, revision: str | None, kind: Literal["model", "dataset"]) -> str:
    """Download a revision into a folder, whole or not at all; return its commit.

    What came before the client was cut off lies in its cache and is not fetched again.

    Raises:
        PublishError: the folder is in the way, or why nothing came.
    """
    from huggingface_hub import snapshot_download

    if folder.exists():
        raise PublishError(f"{folder} is there already; name another folder, or remove it")
    with told(f"{repo} was not pulled"):
        snapshot = Path(snapshot_download(repo, revision=revision, repo_type=kind))
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(snapshot, partial)  # the cache's links become files
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return snapshot.name
