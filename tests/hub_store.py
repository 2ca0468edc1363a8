"""What a Hub keeps: repositories with commits, branches, tags and pull requests; LFS objects."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.hub_server import blob_id

LARGE = (".safetensors", ".bin", ".gz", ".parquet", ".png", ".pt")
MAIN = "refs/heads/main"


class Conflict(Exception):
    """The repository, branch, tag or commit stands in the way; the status says how."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class File:
    """One file of a commit."""

    content: bytes
    is_large: bool
    """Kept by LFS, under its SHA-256."""

    @property
    def id(self) -> str:
        """The name by which a client knows the content."""
        return hashlib.sha256(self.content).hexdigest() if self.is_large else blob_id(self.content)

    def entry(self, path: str) -> dict[str, Any]:
        """Describe the file in a listing."""
        size = len(self.content)
        found = {"type": "file", "path": path, "oid": blob_id(self.content), "size": size}
        lfs = {"oid": self.id, "size": size, "pointerSize": 134}
        return found | ({"lfs": lfs} if self.is_large else {})


Tree = Mapping[str, File]


@dataclass
class Repository:
    """A repository; it begins with one empty commit."""

    kind: str
    id: str
    private: bool
    commits: dict[str, Tree] = field(default_factory=dict)
    """By id, oldest first."""
    messages: list[str] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    """Full name → commit."""

    def __post_init__(self) -> None:
        self.put(MAIN, {}, f"new {self.kind} {self.id}")

    def put(self, ref: str, tree: Tree, message: str) -> str:
        """Add a commit and move a ref to it."""
        text = json.dumps([self.id, len(self.commits), sorted((p, f.id) for p, f in tree.items())])
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit], self.refs[ref] = tree, commit
        self.messages.append(message)
        return commit

    def ref(self, name: str) -> str:
        """Return a branch's, tag's or pull request's full name.

        Raises:
            LookupError: there is none.
        """
        for full in (name, f"refs/heads/{name}", f"refs/tags/{name}"):
            if full in self.refs:
                return full
        raise LookupError("RevisionNotFound")

    def commit_of(self, revision: str) -> str:
        """Return the commit of a revision; LookupError: there is none."""
        return revision if revision in self.commits else self.refs[self.ref(revision or "main")]

    def files(self, revision: str = "main") -> Tree:
        """Return a revision's files."""
        return self.commits[self.commit_of(revision)]

    def listing(self, revision: str, below: str, *, recursive: bool) -> list[dict[str, Any]]:
        """List the files and folders below a path."""
        prefix = f"{below}/" if below else ""
        entries: dict[str, dict[str, Any]] = {}
        for path, file in sorted(self.files(revision).items()):
            first, slash, _ = path.removeprefix(prefix).partition("/")
            if path.startswith(prefix) and slash:
                folder = prefix + first
                entries[folder] = {"type": "directory", "path": folder, "oid": "0" * 40, "size": 0}
            if path.startswith(prefix) and (recursive or not slash):
                entries[path] = file.entry(path)
        if below and not entries:
            raise LookupError("EntryNotFound")
        return list(entries.values())

    def about(self, revision: str) -> dict[str, Any]:
        """Describe a revision."""
        siblings = [{"rfilename": path} for path in self.files(revision)]
        found = {"id": self.id, "sha": self.commit_of(revision), "private": self.private}
        return {**found, "modelId": self.id, "tags": [], "siblings": siblings}

    def upload_modes(self, revision: str, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Say how each file is to come, and what the revision has in its place."""
        there = self.files(revision)
        return [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
                "oid": there[one["path"]].id if one["path"] in there else None,
            }
            for one in files
        ]

    def commit(
        self, revision: str, body: bytes, objects: Mapping[str, bytes], *, pull_request: bool
    ) -> tuple[str, str]:
        """Apply a commit's lines, all or none.

        Returns:
            The commit, and the ref that is at it now.

        Raises:
            Conflict: the parent is another one, or an LFS object never came.
        """
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        header = lines[0]["value"]
        ref = self.ref(revision)
        if header.get("parentCommit", self.refs[ref]) != self.refs[ref]:
            raise Conflict(412, "A commit has happened since. Please refresh and try again.")
        tree = dict(self.files(ref))
        for path, file in changes(lines[1:], objects):
            if file is None:
                tree.pop(path)
            else:
                tree[path] = file
        if pull_request:
            ref = f"refs/pr/{1 + sum(name.startswith('refs/pr/') for name in self.refs)}"
        return self.put(ref, tree, header["summary"]), ref


def changes(
    lines: list[dict[str, Any]], objects: Mapping[str, bytes]
) -> Iterator[tuple[str, File | None]]:
    """Yield each path of a commit with its new file; None: it is deleted."""
    for line in lines:
        value = line["value"]
        match line["key"]:
            case "file":
                yield value["path"], File(base64.b64decode(value["content"]), False)
            case "lfsFile":
                if value["oid"] not in objects:
                    raise Conflict(400, f"LFS object {value['oid']} does not exist")
                yield value["path"], File(objects[value["oid"]], True)
            case "deletedFile":
                yield value["path"], None
            case other:
                raise Conflict(400, f"unknown operation {other}")
