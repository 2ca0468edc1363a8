"""A whole model on the Hub: scored, certified and verified by its id, and its pickles seen."""

import json
from pathlib import Path

import pytest

from medbench.checkpoint import weight_digests
from medbench.hub.files import cached_folder
from tests.gate_cases import whole
from tests.hub_store import MAIN, File
from tests.publications import Client
from tests.writable_hub import WritableHub

REPO = "me/tiny-whole"
TASKS = ("--tasks", "usmle", "--limit", 2)
SKIPPED = ("--skip", "licence", "overlap", "alive", "stop", "equivalent")
WEIGHTS = f"GET /{REPO}/resolve/"


@pytest.fixture(scope="module")
def folder(hub: WritableHub, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDBENCH_DATA", "sample")
        whole(made, tiny_model)
    hub.publish(REPO, made)
    return made


def test_what_was_scored_by_its_id_is_certified_by_it(
    hub: WritableHub, client: Client, folder: Path, tmp_path: Path
) -> None:
    code, _, err = client("eval", REPO, *TASKS, "--output", tmp_path)
    assert code == 0, err
    (file,) = tmp_path.rglob("medbench_*.json")
    assert json.loads(file.read_text())["weights"] == weight_digests(folder)
    sent = [one for one in hub.requests if one.startswith(WEIGHTS) and "model.safetensors" in one]
    assert len(sent) == 1
    code, out, err = client("certify", REPO, "--results", tmp_path, *SKIPPED)
    assert code == 0 and "results of these weights: 1 of 1" in out, err
    assert "no pickle" in out


@pytest.mark.parametrize("name", ["pytorch_model.bin", "checkpoint-8/optimizer.pt"])
def test_pickles_of_the_hub(
    hub: WritableHub, client: Client, folder: Path, tmp_path: Path, name: str
) -> None:
    """They are never downloaded, and still there for whoever loads the model."""
    there = hub.repositories["models", REPO]
    before = there.files()
    there.put(MAIN, {**before, name: File(b"a pickle", True)}, "more")
    code, out, _ = client("certify", REPO, *SKIPPED)
    assert code == 1 and "FAILED tensors" in out and f"{name} is a pickle" in out
    assert not any(one.endswith(name) for one in hub.requests)
    there.put(MAIN, before, "less")
    code, out, err = client("certify", REPO, *SKIPPED)
    assert code == 0 and "no pickle" in out, err


def test_a_hub_that_does_not_say_what_it_has(
    hub: WritableHub, client: Client, folder: Path
) -> None:
    assert client("certify", REPO, *SKIPPED)[0] == 0
    with Client(hub, client.home, HF_HUB_OFFLINE="1") as offline:
        code, out, err = offline("certify", REPO, *SKIPPED)
    assert code == 1 and "FAILED tensors" in out, err
    told = " ".join(out.split())
    assert f"could not be looked at: the files of {REPO} cannot be listed: HF_HUB_OFFLINE" in told


@pytest.mark.parametrize("name", ["org/never-loaded", "a/b/c", "./nowhere"])
def test_nothing_is_cached(name: str) -> None:
    assert cached_folder(name) is None


def test_a_folder_needs_no_cache(tmp_path: Path) -> None:
    assert cached_folder(str(tmp_path), "any") == tmp_path
