"""A name is a folder or a repository; a published adapter is taken by its id like a folder's."""

import json
from pathlib import Path

import pytest

from medbench.checkpoint import ADAPTER, PROVENANCE
from medbench.errors import ModelError
from medbench.hub.files import file_of, folder_of
from tests.hub_store import MAIN, File
from tests.publications import BASE, REPO, Client, make_checkpoint
from tests.writable_hub import WritableHub

QUESTION = ("Which drug lowers the blood pressure?", "--option", "aspirin", "--option", "salt")
TASK = ("--tasks", "usmle", "--limit", 3, "--strict", "--output")


@pytest.fixture(scope="module")
def checkpoint(
    hub: WritableHub, client: Client, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A published adapter whose base has moved on since it was trained."""
    folder = tmp_path_factory.mktemp("made") / "lora"
    made = make_checkpoint(tiny_model, folder, hub.publish(BASE, tiny_model))
    code, _, err = client("push", made, REPO, "--tag", "v1")
    assert code == 0, err
    hub.repositories["models", BASE].put(MAIN, {"config.json": File(b"{}", False)}, "broken")
    return made


def test_an_id_is_scored_as_the_folder_is(client: Client, checkpoint: Path, tmp_path: Path) -> None:
    for name, output in ((checkpoint, "folder"), (REPO, "id"), (REPO, "tag")):
        revision = ("--revision", "v1") if output == "tag" else ()
        code, _, err = client("eval", name, *revision, *TASK, tmp_path / output)
        assert code == 0, err
    runs = {file.relative_to(tmp_path).parts[0]: file for file in tmp_path.rglob("results_*.json")}
    facts = {name: json.loads(next(file.parent.glob("medbench_*")).read_text())
             for name, file in runs.items()}  # fmt: skip
    assert len({one["answers_sha256"] for one in facts.values()}) == 1
    assert runs["id"].parent.name == "tiny__tiny-lora"
    asked = json.loads(runs["id"].read_text())["config"]["model_args"]
    trained = json.loads((checkpoint / PROVENANCE).read_text())["base"]
    assert (asked["pretrained"], asked["revision"]) == (BASE, trained["commit"])


def test_other_commands_take_an_id(client: Client, checkpoint: Path, tmp_path: Path) -> None:
    code, out, err = client("ask", REPO, *QUESTION)
    assert code == 0 and out == client("ask", checkpoint, *QUESTION)[1], err
    code, out, err = client("merge", REPO)
    assert code == 0 and out.startswith("merged: tiny-lora-merged "), err
    skipped = ("licence", "overlap", "alive", "stop", "equivalent")
    code, out, err = client("certify", REPO, "--revision", "v1", "--skip", *skipped)
    assert code == 0 and "passed tensors" in out, err


def test_a_whole_model_is_no_adapter(client: Client, checkpoint: Path, tmp_path: Path) -> None:
    code, _, err = client("eval", BASE, *TASK, tmp_path)
    assert code == 1 and f"no tokenizer for '{BASE}'" in err  # its newest commit is broken
    code, _, err = client("eval", "me/never-published", *TASK, tmp_path)
    assert code == 1 and "no tokenizer for 'me/never-published'" in err


def test_folders(tmp_path: Path) -> None:
    (tmp_path / ADAPTER).write_text("{}")
    assert folder_of(str(tmp_path)) == tmp_path
    assert file_of(str(tmp_path), ADAPTER) == tmp_path / ADAPTER
    assert file_of(str(tmp_path), "config.json") is None
    with pytest.raises(ModelError, match="is not a folder"):
        folder_of(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["org/never-published", "a/b/c", "a b"])
def test_names_of_nothing(name: str) -> None:
    assert file_of(name, ADAPTER) is None
    with pytest.raises(ModelError, match="did not come from the Hub") as error:
        folder_of(name)
    assert "\n" not in str(error.value)
