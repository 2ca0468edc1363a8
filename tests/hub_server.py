"""A Hub on the loopback: serves a folder of dataset repositories to the unmodified client.

    with HubServer(folder) as hub:  # folder/<owner>/<name>/…, which `publish` makes of a bundle
        run("import datasets; …", hub.environment(home))

A repository has one revision, `main`, whose id is the digest of its content. `hub.fault` spoils
what is asked. The client reads its environment once, so it runs in its own process.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from medbench.data import DATASETS

Fault = int | Literal["closed", "cut"]
"""A status for every request; hang up on every request; hang up in the middle of a file."""


def blob_id(content: bytes) -> str:
    """Return git's name for a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Repository:
    """The files of one dataset repository."""

    def __init__(self, folder: Path) -> None:
        files = [path for path in folder.rglob("*") if path.is_file()]
        self.files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}
        ids = [path + blob_id(content) for path, content in self.files.items()]
        self.revision = hashlib.sha1("\n".join(ids).encode()).hexdigest()

    def tree(self, below: str, *, recursive: bool) -> list[dict[str, Any]]:
        """List the files and folders below a path."""
        prefix = f"{below}/" if below else ""
        entries = {}
        for path, content in self.files.items():
            first, _, rest = path.removeprefix(prefix).partition("/")
            if path.startswith(prefix) and (recursive or not rest):
                about = {"type": "file", "oid": blob_id(content), "size": len(content)}
                entries[path] = {"path": path, **about}
            if path.startswith(prefix) and rest:
                folder = prefix + first
                entries[folder] = {"type": "directory", "path": folder, "oid": "0" * 40}
        return list(entries.values())


class Handler(BaseHTTPRequestHandler):
    """One connection. A route's arguments are the query and its pattern's groups."""

    protocol_version = "HTTP/1.1"
    server: "HubServer"

    def log_message(self, *_: object) -> None:
        """Say nothing: `server.requests` has it all."""

    def answer(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        self.server.requests.append(f"{self.command} {path}")
        fault = self.server.current_fault
        if fault == "closed":
            self.close_connection = True
        elif isinstance(fault, int):
            self.send(b"", fault, X_Error_Code="RepoNotFound" if fault < 500 else "")
        else:
            try:
                self.route(path, parse_qs(address.query))
            except LookupError as error:
                self.send(b"", 404, X_Error_Code=str(error))

    do_GET = do_HEAD = answer

    def send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.current_fault == "cut" and "ETag" in headers:
            self.close_connection = True
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def route(self, path: str, query: dict[str, list[str]]) -> None:
        for methods, pattern, method in ROUTES:
            if self.command in methods and (match := re.fullmatch(pattern, path)):
                return method(self, query, **match.groupdict(""))
        raise LookupError("EntryNotFound")

    def repository(self, repo: str, revision: str) -> Repository:
        if not (self.server.folder / repo).is_dir():
            raise LookupError("RepoNotFound")
        repository = Repository(self.server.folder / repo)
        if revision not in ("", "main", repository.revision):
            raise LookupError("RevisionNotFound")
        return repository

    def info(self, _: dict[str, list[str]], repo: str, revision: str) -> None:
        found = self.repository(repo, revision)
        siblings = [{"rfilename": path} for path in found.files]
        about = {"id": repo, "sha": found.revision, "tags": [], "siblings": siblings}
        self.send(json.dumps(about).encode())

    def tree(self, query: dict[str, list[str]], repo: str, revision: str, path: str) -> None:
        recursive = query.get("recursive", [""])[0].lower() == "true"
        entries = self.repository(repo, revision).tree(path, recursive=recursive)
        self.send(json.dumps(entries).encode())

    def file(self, _: dict[str, list[str]], repo: str, revision: str, path: str) -> None:
        found = self.repository(repo, revision)
        if path not in found.files:
            raise LookupError("EntryNotFound")
        content = found.files[path]
        self.send(content, X_Repo_Commit=found.revision, ETag=f'"{blob_id(content)}"')


REPO, REVISION, PATH = r"(?P<repo>[^/]+/[^/]+)", r"(?P<revision>[^/]+)", r"(?P<path>.+)"
ROUTES: list[tuple[tuple[str, ...], str, Callable[..., None]]] = [
    (("GET",), rf"/api/datasets/{REPO}(?:/revision/{REVISION})?", Handler.info),
    (("GET",), rf"/api/datasets/{REPO}/tree/{REVISION}(?:/{PATH})?", Handler.tree),
    (("GET", "HEAD"), rf"/datasets/{REPO}/resolve/{REVISION}/{PATH}", Handler.file),
]


class HubServer(ThreadingHTTPServer):
    """The server, a context manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.fault: Fault | None = None
        self.healthy_requests = 0
        self.requests: list[str] = []

    @property
    def current_fault(self) -> Fault | None:
        """`fault`, once there have been `healthy_requests`."""
        return self.fault if len(self.requests) > self.healthy_requests else None

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of a client that has this Hub and a cache of its own."""
        return clean_environment(home) | {"HF_ENDPOINT": f"http://127.0.0.1:{self.server_port}"}


def clean_environment(home: Path) -> dict[str, str]:
    """Return our environment with an empty cache, without the settings of whoever tests."""
    ours = {name: os.environ[name] for name in os.environ if name[:3] not in ("HF_", "MED")}
    return ours | {"HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_XET": "1"}


def run(code: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a client that does not wait between its attempts, in its (empty) home."""
    home = Path(environment["HF_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", f"import time; time.sleep = lambda _: None\n{code}"]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True)


def publish(bundle: Path, hub: Path) -> None:
    """Make repositories out of a bundle: a zip (MMedBench), or files and a card that names them."""
    for dataset in DATASETS.values():
        source, target = bundle / dataset.repo, hub / dataset.repo
        if target.exists():
            continue
        target.mkdir(parents=True)
        if dataset.archive:
            with zipfile.ZipFile(target / dataset.archive, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in source.rglob("*.jsonl"):
                    archive.write(path, Path("MMedBench", path.relative_to(source)))
            continue
        card = ["---", "configs:"]
        for config in sorted(path for path in source.iterdir() if path.is_dir()):
            shutil.copytree(config, target / config.name)
            card += [f"- config_name: {config.name}", "  data_files:"]
            for path in sorted(config.iterdir()):
                card += [f"  - split: {path.stem}", f"    path: {config.name}/{path.name}"]
        (target / "README.md").write_text("\n".join([*card, "---", ""]))
