"""What was published scores the same by its id; the card's code runs as it stands."""

import gzip
import json
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from subprocess import run

import pytest
from safetensors.torch import load, save

from medbench.engine.smollm2 import smollm2
from tests.hub_server import run as run_code
from tests.hub_store import MAIN
from tests.publications import BASE, REPO, Client, make_checkpoint
from tests.writable_hub import WritableHub

TASKS = ("--tasks", "usmle,mmedbench_chinese", "--limit", 6, "--strict")


def publish_scored(hub: WritableHub, base: Path, folder: Path, *tasks: object) -> None:
    """Make an adapter, score it, and put it on the Hub with its scores."""
    checkpoint = make_checkpoint(base, folder / "lora", hub.publish(BASE, base))
    with Client(hub, folder / "home") as client:
        code, _, err = client("eval", checkpoint, *tasks, "--output", folder / "before")
        assert code == 0, err
        code, _, err = client("push", checkpoint, REPO, "--results", folder / "before")
        assert code == 0, err


def score_again(hub: WritableHub, folder: Path, *tasks: object) -> None:
    """Score what is on the Hub in a fresh cache, by its id and as a pulled folder."""
    with Client(hub, folder / "fresh") as client:
        code, _, err = client("eval", REPO, *tasks, "--output", folder / "by_id")
        assert code == 0, err
        code, _, err = client("pull", REPO, folder / "pulled")
        assert code == 0, err
        code, _, err = client("eval", folder / "pulled", *tasks, "--output", folder / "after")
        assert code == 0, err
    before = answers(folder / "before")
    assert len(before) == 1
    assert answers(folder / "by_id") == answers(folder / "after") == before


@pytest.fixture(scope="module")
def published(hub: WritableHub, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint, which is on the Hub with its scores."""
    folder = tmp_path_factory.mktemp("published")
    publish_scored(hub, tiny_model, folder, *TASKS)
    return folder


def answers(folder: Path) -> set[str]:
    """Return the hashes of the answers of all runs below a folder."""
    files = list(folder.rglob("medbench_*.json"))
    return {json.loads(file.read_text())["answers_sha256"] for file in files}


def snippets(hub: WritableHub, language: str) -> list[str]:
    """Return the card's blocks of code."""
    text = hub.repositories["models", REPO].files()["README.md"].content.decode()
    return re.findall(rf"^```{language}\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


def test_same_answers_from_a_fresh_cache(hub: WritableHub, published: Path) -> None:
    score_again(hub, published, *TASKS)


def replaced(hub: WritableHub, pattern: str, change: Callable[[bytes], bytes]) -> str:
    """Change a published file behind its publisher's back; return the commit before."""
    there = hub.repositories["models", REPO]
    files, before = there.files(), there.commit_of("main")
    (path,) = (path for path in files if fnmatchcase(path, pattern))
    changed = replace(files[path], content=change(files[path].content))
    there.put(MAIN, {**files, path: changed}, "changed")
    return before


def other_answers(samples: bytes) -> bytes:
    """Turn the likelihoods of each question's options round."""
    lines = [json.loads(line) for line in gzip.decompress(samples).splitlines()]
    for line in lines:
        line["filtered_resps"].reverse()
    return gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode())


def other_weights(weights: bytes) -> bytes:
    """Return another adapter of the same shape."""
    return save({name: one * -3 for name, one in load(weights).items()})


def test_a_stranger_verifies_by_download(hub: WritableHub, published: Path) -> None:
    words = ("verify", REPO, "--share", 1, "--seed", 3)
    with Client(hub, published / "stranger") as client:
        code, out, err = client(*words)
        assert code == 0, err
        assert "agrees with what was published" in out and "12 of 12 published questions" in out
        before = replaced(hub, "results/samples_usmle_*", other_answers)
        code, out, err = client(*words)
        assert code == 1 and "of the answers differ from those published; 5.0% may" in err
        assert "usmle 0: published" in out and "agrees" not in out
        hub.repositories["models", REPO].refs[MAIN] = before
        replaced(hub, "adapter_model.safetensors", other_weights)
        code, out, err = client(*words)
        assert code == 1 and "was measured with other weights: adapter_model.safetensors" in err
    hub.repositories["models", REPO].refs[MAIN] = before


def test_code_of_the_card(hub: WritableHub, published: Path) -> None:
    program = snippets(hub, "python")[0]
    done = run_code(program, hub.environment(published / "snippet"))
    assert done.returncode == 0, done.stderr
    assert hub.requests.count(f"GET /{REPO}/resolve/main/adapter_config.json") >= 1


@pytest.mark.parametrize(("program", "option"), [("lm_eval", "_path"), ("medbench eval", "")])
def test_commands_of_the_card(hub: WritableHub, published: Path, program: str, option: str) -> None:
    (commands,) = snippets(hub, "sh")
    lines = commands.replace("\\\n", "").splitlines()
    (line,) = (one for one in lines if one.startswith(f"{program} "))
    home = published / program
    home.mkdir()
    output = (f"--output{option}", str(home / "results"))
    done = run(
        [sys.executable, "-m", *shlex.split(line), "--limit", "4", *output],
        env=hub.environment(home) | {"MEDBENCH_DATA": "sample"},
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (file,) = (home / "results").rglob("results_*.json")
    assert set(json.loads(file.read_text())["results"]) == {"usmle", "mmedbench_chinese"}


@pytest.mark.slow
def test_same_answers_of_a_real_model(tmp_path: Path) -> None:
    tasks = ("--tasks", "usmle", "--limit", 3)
    with WritableHub() as hub:
        publish_scored(hub, smollm2(), tmp_path, *tasks)
        score_again(hub, tmp_path, *tasks)
        with Client(hub, tmp_path / "stranger") as client:
            code, out, err = client("verify", REPO, "--share", 1)
            assert code == 0 and "3 of 3 published questions" in out, err
