"""The loop: what a step's loss is divided by, what a saved state holds, and going on from one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from medbench.errors import TrainingError
from medbench.recipe import load
from medbench.training import loop, states
from medbench.training.examples import IGNORED, Example
from medbench.training.ready import prepare
from medbench.training.run import Levelled, train
from medbench.training.states import latest, workplace
from medbench.training.tracking import Meter
from tests.training_runs import LORA, held_out_loss, losses, provenance, run, write_recipe


class Killed(BaseException):
    """Stands in for a signal: no program catches it."""


@pytest.fixture
def recipe(tiny_model: Path, tmp_path: Path) -> Path:
    """A recipe on the tiny model."""
    return write_recipe(tiny_model, tmp_path)


@pytest.mark.parametrize("packing", ["true", "false"])
def test_accumulation_changes_nothing(recipe: Path, tmp_path: Path, packing: str) -> None:
    """Eight examples at once, or four times two: texts of different lengths weigh by tokens."""
    seen = [
        run(
            recipe,
            tmp_path / size,
            [f"training.per_device_batch={size}", f"data.packing={packing}"],
        )
        for size in ("8", "2")
    ]
    assert losses(seen[0]) == pytest.approx(losses(seen[1]), rel=1e-4)
    assert losses(seen[0], "eval_loss") == pytest.approx(losses(seen[1], "eval_loss"), rel=1e-4)


def test_packing_changes_nothing(recipe: Path, tmp_path: Path) -> None:
    seen = [run(recipe, tmp_path / one, [f"data.packing={one}"]) for one in ("true", "false")]
    assert losses(seen[0]) == pytest.approx(losses(seen[1]), rel=1e-4)


def test_checkpointing_changes_nothing(recipe: Path, tmp_path: Path) -> None:
    name = "training.gradient_checkpointing"
    seen = [run(recipe, tmp_path / one, [LORA, f"{name}={one}"]) for one in ("true", "false")]
    assert losses(seen[0]) == pytest.approx(losses(seen[1]), rel=1e-5)


@pytest.mark.parametrize(
    "method", [[], [LORA, "tracking.keep_best=true", "tracking.validate_every=1"]]
)
def test_a_resumed_run_is_the_same_run(
    recipe: Path, tmp_path: Path, method: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Order, dropout, optimiser, schedule and counts go on where the last whole state was."""
    whole = run(recipe, tmp_path / "whole", method)
    checkpoint = tmp_path / "cut"
    ordinary = Meter.on_step_end

    def kill(self: Meter, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        ordinary(self, args, state, control, **kwargs)
        if state.global_step == 6:
            raise Killed

    monkeypatch.setattr(Meter, "on_step_end", kill)
    with pytest.raises(Killed):
        run(recipe, checkpoint, method)
    monkeypatch.undo()
    assert latest(workplace(checkpoint)) == workplace(checkpoint) / "checkpoint-4"
    assert not checkpoint.exists()
    with pytest.raises(TrainingError, match="holds an unfinished run; --resume goes on with it"):
        run(recipe, checkpoint, method)
    resumed = run(recipe, checkpoint, method, resume=True)
    for name in ("loss", "eval_loss", "learning_rate", "tokens", "step"):
        assert losses(resumed, name) == losses(whole, name), name
    assert not workplace(checkpoint).exists()
    found = [
        json.loads((tmp_path / one / "provenance.json").read_text()) for one in ("cut", "whole")
    ]
    for name in ("tokens", "supervised_tokens", "steps", "loss"):
        assert found[0][name] == found[1][name]


def test_killed_while_a_state_is_written(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "cut"
    marks = []

    def mark(folder: Path, done: states.Progress) -> None:
        marks.append(folder.name)
        if len(marks) == 2:
            raise Killed
        states.mark_complete(folder, done)

    monkeypatch.setattr(loop, "mark_complete", mark)
    settings = ["tracking.save_every=2", "tracking.validate_every=2"]
    with pytest.raises(Killed):
        run(recipe, checkpoint, settings)
    monkeypatch.undo()
    folder = workplace(checkpoint)
    assert (folder / "checkpoint-4").is_dir()
    assert latest(folder) == folder / "checkpoint-2", "the older one stays until the new is whole"
    resumed = run(recipe, checkpoint, settings, resume=True)
    assert losses(resumed) == losses(run(recipe, tmp_path / "whole", settings))


def test_how_many_states_stay(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        loop,
        "prune",
        lambda folder, *rest: seen.append((states.prune(folder, *rest), *folder.glob("c*"))),
    )
    run(recipe, tmp_path / "a", ["tracking.save_every=2", "tracking.keep=2"])
    assert [len(one) - 1 for one in seen] == [1, 2, 2, 2]


def test_the_best_state_is_kept(recipe: Path, tmp_path: Path) -> None:
    """With a rate that spoils the model, the best state is not the last one."""
    settings = ["training.learning_rate=0.3", "tracking.save_every=1", "tracking.validate_every=1"]
    checkpoint = tmp_path / "best"
    log = run(recipe, checkpoint, [*settings, "tracking.keep_best=true"])
    held = losses(log, "eval_loss")
    assert min(held) < held[-1]
    assert held_out_loss(checkpoint, load(recipe, settings)) == pytest.approx(min(held), rel=1e-4)


def test_only_a_saved_state_is_the_best(recipe: Path, tmp_path: Path) -> None:
    """The lowest loss was measured where nothing was saved; of what was, the best is kept."""
    settings = ["training.learning_rate=0.3", "tracking.save_every=4", "tracking.keep_best=true"]
    checkpoint = tmp_path / "best"
    log = run(recipe, checkpoint, [*settings, "tracking.validate_every=1"])
    held = {line["step"]: line["eval_loss"] for line in log if "eval_loss" in line}
    best = min(held[step] for step in (4, 8))
    assert min(held.values()) < best < held[8]
    assert held_out_loss(checkpoint, load(recipe, settings)) == pytest.approx(best, rel=1e-4)
    assert provenance(checkpoint)["held_out_loss"] == best


def test_every_saved_state_is_measured(recipe: Path, tmp_path: Path) -> None:
    """Shares of five steps: saved every third, measured every second."""
    settings = ["training.max_steps=5", "tracking.save_every=0.5", "tracking.validate_every=0.25"]
    log = run(recipe, tmp_path / "a", [*settings, "tracking.keep_best=true"])
    assert [line["step"] for line in log if "eval_loss" in line] == [2, 3, 4, 5]


@pytest.mark.parametrize("name", ["prefix", "prompt"])
def test_the_best_state_of_virtual_tokens(name: str, recipe: Path, tmp_path: Path) -> None:
    """PEFT's way to load these back is another one."""
    settings = [
        f"method={{name: {name}, virtual_tokens: 4}}",
        "tracking={save_every: 2, validate_every: 2, keep_best: true, log_every: 1}",
    ]
    run(recipe, tmp_path / "best", settings)


def test_a_loss_that_is_no_number_stops(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        loop, "supervised_loss", lambda *_: torch.tensor(torch.nan, requires_grad=True)
    )
    with pytest.raises(TrainingError, match=r"the loss is nan at step 1; a lower training"):
        run(recipe, tmp_path / "nan", [])


def test_the_learnt_stop_token_ends_generation(recipe: Path, tmp_path: Path) -> None:
    """A chat's end of turn, which is not the tokenizer's end of text."""
    run(recipe, tmp_path / "chat", ["data.template=chat"])
    generation = json.loads((tmp_path / "chat" / "generation_config.json").read_text())
    tokenizer = json.loads((tmp_path / "chat" / "tokenizer_config.json").read_text())
    assert tokenizer["eos_token"] == "<|end|>"
    assert generation["eos_token_id"] == [4, 2]
    config = json.loads((tmp_path / "chat" / "config.json").read_text())
    assert config["use_cache"] is True


def test_another_recipe_cannot_be_resumed(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(Meter, "on_train_end", kill)
    with pytest.raises(Killed):
        run(recipe, tmp_path / "a")
    with pytest.raises(TrainingError, match=r"--resume: training of the recipe differ from the"):
        run(recipe, tmp_path / "a", ["training.learning_rate=1e-5"], resume=True)
    with pytest.raises(TrainingError, match=r"--resume: there is no unfinished run in .*b.unfini"):
        run(recipe, tmp_path / "b", resume=True)


def test_nothing_is_overwritten(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(TrainingError, match="taken is there already; name another, or remove it"):
        train(prepare(load(recipe)), tmp_path / "taken", resume=False)


def test_levelled() -> None:
    examples = [Example([1, 2, 3], [IGNORED, 2, 3], str(i)) for i in range(5)]
    level = Levelled(examples, 4)
    assert len(level) == 8 and [level[i].source for i in range(5)] == list("01234")
    assert level[7] == Example([1], [IGNORED], "")
    assert len(Levelled(examples, 5)) == 5
