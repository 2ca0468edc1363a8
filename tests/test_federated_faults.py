"""Clients that fail, stay silent or send rubbish: the round goes on without them, and says so."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr", reason="pip install 'medbench[federated]'")
from flwr.app import Array, Error, Message, MetricRecord, RecordDict
from flwr.app.message.message import make_message
from safetensors.numpy import load_file

from medbench.checkpoint import WEIGHTS
from medbench.errors import RecipeError, TrainingError
from medbench.federated.asked import Asked
from medbench.federated.server import Base, introduced, serve
from medbench.training.ready import prepare
from tests.federated_recipe import write_recipe
from tests.federated_runs import Loopback, Spoil, asked

ALL = "federated.fraction=1"
FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.fixture
def recipe(tiny_model: Path, tmp_path: Path) -> Path:
    """Four clients, two rounds."""
    return write_recipe(tiny_model, tmp_path)


def fail(reply: Message) -> Message:
    error = Error(code=2, reason="<class 'x.OutOfMemory'>:<'no room'>")
    return make_message(reply.metadata, error=error)


def silent(reply: Message) -> None:
    return None


def not_a_number(reply: Message) -> Message:
    value = reply.content["arrays"][FIRST].numpy().copy()
    value[0, 0] = np.nan
    reply.content["arrays"][FIRST] = Array(value)
    return reply


def wrong_shape(reply: Message) -> Message:
    reply.content["arrays"][FIRST] = Array(np.zeros((3, 5), dtype=np.float32))
    return reply


def one_missing(reply: Message) -> Message:
    del reply.content["arrays"][FIRST]
    return reply


def unreadable(reply: Message) -> Message:
    reply.content["arrays"][FIRST] = Array("float32", (4, 32), "numpy.ndarray", b"rubbish")
    return reply


def endless_loss(reply: Message) -> Message:
    reply.content["metrics"]["loss"] = float("inf")
    return reply


def no_examples(reply: Message) -> Message:
    reply.content["metrics"]["num-examples"] = -5
    return reply


def something_else(reply: Message) -> Message:
    reply.content = RecordDict({"metrics": MetricRecord({"num-examples": 1})})
    return reply


FAULTS: dict[Any, str] = {
    fail: "OutOfMemory: no room",
    silent: "no answer within 60 seconds",
    not_a_number: f"{FIRST} holds NaN or infinity",
    wrong_shape: f"{FIRST} is (3, 5), not (4, 32)",
    one_missing: f"{FIRST} is None, not (4, 32)",
    unreadable: "its tensors cannot be read: ",
    endless_loss: "a number that it tells is none",
    no_examples: "it says that it has -5 examples",
    something_else: "it sent metrics for arrays and metrics",
}


def run(recipe: Path, output: Path, spoil: Spoil | None, *overrides: str) -> dict[str, Any]:
    order = asked(recipe, output, *overrides)
    serve(order, Loopback(order, spoil))
    found: dict[str, Any] = json.loads((output / "federated.json").read_text())
    return found


def test_the_round_goes_on(recipe: Path, tmp_path: Path, capsys: Any) -> None:
    """Each fault in a round of its own, of client 2; the others' mean is what counts."""
    faults = list(FAULTS)

    def spoil(client: int, turn: int, reply: Message) -> Message | None:
        found: Message | None = faults[turn - 1](reply) if client == 2 else reply
        return found

    rounds = f"federated.rounds={len(faults)}"
    found = run(recipe, tmp_path / "a", spoil, ALL, rounds, "training.max_steps=1")
    for part, words in zip(found["rounds"], FAULTS.values(), strict=True):
        assert set(part["learnt"]) == {"0", "1", "3"} and set(part["faults"]) == {"2"}
        assert part["faults"]["2"].startswith(words)
        assert part["loss"] < 100
    assert "client 2: OutOfMemory: no room" in capsys.readouterr().err


@pytest.mark.parametrize("secure", ["false", "true"])
def test_privacy_without_one(secure: str, recipe: Path, tmp_path: Path) -> None:
    """It is named; three clients count alike, whatever their rows, and get the noise of three."""
    privacy = "federated.privacy={clipping_norm: 1e-6, noise_multiplier: 1000}"
    last = 3 if secure == "true" else 1

    def spoil(client: int, turn: int, reply: Message) -> Message | None:
        return fail(reply) if client == 2 and turn == last else reply

    order = asked(recipe, tmp_path / "a", ALL, "federated.rounds=1", privacy,
                  f"federated.secure={secure}")  # fmt: skip
    serve(order, Loopback(order, spoil))
    (part,) = json.loads((tmp_path / "a/federated.json").read_text())["rounds"]
    assert set(part["faults"]) == {"2"}
    assert {one["num-examples"] for one in part["learnt"].values()} == {1}
    assert moved(order).std() == pytest.approx(1e-6 * 1000 / 3, rel=0.1)


