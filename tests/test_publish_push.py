"""`medbench push` and `pull` against a real Hub: one commit, once; branches, requests and tags."""

import gzip
import json
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from tests.compared_runs import two_runs
from tests.hub_store import MAIN, File
from tests.publications import BASE, REPO, Client, make_checkpoint
from tests.writable_hub import WritableHub


@pytest.fixture
def checkpoint(hub: WritableHub, tiny_model: Path, tmp_path: Path) -> Path:
    """An adapter whose base is on the Hub, where nothing else is."""
    hub.repositories.clear()
    hub.objects.clear()
    hub.uploads.clear()
    return make_checkpoint(tiny_model, tmp_path / "lora", hub.publish(BASE, tiny_model))


def test_there_and_back_once(
    hub: WritableHub, client: Client, checkpoint: Path, tmp_path: Path
) -> None:
    a, b = two_runs(tmp_path / "runs")
    words = ("push", checkpoint, REPO, "--results", b, "--base-results", a)
    code, out, err = client(*words, "--private")
    assert code == 0, err
    there = hub.repositories["models", REPO]
    assert (hub.commits(REPO), there.private) == (1, True)
    assert f"at {there.commit_of('main')}" in out
    code, out, _ = client(*words)
    assert (code, hub.commits(REPO)) == (0, 1) and out.startswith("nothing to publish: ")
    code, out, err = client("pull", REPO, tmp_path / "back")
    assert code == 0, err
    back = {path.relative_to(tmp_path / "back").as_posix(): path.read_bytes()
            for path in (tmp_path / "back").rglob("*") if path.is_file()}  # fmt: skip
    assert back == {path: file.content for path, file in there.files().items()}
    for name in ("adapter_model.safetensors", "tokenizer.json", "chat_template.jinja",
                 "loss_curve.png"):  # fmt: skip
        assert back[name] == (checkpoint / name).read_bytes()
    for name, content in back.items():
        text = gzip.decompress(content) if name.endswith(".gz") else content
        assert str(tmp_path).encode() not in text, name
        assert hub.token.encode() not in text, name
        assert b"Which vitamin is missing in patient" not in text, name
    code, _, err = client("pull", REPO, tmp_path / "back")
    assert code == 1 and "is there already" in err


def test_what_the_hub_reads(client: Client, checkpoint: Path, tmp_path: Path) -> None:
    a, b = two_runs(tmp_path / "runs")
    client("push", checkpoint, REPO, "--results", b, "--base-results", a)
    client("pull", REPO, tmp_path / "back")
    adapter = json.loads((tmp_path / "back/adapter_config.json").read_text())
    commit = json.loads((checkpoint / "provenance.json").read_text())["base"]["commit"]
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == (BASE, commit)
    assert yaml.safe_load((tmp_path / "back/recipe.yaml").read_text())["model"]["id"] == BASE
    card = ModelCard.load(tmp_path / "back/README.md")
    found = card.data.to_dict()
    assert (found["base_model"], found["base_model_revision"]) == (BASE, commit)
    assert (found["library_name"], found["base_model_relation"]) == ("peft", "adapter")
    assert found["license"] == "cc-by-nc-4.0" and found["language"] == ["en", "zh"]
    assert found["datasets"] == ["Henrychur/MMedBench"]
    assert "+25.0 [+13.8, +35.2]" in card.text and "![" in card.text


def test_dry_run_publishes_nothing(
    hub: WritableHub, client: Client, checkpoint: Path, tmp_path: Path
) -> None:
    code, out, err = client("push", checkpoint, REPO, "--dry-run")
    assert code == 0 and "base_model: org/tiny" in out
    assert "\n+    9.2 kB  adapter_model.safetensors\n" in out
    assert ("models", REPO) not in hub.repositories
    assert "no --results: the card has no scores" in err
    client("push", checkpoint, REPO)
    code, out, _ = client("push", checkpoint, REPO, "--dry-run")
    assert "\n=    9.2 kB  adapter_model.safetensors\n" in out
    with Client(hub, tmp_path / "offline", HF_HUB_OFFLINE="1") as offline:
        seen = len(hub.requests)
        code, out, err = offline("push", checkpoint, REPO, "--dry-run")
        assert code == 0 and "+    9.2 kB  adapter_model.safetensors" in out
        assert "HF_HUB_OFFLINE is set" in err and len(hub.requests) == seen


def test_merged_weights_take_the_adapters_place(
    hub: WritableHub, client: Client, tiny_model: Path, checkpoint: Path, tmp_path: Path
) -> None:
    client("push", checkpoint, REPO)
    code, _, err = client("push", checkpoint, REPO, "--merged")
    assert code == 0, err
    files = hub.repositories["models", REPO].files()
    assert {"model.safetensors", "config.json"} <= files.keys()
    assert not {"adapter_config.json", "adapter_model.safetensors"} & files.keys()
    assert hub.commits(REPO) == 2
    text = files["README.md"].content.decode()
    assert "library_name: transformers" in text and "base_model_relation: merge" in text
    assert all(str(tmp_path).encode() not in file.content for file in files.values())
    assert all(str(tiny_model).encode() not in file.content for file in files.values())
    code, _, _ = client("push", checkpoint, REPO, "--merged")
    assert (code, hub.commits(REPO)) == (0, 2), "merging gives the same bytes again"


