"""On Flower's own engine: simulated, killed and resumed, and across processes over loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flwr", reason="pip install 'medbench[federated]'")
from medbench import paths
from tests.federated_recipe import write_recipe
from tests.federated_runs import Loopback, asked
from tests.test_federated_rounds import furthest, told

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 600

pytestmark = pytest.mark.slow


@pytest.fixture
def recipe(tiny_model: Path, tmp_path: Path) -> Path:
    """Four clients, two rounds of two of them."""
    return write_recipe(tiny_model, tmp_path)


def environment(folder: Path) -> dict[str, str]:
    """Return what keeps Flower from installing anything, and from the user's own settings."""
    own = {"FLWR_HOME": str(folder / "flwr"), "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1"}
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    telemetry = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    return {**os.environ, **own, **telemetry, "PATH": path, "PYTHONPATH": str(ROOT)}


def train(recipe: Path, output: Path, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore", "-m", "medbench", "train", str(recipe)]
    return subprocess.Popen(
        [*command, *words, "--federated", "--output", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(output.parent),
        cwd=ROOT,
        start_new_session=True,
    )


def in_this_process(recipe: Path, output: Path, *overrides: str) -> None:
    from medbench.federated.server import serve

    order = asked(recipe, output, *overrides)
    serve(order, Loopback(order))


def test_simulated_killed_and_resumed(recipe: Path, tmp_path: Path) -> None:
    """The engine's processes give what one process gives; a killed server's rounds are kept."""
    overrides = ("federated.rounds=3", "federated.workers=2", "federated.timeout=300")
    lines = []
    with train(recipe, tmp_path / "cut", *overrides) as cut:
        assert cut.stderr
        for line in cut.stderr:
            lines.append(line)
            if line.startswith("round 1/3 "):
                os.killpg(cut.pid, signal.SIGKILL)
    assert any(line.startswith("round 1/3 ") for line in lines), "".join(lines)
    assert not (tmp_path / "cut").exists()
    assert (tmp_path / "cut.unfinished/checkpoint-1/complete.json").is_file()
    again = train(recipe, tmp_path / "cut", *overrides, "--resume")
    out, err = again.communicate(timeout=PATIENCE_SECONDS)
    assert again.returncode == 0, err
    assert out.splitlines()[-1] == f"checkpoint: {tmp_path / 'cut'}"
    assert "Traceback" not in err and "round 3/3 · clients " in err
    in_this_process(recipe, tmp_path / "one", *overrides)
    assert furthest(tmp_path / "one", tmp_path / "cut") < 1e-6
    both = [told(tmp_path / name)["rounds"] for name in ("one", "cut")]
    assert [one["clients"] for one in both[0]] == [one["clients"] for one in both[1]]
    assert [one["traffic"]["tensors_up"] for one in both[0]] == [
        one["traffic"]["tensors_up"] for one in both[1]
    ]


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, "nobody listens"
        time.sleep(0.5)


@contextmanager
def started(commands: Sequence[Sequence[str]], folder: Path) -> Iterator[None]:
    """Run programs, each with a log of its own; end them and what they started."""
    processes = []
    try:
        for number, words in enumerate(commands):
            with (folder / f"{number}.log").open("w") as log:
                processes.append(
                    subprocess.Popen(
                        [str(BIN / words[0]), *words[1:]],
                        stdout=log,
                        stderr=log,
                        env=environment(folder),
                        cwd=folder,
                        start_new_session=True,
                    )
                )
        yield
    finally:
        for one in processes:
            os.killpg(one.pid, signal.SIGTERM)
        for one in processes:
            try:
                one.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(one.pid, signal.SIGKILL)


def test_two_supernodes(recipe: Path, tmp_path: Path) -> None:
    """`flwr run` on the app of train/federated, with clients in processes of their own."""
    port, *own = free_ports(3)
    overrides = ("federated.clients=2", "federated.fraction=1", "federated.timeout=300")
    node = ["flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{port}"]
    programs: list[list[str]] = [
        ["flower-superlink", "--insecure", "--port", str(port)],
        *(
            [
                *node,
                "--port",
                str(own_port),
                "--node-config",
                f"partition-id={one} num-partitions=2",
            ]
            for one, own_port in enumerate(own)
        ),
    ]
    home = tmp_path / "flwr"
    home.mkdir()
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "loopback"\n[superlink.loopback]\n'
        f'address = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    settings = {"recipe": str(recipe), "overrides": " ".join(overrides),
                "output": str(tmp_path / "two")}  # fmt: skip
    words = " ".join(f"{name}={json.dumps(value)}" for name, value in settings.items())
    app = str(paths.folder("train") / "federated")
    with started(programs, tmp_path):
        wait_for(port)
        asks: dict[str, Any] = {"capture_output": True, "text": True, "cwd": tmp_path}
        done = subprocess.run(
            [str(BIN / "flwr"), "run", app, "loopback", "--run-config", words],
            env=environment(tmp_path), timeout=PATIENCE_SECONDS, **asks,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (tmp_path / "two").exists():
            logs = "\n".join(one.read_text() for one in sorted(tmp_path.glob("*.log")))
            assert time.monotonic() < deadline, logs
            time.sleep(1)
    in_this_process(recipe, tmp_path / "one", *overrides)
    assert furthest(tmp_path / "one", tmp_path / "two") < 1e-6
