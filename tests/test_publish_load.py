"""What was published scores the same by its id; the card's code runs as it stands."""

import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import run

import pytest

from medbench.engine.smollm2 import smollm2
from tests.hub_server import run as run_code
from tests.publications import BASE, REPO, Client, make_checkpoint
from tests.writable_hub import WritableHub

TASKS = ("--tasks", "usmle,mmedbench_chinese", "--limit", 6, "--strict")


@pytest.fixture(scope="module")
def hub() -> Iterator[WritableHub]:
    with WritableHub() as hub:
        yield hub


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
    commit = hub.repositories["models", BASE].commit_of("main")
    by_id = (BASE, "--revision", commit, "--adapter", REPO, "--tokenizer", REPO)
    with Client(hub, folder / "fresh") as client:
        code, _, err = client("eval", *by_id, *tasks, "--output", folder / "by_id")
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


def test_code_of_the_card(hub: WritableHub, published: Path) -> None:
    program = snippets(hub, "python")[0]
    done = run_code(program, hub.environment(published / "snippet"))
    assert done.returncode == 0, done.stderr
    assert hub.requests.count(f"GET /{REPO}/resolve/main/adapter_config.json") >= 1


def test_lm_eval_line_of_the_card(hub: WritableHub, published: Path) -> None:
    (commands,) = snippets(hub, "sh")
    line = next(
        one for one in commands.replace("\\\n", "").splitlines() if one.startswith("lm_eval ")
    )
    home = published / "lm_eval"
    home.mkdir()
    done = run(
        [sys.executable, "-m", *shlex.split(line), "--limit", "4", "--output_path", str(home)],
        env=hub.environment(home) | {"MEDBENCH_DATA": "sample"},
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (file,) = home.rglob("results_*.json")
    assert set(json.loads(file.read_text())["results"]) == {"usmle", "mmedbench_chinese"}


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("vllm"), reason="vLLM is not installed")
def test_vllm_code_of_the_card(hub: WritableHub, published: Path) -> None:
    program = snippets(hub, "python")[1]
    done = run_code(program, hub.environment(published / "vllm"))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_same_answers_of_a_real_model(tmp_path: Path) -> None:
    tasks = ("--tasks", "usmle", "--limit", 3)
    with WritableHub() as hub:
        publish_scored(hub, smollm2(), tmp_path, *tasks)
        score_again(hub, tmp_path, *tasks)
