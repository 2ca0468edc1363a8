"""Whole runs in one process: checkpoints, seeds, aggregation, what a message holds, resuming."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

pytest.importorskip("flwr", reason="pip install 'medbench[federated]'")
from flwr.app import Message

from medbench import checkpoint
from medbench.errors import TrainingError
from medbench.federated import server, worker
from medbench.federated.server import serve
from tests.federated_recipe import write_recipe
from tests.federated_runs import Loopback, asked
from tests.training_runs import losses, reload

ALL = "federated.fraction=1"


@pytest.fixture
def recipe(tiny_model: Path, tmp_path: Path) -> Path:
    """Four clients, two rounds of two of them."""
    return write_recipe(tiny_model, tmp_path)


def run(recipe: Path, output: Path, *overrides: str, resume: bool = False) -> Loopback:
    order = asked(recipe, output, *overrides, resume=resume)
    grid = Loopback(order)
    serve(order, grid)
    return grid


def tensors(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = load_file(output / checkpoint.WEIGHTS)
    return found


def told(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "federated.json").read_text())
    return found


def furthest(a: Path, b: Path) -> float:
    """Return the largest difference of two adapters."""
    pairs = zip(tensors(a).values(), tensors(b).values(), strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def test_a_run_leaves_a_checkpoint(recipe: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path / "a", "federated.proximal_mu=0.1", "federated.min_learning_rate=1e-3")
    found = checkpoint.read(tmp_path / "a")
    assert found.is_adapter and found.provenance.steps == 8 and found.provenance.tokens > 1000
    assert not (tmp_path / "a.unfinished").exists()
    assert sorted(one.name for one in (tmp_path / "a").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja",
        "federated.json", "loss_curve.png", "loss_curve.svg", "provenance.json", "recipe.yaml",
        "rounds", "tokenizer.json", "tokenizer_config.json", "trainer_state.json",
    ]  # fmt: skip
    order = asked(tmp_path / "a" / checkpoint.RECIPE, tmp_path)
    assert order.federated.proximal_mu == 0.1
    model = reload(tmp_path / "a", order.recipe)
    loaded = {name: one for name, one in model.state_dict().items() if "lora_B" in name}
    assert loaded and all(one.abs().max() > 0 for one in loaded.values())
    earlier = load_file(tmp_path / "a/rounds/1" / checkpoint.WEIGHTS)
    assert earlier.keys() == tensors(tmp_path / "a").keys()
    log = json.loads((tmp_path / "a" / checkpoint.STATE).read_text())["log_history"]
    rates = [line["learning_rate"] for line in log]
    assert rates == pytest.approx([0.0155, 0.001]) and len(losses(log)) == 2


def test_bytes_are_those_of_the_messages(recipe: Path, tmp_path: Path) -> None:
    grid = run(recipe, tmp_path / "a")
    size = sum(128 + 4 * one.size for one in tensors(tmp_path / "a").values())
    for part in told(tmp_path / "a")["rounds"]:
        traffic = part["traffic"]
        assert traffic["tensors_down"] == traffic["tensors_up"] == 2 * size
        assert traffic["down"] > traffic["tensors_down"] and traffic["messages_up"] == 2
    found = checkpoint.read(tmp_path / "a").provenance.communication
    assert found == pytest.approx(8 * size / 2**20)
    assert len(grid.sent) == 4 + 4, "an introduction of each client, then two rounds of two"


def test_nothing_but_adapters_and_numbers_leaves_a_client(recipe: Path, tmp_path: Path) -> None:
    """Every message is read: names, types, and no text of any row."""
    grid = run(recipe, tmp_path / "a", "method.name=dora")
    names = tensors(tmp_path / "a").keys()
    training = [one for one in grid.received if one.content.array_records]
    assert len(training) == 4
    for message in grid.received:
        assert not message.content.config_records, "no words at all"
        assert all(type(v) in (int, float) for v in message.content["metrics"].values())
    for message in training:
        assert set(message.content) == {"arrays", "metrics"}
        assert message.content["arrays"].keys() == names
        assert set(message.content["metrics"]) == {
            "num-examples", "loss", "tokens", "supervised-tokens", "steps", "distance", "seconds",
        }  # fmt: skip
    for message in grid.sent:
        assert set(message.content) <= {"arrays", "config"}
        for value in message.content.get("config", {}).values():
            assert type(value) in (int, float)


def test_the_seed_tells_all(recipe: Path, tmp_path: Path) -> None:
    for name, overrides in {"a": (), "b": (), "c": ("training.seed=1",)}.items():
        run(recipe, tmp_path / name, *overrides)
    assert furthest(tmp_path / "a", tmp_path / "b") == 0
    assert furthest(tmp_path / "a", tmp_path / "c") > 0
    clients = [[one["clients"] for one in told(tmp_path / name)["rounds"]] for name in "ab"]
    assert clients[0] == clients[1]


def test_aggregations(recipe: Path, tmp_path: Path) -> None:
    """Cut to the rank, the product is nearer to the mean than by factors; with A fast, exact."""
    for how in ("mean", "svd", "fixed_a"):
        run(recipe, tmp_path / how, ALL, "federated.rounds=1", f"federated.aggregation={how}")
    found = {how: told(tmp_path / how)["rounds"][0] for how in ("mean", "svd", "fixed_a")}
    errors = {how: one["aggregation_error"] for how, one in found.items()}
    assert 0.01 < errors["svd"] < errors["mean"] and errors["fixed_a"] < 1e-6
    up = {how: one["traffic"]["tensors_up"] for how, one in found.items()}
    assert up["svd"] == up["mean"] > up["fixed_a"]
    assert found["mean"]["traffic"]["down"] == found["fixed_a"]["traffic"]["down"]


@pytest.mark.parametrize(("dtype", "most", "share"), [("float16", 1e-3, 0.65), ("int8", 0.1, 0.8)])
def test_smaller_messages(
    dtype: str, most: float, share: float, recipe: Path, tmp_path: Path
) -> None:
    run(recipe, tmp_path / "whole", ALL)
    run(recipe, tmp_path / dtype, ALL, f"federated.message={dtype}")
    sent = [told(tmp_path / name)["travelled"]["tensors_mib"] for name in (dtype, "whole")]
    assert sent[0] < share * sent[1]
    assert 0 < furthest(tmp_path / "whole", tmp_path / dtype) < most


def test_secure_aggregation(recipe: Path, tmp_path: Path) -> None:
    """The same adapter to SecAgg+'s precision, and no reply holds a tensor that can be read."""
    run(recipe, tmp_path / "open", ALL)
    grid = run(recipe, tmp_path / "secure", ALL, "federated.secure=true")
    assert furthest(tmp_path / "open", tmp_path / "secure") < 1e-4
    for reply in grid.received:
        assert all(not part for part in reply.content.array_records.values())
    masked = [
        np.load(io.BytesIO(one), allow_pickle=False)
        for reply in grid.received
        for part in reply.content.config_records.values()
        for one in part.get("masked_params", [])
    ]
    assert masked and all(one.std() > 1e8 for one in masked if one.size > 50), "spread over 2**32"
    found = told(tmp_path / "secure")
    assert found["rounds"][0]["aggregation_error"] is None
    assert found["travelled"]["whole_mib"] > told(tmp_path / "open")["travelled"]["whole_mib"]


