"""What goes wrong with a Hub: one line, exit 1, nothing published, no token; a rerun finishes."""

import hashlib
import resource
from pathlib import Path

import pytest

from tests.publications import BASE, REPO, Client, make_checkpoint
from tests.writable_hub import READER, TOKEN, Fault, WritableHub

COMMIT = f"POST /api/models/{REPO}/commit/"


@pytest.fixture(scope="module")
def checkpoint(
    hub: WritableHub, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "lora"
    return make_checkpoint(tiny_model, folder, hub.publish(BASE, tiny_model))


@pytest.fixture(autouse=True)
def empty(hub: WritableHub) -> None:
    """Leave nothing on the Hub but the base; nothing is wrong with it."""
    hub.repositories.pop(("models", REPO), None)
    hub.objects.clear()
    hub.uploads.clear()
    hub.faults, hub.token = [], TOKEN


def assert_secret(*texts: str) -> None:
    for text in texts:
        assert TOKEN not in text and READER not in text


@pytest.mark.parametrize(
    ("request_", "answer", "words"),
    [
        ("POST /api/repos/create", 401, "it does not know who asks (401): log in with"),
        ("POST /api/repos/create", 403, "the token may not do this (403)"),
        ("POST /api/repos/create", 503, "the Hub failed (503)"),
        (".*/refs$", 500, "the Hub failed (500)"),
        (".*/tree/", "closed", "the connection broke"),
        (".*/preupload/", 429, "too many requests (429)"),
        (".*/objects/batch", 403, "the token may not do this (403)"),
        (".*/objects/batch", "closed", "the connection broke"),
        ("PUT /lfs/", "cut", "the connection broke"),
        ("PUT /lfs/", 500, "the Hub failed (500)"),
        ("PUT /lfs/", 507, "the Hub's disk is full (507)"),
        (COMMIT, 409, "something else is going on there (409)"),
        (COMMIT, 412, "somebody else has committed meanwhile (412)"),
        (COMMIT, 413, "it is too large for the Hub (413)"),
        (COMMIT, 429, "too many requests (429)"),
        (COMMIT, 504, "the Hub failed (504)"),
        (COMMIT, "cut", "the connection broke"),
        (COMMIT, 418, "it refuses (418): a fault was asked for (<token>"),
    ],
)
def test_a_fault_is_told_and_a_rerun_finishes(
    hub: WritableHub,
    client: Client,
    checkpoint: Path,
    request_: str,
    answer: int | str,
    words: str,
) -> None:
    hub.faults = [Fault(request_, answer)]  # type: ignore[arg-type]
    code, out, err = client("push", checkpoint, REPO)
    last = err.strip().splitlines()[-1]
    assert code == 1 and out == ""
    assert last.startswith(f"medbench: nothing was published to {REPO}: ") and words in last
    assert "Traceback" not in err
    assert_secret(out, err)
    assert hub.commits(REPO) == 0
    hub.faults = []
    code, out, err = client("push", checkpoint, REPO)
    assert (code, hub.commits(REPO)) == (0, 1), err
    assert_secret(out, err)


def test_what_arrived_is_not_sent_again(hub: WritableHub, client: Client, checkpoint: Path) -> None:
    weights = (checkpoint / "adapter_model.safetensors").read_bytes()
    oid = hashlib.sha256(weights).hexdigest()
    hub.faults = [Fault(f"PUT /lfs/{oid}", "cut")]
    assert client("push", checkpoint, REPO)[0] == 1
    first = set(hub.uploads)
    assert first and oid not in first
    hub.faults = []
    hub.uploads.clear()
    assert client("push", checkpoint, REPO)[0] == 0
    assert hub.uploads == [oid]


def test_what_passes_by_itself_is_waited_for(
    hub: WritableHub, client: Client, checkpoint: Path
) -> None:
    hub.faults = [
        Fault("PUT /lfs/", "cut", times=1),
        Fault("PUT /lfs/", 503, times=2),
        Fault(".*/preupload/", 429, times=1),
    ]
    code, _, err = client("push", checkpoint, REPO)
    assert (code, hub.commits(REPO)) == (0, 1), err
    assert_secret(err)


@pytest.mark.parametrize(("token", "status"), [("", 401), ("hf_" + "x" * 34, 401), (READER, 403)])
def test_the_clients_own_token(
    hub: WritableHub, checkpoint: Path, tmp_path: Path, token: str, status: int
) -> None:
    with Client(hub, tmp_path / "home", HF_TOKEN=token) as client:
        code, out, err = client("push", checkpoint, REPO)
    assert code == 1 and f"({status})" in err.splitlines()[-1]
    assert not token or token not in out + err + client.log.read_text()


def test_a_commit_without_its_tag_is_told(
    hub: WritableHub, client: Client, checkpoint: Path
) -> None:
    hub.faults = [Fault(f"POST /api/models/{REPO}/tag/", 500)]
    code, _, err = client("push", checkpoint, REPO, "--tag", "v1")
    assert code == 1 and "but without the tag v1: the Hub failed (500)" in err
    hub.faults = []
    assert client("push", checkpoint, REPO, "--tag", "v1")[0] == 0
    assert hub.commits(REPO) == 1 and "refs/tags/v1" in hub.repositories["models", REPO].refs


def test_a_token_in_a_file_stays_here(hub: WritableHub, client: Client, checkpoint: Path) -> None:
    recipe = checkpoint / "recipe.yaml"
    before = recipe.read_text()
    recipe.write_text(before.replace("name: small", f"name: {TOKEN}", 1))
    try:
        assert TOKEN in recipe.read_text()
        code, out, err = client("push", checkpoint, REPO)
    finally:
        recipe.write_text(before)
    assert code == 1 and "a token of the Hub is inside" in err
    assert_secret(out, err)
    assert ("models", REPO) not in hub.repositories


@pytest.mark.parametrize(
    ("request_", "answer", "words"),
    [
        (".*/revision/", 401, "it does not know who asks (401)"),
        (".*/revision/", "closed", "was not pulled"),
        (".*/resolve/.*safetensors", 500, "was not pulled"),
        (".*/resolve/.*safetensors", "closed", "was not pulled"),
    ],
)
def test_a_pull_comes_whole_or_not_at_all(
    hub: WritableHub,
    checkpoint: Path,
    tmp_path: Path,
    request_: str,
    answer: int | str,
    words: str,
) -> None:
    with Client(hub, tmp_path / "home") as client:
        client("push", checkpoint, REPO)
        hub.faults = [Fault(request_, answer)]  # type: ignore[arg-type]
        code, out, err = client("pull", REPO, tmp_path / "back")
        assert code == 1 and words in err.strip().splitlines()[-1], err
        assert "Traceback" not in err
        assert_secret(out, err)
        assert [path.name for path in tmp_path.iterdir()] == ["home"]
        hub.faults = []
        assert client("pull", REPO, tmp_path / "back")[0] == 0
    assert (tmp_path / "back/adapter_model.safetensors").is_file()


def test_a_full_disk_here(
    hub: WritableHub, client: Client, checkpoint: Path, tmp_path: Path
) -> None:
    client("push", checkpoint, REPO)
    with Client(hub, tmp_path / "home") as full:
        full("pull", "nobody/nothing", tmp_path / "none")  # what the client compiles is compiled
        resource.prlimit(full.process.pid, resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
        code, _, err = full("pull", REPO, tmp_path / "back")
        assert code == 1 and "the disk here is full" in err.strip().splitlines()[-1]
        limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(full.process.pid, resource.RLIMIT_FSIZE, limit)
        assert full("pull", REPO, tmp_path / "back")[0] == 0
