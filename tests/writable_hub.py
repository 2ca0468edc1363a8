"""A Hub on the loopback that takes commits, for the unmodified client.

    with WritableHub() as hub:
        hub.faults = [Fault("PUT /lfs/", "cut")]     # hang up in the middle of each upload
        run("…", hub.environment(home))              # the client has `hub.token` and an empty cache

Whoever has `hub.token` may write; `hub.reader` may only read; nobody else may do anything. What is
refused says the client's own token back, so that a client that prints answers gives it away.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from tests import hub_server
from tests.hub_server import HubServer
from tests.hub_store import MAIN, Conflict, Repository

TOKEN, READER = "hf_SentinelThatNobodyMaySee01234567", "hf_ReaderThatNobodyMaySee0123456789"


@dataclass
class Fault:
    """What goes wrong with some requests."""

    request: str
    """A pattern of method and path, from the start: PUT /lfs/."""
    answer: int | Literal["closed", "cut"]
    """A status; hang up at once; hang up in the middle of the request's body."""
    times: int = 1000
    """How often."""
    message: str = "a fault was asked for"


class Handler(hub_server.Handler):
    """One connection."""

    server: "WritableHub"

    def answer(self) -> None:
        address = urlsplit(self.path)
        path, query = unquote(address.path), parse_qs(address.query)
        fault = self.server.fault_of(f"{self.command} {path}")
        if fault is not None and fault.answer in ("closed", "cut"):
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length // 2 if fault.answer == "cut" else 0)
            self.close_connection = True
            self.connection.close()
            return
        self.body = self.read_body()
        if fault is not None:
            self.refuse(int(fault.answer), fault.message)
            return
        try:
            with self.server.lock:
                self.allow(path)
                self.route(path, query)
        except LookupError as error:
            self.refuse(404, str(error), str(error))
        except PermissionError as error:
            self.refuse(int(str(error)), "you may not")
        except Conflict as error:
            self.refuse(error.status, str(error))

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def refuse(self, status: int, message: str, code: str = "") -> None:
        said = f"{message} ({self.headers.get('Authorization', 'no token')})"
        more = {"Retry_After": "1"} if status == 429 else {}
        if code:
            more["X_Error_Code"] = code
        self.send(json.dumps({"error": said}).encode(), status, X_Error_Message=said, **more)

    def say(self, content: Any, status: int = 200) -> None:
        self.send(json.dumps(content).encode(), status, Content_Type="application/json")

    def allow(self, path: str) -> None:
        """Refuse who is not known, and who may not write; an upload's address is a permission."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if path.startswith(("/lfs/", "/api/validate-yaml")):
            return
        if token not in (self.server.token, self.server.reader):
            raise PermissionError(401)
        if self.command != "GET" and self.command != "HEAD" and token != self.server.token:
            raise PermissionError(403)

    def route(self, path: str, query: dict[str, list[str]]) -> None:
        for method, pattern, function in ROUTES:
            if self.command in method.split() and (match := re.fullmatch(pattern, path)):
                return function(self, query, **match.groupdict(""))
        raise LookupError("EntryNotFound")

    def repository(self, kind: str, repo: str) -> Repository:
        if (kind.removesuffix("/") or "models", repo) not in self.server.repositories:
            raise LookupError("RepoNotFound")
        return self.server.repositories[kind.removesuffix("/") or "models", repo]

    def create(self, _: Any) -> None:
        asked = json.loads(self.body)
        kind = f"{asked.get('type') or 'model'}s"
        repo = f"{asked.get('organization') or 'me'}/{asked['name']}"
        url = f"{self.server.url}/{'' if kind == 'models' else f'{kind}/'}{repo}"
        is_there = (kind, repo) in self.server.repositories
        if not is_there:
            self.server.add(kind, repo, private=asked.get("visibility") == "private")
        self.say({"url": url}, 409 if is_there else 200)

    def validate(self, _: Any) -> None:
        text = json.loads(self.body)["content"]
        fault = [] if text.startswith("---\n") else [{"message": "no metadata"}]
        self.say({"errors": fault, "warnings": []}, 400 if fault else 200)

    def who(self, _: Any) -> None:
        self.say({"type": "user", "name": "me", "orgs": []})

    def info(self, _: Any, kind: str, repo: str, revision: str) -> None:
        self.say(self.repository(kind, repo).about(revision))

    def refs(self, _: Any, kind: str, repo: str) -> None:
        found: dict[str, list[dict[str, str]]] = {"heads": [], "tags": [], "pr": []}
        for ref, commit in self.repository(kind, repo).refs.items():
            _, part, name = ref.split("/", 2)
            found[part].append({"name": name, "ref": ref, "targetCommit": commit})
        heads, tags, pulls = found.values()
        self.say({"branches": heads, "tags": tags, "converts": [], "pullRequests": pulls})

    def listing(self, query: Any, kind: str, repo: str, revision: str, path: str) -> None:
        recursive = query.get("recursive", [""])[0].lower() == "true"
        self.say(self.repository(kind, repo).listing(revision, path, recursive=recursive))

    def preupload(self, _: Any, kind: str, repo: str, revision: str) -> None:
        files = json.loads(self.body)["files"]
        self.say({"files": self.repository(kind, repo).upload_modes(revision, files)})

    def batch(self, _: Any, kind: str, repo: str) -> None:
        self.repository(kind, repo)
        objects = json.loads(self.body)["objects"]
        for one in objects:
            if one["oid"] not in self.server.objects:
                one["actions"] = {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}"}}
        self.say({"transfer": "basic", "objects": objects})

    def upload(self, _: Any, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Conflict(400, "not the content that was announced")
        self.server.objects[oid] = self.body
        self.server.uploads.append(oid)
        self.say({})

    def commit(self, query: Any, kind: str, repo: str, revision: str) -> None:
        asked = "create_pr" in query
        found = self.repository(kind, repo)
        commit, ref = found.commit(revision, self.body, self.server.objects, pull_request=asked)
        url = f"{self.server.url}/{repo}"
        said = {"success": True, "commitOid": commit, "commitUrl": f"{url}/commit/{commit}"}
        self.say(said | ({"pullRequestUrl": f"{url}/discussions/{ref[8:]}"} if asked else {}))

    def branch(self, _: Any, kind: str, repo: str, name: str) -> None:
        self.add_ref(kind, repo, f"refs/heads/{name}", json.loads(self.body).get("startingPoint"))

    def tag(self, _: Any, kind: str, repo: str, revision: str) -> None:
        self.add_ref(kind, repo, f"refs/tags/{json.loads(self.body)['tag']}", revision)

    def add_ref(self, kind: str, repo: str, ref: str, revision: str | None) -> None:
        found = self.repository(kind, repo)
        if ref in found.refs:
            raise Conflict(409, f"{ref} exists already")
        found.refs[ref] = found.commit_of(revision or "main")
        self.say({})

    def file(self, _: Any, kind: str, repo: str, revision: str, path: str) -> None:
        found = self.repository(kind, repo)
        if path not in found.files(revision):
            raise LookupError("EntryNotFound")
        file, size = found.files(revision)[path], len(found.files(revision)[path].content)
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        headers = {"X_Repo_Commit": found.commit_of(revision), "ETag": f'"{file.id}"'}
        if start:
            headers["Content_Range"] = f"bytes {start}-{size - 1}/{size}"
        self.send(file.content[start:], 206 if start else 200, Accept_Ranges="bytes", **headers)


KIND, REPO, REVISION = r"(?P<kind>models|datasets)", r"(?P<repo>[^/]+/[^/]+)", r"(?P<revision>{})"
NAMED = REVISION.format(r"refs/pr/\d+|[^/]+")
API, PATH = f"/api/{KIND}/{REPO}", r"(?P<path>.+)"
ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/validate-yaml", Handler.validate),
    ("GET", "/api/whoami-v2", Handler.who),
    ("GET", rf"{API}(?:/revision/{NAMED})?", Handler.info),
    ("GET", rf"{API}/refs", Handler.refs),
    ("GET", rf"{API}/tree/{NAMED}(?:/{PATH})?", Handler.listing),
    ("POST", rf"{API}/preupload/{NAMED}", Handler.preupload),
    ("POST", rf"{API}/commit/{NAMED}", Handler.commit),
    ("POST", rf"{API}/branch/(?P<name>.+)", Handler.branch),
    ("POST", rf"{API}/tag/{NAMED}", Handler.tag),
    ("POST", rf"/(?P<kind>datasets/)?{REPO}\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", Handler.upload),
    ("GET HEAD", rf"/(?P<kind>datasets/)?{REPO}/resolve/{NAMED}/{PATH}", Handler.file),
]


class WritableHub(HubServer):
    """The server, a context manager."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.RequestHandlerClass = Handler
        self.token, self.reader = TOKEN, READER
        self.lock = threading.Lock()
        self.faults: list[Fault] = []
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.uploads: list[str] = []
        """LFS objects in the order in which they came."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, kind: str, repo: str, *, private: bool = False) -> Repository:
        """Make a repository."""
        self.repositories[kind, repo] = Repository(kind, repo, private)
        return self.repositories[kind, repo]

    def publish(self, repo: str, folder: Path) -> str:
        """Put a folder's files into a new model repository; return the commit."""
        from tests.hub_store import LARGE, File

        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {
            path.relative_to(folder).as_posix(): File(path.read_bytes(), path.suffix in LARGE)
            for path in paths
        }
        return self.add("models", repo).put(MAIN, files, "published")

    def commits(self, repo: str, kind: str = "models") -> int:
        """Count the commits that a repository got after its first, empty one."""
        found = self.repositories.get((kind, repo))
        return len(found.messages) - 1 if found else 0

    def fault_of(self, request: str) -> Fault | None:
        """Return what is to go wrong with a request, once less from then on."""
        self.requests.append(request)
        for fault in self.faults:
            if fault.times and re.match(fault.request, request):
                fault.times -= 1
                return fault
        return None

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of a client with the token that may write."""
        return super().environment(home) | {"HF_TOKEN": self.token}