FOREIGN = ("onnx/model.safetensors", "checkpoint-500/adapter_model.safetensors", "results/notes.md",
           "results/old/curve.json", "docs/config.json", "LICENSE")  # fmt: skip


def test_nothing_of_an_older_model_stays(
    hub: WritableHub, client: Client, checkpoint: Path, tmp_path: Path
) -> None:
    """New weights without scores; files of other people, and of other folders, are left alone."""
    _, b = two_runs(tmp_path / "runs")
    (checkpoint / "added_tokens.json").write_text("{}")
    assert client("push", checkpoint, REPO, "--results", b)[0] == 0
    there = hub.repositories["models", REPO]
    first = there.files()
    name = next(path for path in first if path.startswith("results/results_"))
    more = {path: File(b"{}", False) for path in (*FOREIGN, name.replace("/", "/tiny__lora/"))}
    there.put(MAIN, {**first, "tokenizer.model": File(b"old", False), **more}, "by hand")
    for old in ("added_tokens.json", "chat_template.jinja", "trainer_state.json"):
        (checkpoint / old).unlink()
    file = checkpoint / "adapter_model.safetensors"
    save_file({key: one + 1 for key, one in load_file(file).items()}, file)
    code, out, err = client("push", checkpoint, REPO, "--dry-run")
    going = {line.split()[-1] for line in out.splitlines() if line.startswith("-       0 B")}
    assert {"added_tokens.json", "tokenizer.model", "trainer_state.json", name} <= going, err
    code, _, err = client("push", checkpoint, REPO)
    assert code == 0, err
    files = there.files()
    assert set(FOREIGN) <= files.keys()
    assert going == (first.keys() | {"tokenizer.model", *more}) - files.keys()
    left = {path for path in files if path.startswith((".eval_results/", "results/"))}
    assert left == {"results/notes.md", "results/old/curve.json"}
    assert "No scores were published with it." in files["README.md"].content.decode()


def test_branch_tag_and_pull_request(hub: WritableHub, client: Client, checkpoint: Path) -> None:
    code, _, err = client("push", checkpoint, REPO, "--branch", "dev", "--tag", "v1")
    assert code == 0, err
    there = hub.repositories["models", REPO]
    assert there.refs["refs/tags/v1"] == there.refs["refs/heads/dev"]
    assert not there.files("main")
    assert client("push", checkpoint, REPO, "--branch", "dev", "--tag", "v1")[0] == 0
    (checkpoint / "loss_curve.svg").unlink()
    code, _, err = client("push", checkpoint, REPO, "--branch", "dev", "--tag", "v1")
    assert code == 1 and "the tag v1 is there, at" in err
    assert there.refs["refs/tags/v1"] == there.refs["refs/heads/dev"]
    for _ in range(2):
        code, out, err = client("push", checkpoint, REPO, "--pull-request")
        assert code == 0 and f"{REPO}/discussions/1" in out, err
    assert [ref for ref in there.refs if "pr" in ref] == ["refs/pr/1"]
    assert not there.files("main")


def test_nothing_private_becomes_public(hub: WritableHub, client: Client, checkpoint: Path) -> None:
    hub.add("models", REPO)
    code, _, err = client("push", checkpoint, REPO, "--private")
    assert code == 1 and "it is there already, and public" in err
    assert (hub.commits(REPO), hub.uploads) == (0, [])


def test_a_base_of_this_machine_is_named_or_refused(
    hub: WritableHub, client: Client, tiny_model: Path, checkpoint: Path, tmp_path: Path
) -> None:
    local = make_checkpoint(tiny_model, tmp_path / "local")
    code, _, err = client("push", local, REPO)
    assert code == 1 and "name the model that it is there with --base-model" in err
    for bad in ("/home/me/model", "a/b/c", "org/..", "x@../y", "-x/y", "org/a--b"):
        code, _, err = client("push", local, REPO, f"--base-model={bad}")
        assert code == 1 and err.startswith("medbench: "), bad
    for bad in ("alone", "a/b/c", "a/../b", "a/b.git", "a/b\n", "me/<b>"):
        code, _, err = client("push", checkpoint, bad)
        assert code == 1 and "is no repository of the Hub" in err, bad
    assert client("push", local, REPO, "--base-model", f"{BASE}@abc123")[0] == 0
    files = hub.repositories["models", REPO].files()
    told = json.loads(files["provenance.json"].content)["base"]
    assert (told["id"], told["revision"], told["commit"]) == (BASE, "abc123", None)
    assert "whose commit was not noted" in files["README.md"].content.decode()
    assert all(str(tiny_model).encode() not in file.content for file in files.values())