def test_privacy_outweighs_no_client(recipe: Path, tmp_path: Path) -> None:
    """One that says that it has many rows moves the mean as far as any other."""

    def spoil(client: int, turn: int, reply: Message) -> Message | None:
        reply.content["metrics"]["num-examples"] = 97 if client == 0 else 1
        sent = grid.sent[-1].content["arrays"]
        for name, one in sent.items():
            reply.content["arrays"][name] = Array(one.numpy() + np.float32(client == 0))
        return reply

    privacy = "federated.privacy={clipping_norm: 1e-6, noise_multiplier: 1e-6}"
    order = asked(recipe, tmp_path / "a", ALL, "federated.rounds=1", privacy)
    grid = Loopback(order, spoil)
    serve(order, grid)
    assert moved(order).mean() == pytest.approx(0.25, rel=1e-5)


def moved(order: Asked) -> Any:
    """Return by how much all weights moved from the start."""
    found = load_file(order.output / WEIGHTS)
    begun = Base(prepare(order.recipe)).tensors
    return np.concatenate([(found[name] - one).ravel() for name, one in begun.items()])


def test_who_failed_reads_the_same_rows_again(recipe: Path, tmp_path: Path) -> None:
    """A turn counts when it arrived."""

    def spoil(client: int, turn: int, reply: Message) -> Message | None:
        return None if client == 0 and turn == 1 else reply

    order = asked(recipe, tmp_path / "a", ALL, "federated.rounds=3")
    grid = Loopback(order, spoil)
    serve(order, grid)
    turns: dict[int, list[int]] = {}
    for one in grid.sent:
        if one.content.array_records:
            turns.setdefault(one.metadata.dst_node_id, []).append(one.content["config"]["turn"])
    assert turns[900] == [0, 0, 1] and turns[899] == [0, 1, 2]


def test_nobody_answers(recipe: Path, tmp_path: Path) -> None:
    """The adapter of a round without clients is not passed off as trained; it can be resumed."""

    def spoil(client: int, turn: int, reply: Message) -> Message | None:
        return reply if turn == 1 else None

    with pytest.raises(TrainingError, match=r"round 2: client 0: no answer .*; client 3: no answ"):
        run(recipe, tmp_path / "a", spoil, ALL)
    assert not (tmp_path / "a").exists()
    order = asked(recipe, tmp_path / "a", ALL, resume=True)
    serve(order, Loopback(order))
    assert (tmp_path / "a").is_dir()


def test_secure_aggregation_without_one(recipe: Path, tmp_path: Path) -> None:
    """It is lost after it has shared its keys; the others' masks are removed all the same."""

    def spoil(client: int, turn: int, reply: Message) -> Message | None:
        return None if client == 2 and turn == 3 else reply  # its masked vectors

    found = run(recipe, tmp_path / "secure", spoil, ALL, "federated.secure=true",
                "federated.rounds=1")  # fmt: skip
    assert set(found["rounds"][0]["learnt"]) == {"0", "1", "3"}

    def gone(client: int, turn: int, reply: Message) -> Message | None:
        return None if client == 2 else reply

    plain = run(recipe, tmp_path / "plain", gone, ALL, "federated.rounds=1")
    assert plain["rounds"][0]["loss"] == pytest.approx(found["rounds"][0]["loss"], rel=1e-6)
    from tests.test_federated_rounds import furthest

    assert furthest(tmp_path / "secure", tmp_path / "plain") < 1e-4


def test_clients_that_are_not_who_they_should_be(recipe: Path, tmp_path: Path) -> None:
    order = asked(recipe, tmp_path / "a")
    grid = Loopback(order)
    for node, client in ((900, 1), (898, 9)):
        grid.contexts[node].node_config["partition-id"] = client
    with pytest.raises(TrainingError) as caught:
        introduced(grid, order)
    text = str(caught.value)
    assert "two nodes say that they are client 1" in text
    assert "client 0 is missing" in text and "client 2 is missing" in text
    assert "this node is {'partition-id': 9, 'num-partitions': 4}; start it with" in text


def test_too_few_clients(recipe: Path, tmp_path: Path) -> None:
    order = asked(recipe, tmp_path / "a", "federated.timeout=0.1")
    grid = Loopback(order)
    del grid.contexts[900]
    with pytest.raises(TrainingError, match=r"3 of 4 clients came in 0\.1 seconds"):
        introduced(grid, order)


def test_no_section(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="federated has no section federated"):
        _ = asked(recipe, tmp_path / "a", "federated=null").recipe
