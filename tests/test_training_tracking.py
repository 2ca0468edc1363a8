"""What one sees of a training: the meter's lines, the picture of the losses."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from medbench.drawing import Pen
from medbench.errors import MissingExtra, TrainingError
from medbench.recipe import Model, Recipe, Tracking
from medbench.training import tracking
from medbench.training.curve import curve, draw
from medbench.training.tracking import Meter, check_services, clock

LOG: list[dict[str, Any]] = [
    {"step": 1, "loss": 2.5, "learning_rate": 1e-3, "tokens": 1000},
    {"step": 2, "loss": 2.0, "learning_rate": 5e-4, "tokens": 2500},
    {"step": 2, "eval_loss": 2.25, "tokens": 2500},
]


class Terminal(io.StringIO):
    """An output where somebody watches."""

    def isatty(self) -> bool:
        return True


def show(output: io.StringIO, monkeypatch: pytest.MonkeyPatch, *, rank: int = 0) -> str:
    """Run a meter over a log of two steps, one second each."""
    seconds = iter(range(100))
    monkeypatch.setattr(tracking.time, "monotonic", lambda: next(seconds))
    meter = Meter(output)
    state = SimpleNamespace(
        global_step=0, max_steps=4, num_input_tokens_seen=0, is_world_process_zero=rank == 0
    )
    meter.on_train_begin(None, state, None)
    for line in LOG:
        if line["step"] != state.global_step:
            state.global_step = line["step"]
            meter.on_step_end(None, state, None)
        meter.on_log(None, state, None, logs=line)
    meter.on_train_end(None, state, None)
    return output.getvalue()


def test_lines_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert show(io.StringIO(), monkeypatch).splitlines() == [
        "1/4 · loss 2.5000 · lr 1.00e-03 · 1,000 tokens/s · 0:00:03 left",
        "2/4 · loss 2.0000 · lr 5.00e-04 · 1,250 tokens/s · 0:00:02 left",
        "step 2 · held-out loss 2.2500",
    ]


def test_one_line_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = show(Terminal(), monkeypatch)
    assert "2/4" in shown and "loss 2.0000 · lr 5.00e-04" in shown
    assert "step 2 · held-out loss 2.2500\n" in shown
    assert shown.count("\n") == 2  # that one, and the end


def test_the_other_processes_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert show(io.StringIO(), monkeypatch, rank=1) == ""


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_no_number(loss: float) -> None:
    state = SimpleNamespace(global_step=7, is_world_process_zero=False)
    with pytest.raises(TrainingError, match=f"the loss is {loss} at step 7"):
        Meter(io.StringIO()).on_log(None, state, None, logs={"loss": loss})


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0:00:00"), (61, "0:01:01"), (3599.6, "1:00:00"), (1e5, "27:46:40")],
)
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_services(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Recipe(model=Model(id="x"), tracking=Tracking(report_to=("wandb", "tensorboard")))
    monkeypatch.setattr(tracking, "find_spec", lambda name: name == "wandb" or None)
    with pytest.raises(MissingExtra, match=r"tensorboard needs .*'medbench\[tensorboard\]'"):
        check_services(asked)
    monkeypatch.setattr(tracking, "find_spec", lambda name: True)
    check_services(asked)


def test_every_service_has_an_extra() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    assert {"trackio", "wandb", "tensorboard", "train", "deepspeed"} <= set(extras)


def test_picture(tmp_path: Path) -> None:
    svg, png = draw(LOG, "demo/x", tmp_path / "curve")
    assert (svg.name, png.name) == ("curve.svg", "curve.png")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    before = svg.read_bytes()
    draw(LOG, "demo/x", tmp_path / "curve")
    assert svg.read_bytes() == before


def test_what_the_picture_says() -> None:
    pytest.importorskip("matplotlib")
    axes = curve(LOG, "demo/$x_1$", Pen()).axes[0]
    assert axes.get_title(loc="left") == "demo/$x_1$"
    assert axes.get_xlabel() == "optimiser step"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["training 2.000", "held out 2.250"]


def test_no_loss_no_picture(tmp_path: Path) -> None:
    assert draw([{"step": 1, "train_runtime": 2.0}], "x", tmp_path / "curve") == []
    assert list(tmp_path.iterdir()) == []