def test_privacy_bounds_and_blurs(recipe: Path, tmp_path: Path) -> None:
    """Clipped to almost nothing, only noise of the stated size is left; it differs each time."""
    key = "federated.privacy={clipping_norm: 1e-6, noise_multiplier: 1000}"
    grids = [run(recipe, tmp_path / name, ALL, "federated.rounds=1", key) for name in ("a", "b")]
    start = grids[0].sent[-1].content["arrays"]
    moved = np.concatenate(
        [(one - start[name].numpy()).ravel() for name, one in tensors(tmp_path / "a").items()]
    )
    assert moved.std() == pytest.approx(1e-6 * 1000 / 4, rel=0.1)
    assert furthest(tmp_path / "a", tmp_path / "b") > 0, "the seed is no secret"


def test_scores_between_rounds(recipe: Path, tmp_path: Path) -> None:
    """On the project's own tasks; the engine reads the round's adapter from the disk."""
    tasks = "evaluation={tasks: [pubmedqa-letters, usmle-flowertune], limit: 4}"
    every = ("federated.evaluate_every=2", "federated.evaluate_limit=2", "federated.rounds=3")
    run(recipe, tmp_path / "a", tasks, *every)
    found = [one["scores"] for one in told(tmp_path / "a")["rounds"]]
    assert found[0] == {}, "after every second round, and the last"
    for scores in found[1:]:
        assert set(scores) == {"pubmedqa-letters", "usmle-flowertune", "usmle-flowertune original"}
        assert set(scores.values()) <= {0.0, 0.5, 1.0}
    log = json.loads((tmp_path / "a" / checkpoint.STATE).read_text())["log_history"]
    assert log[2]["eval_pubmedqa-letters"] == found[2]["pubmedqa-letters"]


def test_dora_beside_four_bits_and_one_base_a_process(
    wide_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published run's method; four turns load the base once, and the server once."""
    loads = []
    load = worker.build
    monkeypatch.setattr(worker, "build", lambda ready: loads.append(ready) or load(ready))
    recipe = write_recipe(wide_model, tmp_path)
    run(recipe, tmp_path / "a", "method.name=dora", "quantization.load=fp4",
        "training.precision=bfloat16")  # fmt: skip
    assert len(loads) == 2
    names = tensors(tmp_path / "a")
    assert sum("lora_magnitude_vector" in name for name in names) == 4
    assert all(np.abs(one).max() > 0 for name, one in names.items() if "lora_B" in name)


def test_a_killed_server_goes_on(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the last round that was written, to the same adapter, with nothing counted twice."""
    overrides = ("federated.rounds=4", "federated.aggregation=svd", "federated.save_every=2")
    run(recipe, tmp_path / "whole", *overrides)
    written = server.write_state

    def kill(folder: Path, rounds: list[Any], *rest: Any) -> Path:
        if rounds[-1].number == 3:
            raise KeyboardInterrupt
        return written(folder, rounds, *rest)

    monkeypatch.setattr(server, "write_state", kill)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "cut", *overrides)
    monkeypatch.undo()
    assert not (tmp_path / "cut").exists()
    with pytest.raises(TrainingError, match="holds an unfinished run; --resume goes on with it"):
        run(recipe, tmp_path / "cut", *overrides)
    again = run(recipe, tmp_path / "cut", *overrides, resume=True)
    assert [one.content["config"]["server-round"] for one in trained(again)] == [3, 3, 4, 4]
    assert furthest(tmp_path / "whole", tmp_path / "cut") == 0
    both = [told(tmp_path / name)["rounds"] for name in ("whole", "cut")]
    assert [one["loss"] for one in both[0]] == [one["loss"] for one in both[1]]
    assert sorted(one.name for one in (tmp_path / "cut/rounds").iterdir()) == ["2"]


def trained(grid: Loopback) -> list[Message]:
    """Return what clients were sent to train."""
    return [one for one in grid.sent if one.content.array_records]
