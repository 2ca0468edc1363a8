"""Continued pre-training, run: with a kill and without, with one process and two, and measured."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from medbench.checkpoint import read
from medbench.errors import TrainingError
from medbench.pipeline.job import Job
from medbench.pipeline.state import State
from medbench.pipeline.steps import made_of, train_step
from medbench.recipe import Recipe, load, to_yaml
from medbench.training import loop, loss
from medbench.training.corpus.read import read_corpus
from medbench.training.forgetting import NAMES, perplexities, perplexity_line
from medbench.training.model import load_tokenizer
from medbench.training.states import latest, workplace
from medbench.training.tracking import Meter
from tests.pretraining_runs import MEDICAL, sentences, write_lines, write_pretraining
from tests.training_runs import ROOT, TWO, log, losses, medbench, run

CUT = ["tracking.save_every=3"]


class Killed(BaseException):
    """Stands in for a signal: no program catches it."""


@pytest.fixture
def recipe(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe on the tiny model, and its corpus: 4 steps an epoch, 12 in all."""
    monkeypatch.setenv("MEDBENCH_CACHE", str(tmp_path / "cache"))
    return write_pretraining(tiny_model, tmp_path)


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = Meter.on_step_end

    def kill(self: Meter, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        ordinary(self, args, state, control, **kwargs)
        if state.global_step == step:
            raise Killed

    monkeypatch.setattr(Meter, "on_step_end", kill)


@pytest.mark.parametrize("windows", [[], ["corpus.windows=overlapping", "corpus.overlap=12"]])
def test_a_resumed_run_is_the_same_run(
    windows: list[str], recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed inside the second epoch: windows, replay, order and measurements go on."""
    settings = [*CUT, *windows, "training.epochs=2.25"]
    whole = run(recipe, tmp_path / "whole", settings)
    kill_at(8, monkeypatch)
    with pytest.raises(Killed):
        run(recipe, tmp_path / "cut", settings)
    monkeypatch.undo()
    monkeypatch.setenv("MEDBENCH_CACHE", str(tmp_path / "cache"))
    assert latest(workplace(tmp_path / "cut")) == workplace(tmp_path / "cut") / "checkpoint-6"
    resumed = run(recipe, tmp_path / "cut", settings, resume=True)
    for name in ("loss", "eval_loss", "eval_general_loss", "learning_rate", "tokens", "step"):
        assert losses(resumed, name) == losses(whole, name), name
    ours, theirs = (read(tmp_path / one).provenance for one in ("cut", "whole"))
    assert ours.perplexity == theirs.perplexity and ours.tokens == theirs.tokens


def test_two_processes_learn_as_one(recipe: Path, tmp_path: Path) -> None:
    """The second epoch too, and after a resume."""
    words = ["train", str(recipe), *TWO, "--launch", "ddp", "--output", str(tmp_path / "two")]
    done = medbench(*words)
    assert done.returncode == 0, done.stderr
    assert "train/pretrain.py" in done.stdout and "Traceback" not in done.stderr
    single = run(recipe, tmp_path / "one")
    both = log(tmp_path / "two")
    assert len(losses(single)) == 12
    for name in ("loss", "eval_loss", "eval_general_loss"):
        assert losses(both, name) == pytest.approx(losses(single, name), rel=2e-5), name
    assert read(tmp_path / "two").provenance.launch["processes"] == 2


def test_the_optimiser_steps_on_whole_batches(recipe: Path, tmp_path: Path) -> None:
    """The original's hand-written loops step on every part of an accumulated batch."""
    seen = [
        run(recipe, tmp_path / size, [f"training.per_device_batch={size}", "training.epochs=1"])
        for size in ("8", "2")
    ]
    assert losses(seen[0]) == pytest.approx(losses(seen[1]), rel=1e-4)
    assert len(losses(seen[0])) == 4


def test_padding_is_never_learnt(recipe: Path, tmp_path: Path) -> None:
    """Padded or packed, short texts and long ones: the same loss."""
    seen = [
        run(recipe, tmp_path / one, [f"data.packing={one}", "training.epochs=1"])
        for one in ("true", "false")
    ]
    for name in ("loss", "eval_loss"):
        assert losses(seen[0], name) == pytest.approx(losses(seen[1], name), rel=1e-4)


def test_states_are_saved_when_asked(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original's condition holds at almost every step."""
    marked: list[str] = []
    monkeypatch.setattr(loop, "mark_complete", lambda folder, _: marked.append(folder.name))
    run(recipe, tmp_path / "a", ["tracking.save_every=5"])
    assert marked == ["checkpoint-5", "checkpoint-10", "checkpoint-12"]


def test_checkpoint(recipe: Path, tmp_path: Path, capfd: Any) -> None:
    """A plain model's folder; the meter's numbers are what a model's own loss gives."""
    from transformers import AutoModelForCausalLM

    asked = load(recipe)
    run(recipe, tmp_path / "out")
    found = read(tmp_path / "out")
    assert not found.is_adapter and load(found.recipe).corpus == asked.corpus
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert [one.use for one in found.provenance.corpus] == ["sources", "general"]
    assert [one.source for one in found.provenance.corpus] == ["medical.jsonl", "general.jsonl"]
    assert found.provenance.examples == 31 and found.provenance.steps == 12
    measured = found.provenance.perplexity
    corpus = read_corpus(asked, load_tokenizer(asked))
    for when, place in (("before", asked.model.id), ("after", str(tmp_path / "out"))):
        model = AutoModelForCausalLM.from_pretrained(place).eval()
        for name, texts in (("sources", corpus.held_out), ("general", corpus.general)):
            assert texts
            total = count = 0.0
            for one in texts:
                ids = torch.tensor([one.input_ids])
                with torch.no_grad():
                    mean = float(model(input_ids=ids, labels=ids).loss)
                total, count = total + mean * (ids.numel() - 1), count + ids.numel() - 1
            assert measured[name][when] == pytest.approx(math.exp(total / count), rel=2e-3)
    assert measured["sources"]["after"] < measured["sources"]["before"] / 2
    made = made_of(job(asked, recipe, "out"), State(tmp_path / "x.json")).inputs
    assert made.items() <= inputs(asked, recipe).items(), "what is done is not done again"
    told = capfd.readouterr().err
    assert "step 0 · perplexity on held-out text: sources " in told and "step 12 · perp" in told


def job(asked: Recipe, file: Path, name: str = "pretrain") -> Job:
    return Job(name, asked, file, (), file.parent)


def inputs(asked: Recipe, file: Path) -> dict[str, str]:
    """Return what `medbench run` takes a training to depend on."""
    return train_step(job(asked, file)).inputs(State(file.parent / "x.json"))


def test_a_corpus_that_changed_is_trained_on_again(recipe: Path, tmp_path: Path) -> None:
    asked = load(recipe)
    before = inputs(asked, recipe)
    write_lines(tmp_path / "general.jsonl", sentences(MEDICAL, 9, 0))
    after = inputs(asked, recipe)
    assert {key for key in before if before[key] != after[key]} == {"corpus 2 general.jsonl"}
    own = inputs(load(recipe, ["corpus.sources=[{benchmark: pubmedqa}]"]), recipe)
    assert {"rows pubmedqa/labeled train", "corpus 1 pubmedqa train context"} <= set(own)


def test_other_texts_are_not_gone_on_with(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_at(5, monkeypatch)
    with pytest.raises(Killed):
        run(recipe, tmp_path / "a")
    write_lines(tmp_path / "medical.jsonl", sentences(MEDICAL, 31, 0))
    with pytest.raises(TrainingError, match="--resume: the texts of the corpus, or the tokenizer"):
        run(recipe, tmp_path / "a", resume=True)


def test_logits_never_exist_at_once(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a loss on every token of a step, and a vocabulary that is larger than the model."""
    most = 20 * 800
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", most)
    plain = run(recipe, tmp_path / "plain", ["training.epochs=0.5"])
    sizes: list[int] = []
    ordinary = torch.nn.functional.linear

    def linear(rows: torch.Tensor, weight: torch.Tensor, *rest: Any) -> torch.Tensor:
        out = ordinary(rows, weight, *rest)
        if weight.shape[0] > 400 and torch.is_grad_enabled():  # not while packing is tried out
            sizes.append(out.numel())
        return out

    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    seen = run(recipe, tmp_path / "seen", ["training.epochs=0.5"])
    assert len(sizes) > 20 and max(sizes) <= most
    assert losses(seen) == losses(plain)


@pytest.mark.parametrize(("program", "kind"), [("sft", "pretrain"), ("pretrain", "sft")])
def test_a_program_runs_its_kind(program: str, kind: str, recipe: Path, tmp_path: Path) -> None:
    file = recipe if kind == "pretrain" else "demo/smollm2_lora"
    done = subprocess.run(
        [sys.executable, ROOT / f"train/{program}.py", file, "--output", str(tmp_path / "x")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"is of kind {kind}, and this program runs {program}" in done.stderr


def test_show(recipe: Path, capsys: Any) -> None:
    from medbench.cli import main

    main(["train", str(recipe), "--show", "2"])
    out = capsys.readouterr().out
    assert "medical.jsonl, text" in out and "general.jsonl, text" in out
    assert "sources" in out and "replayed" in out


def test_to_yaml(recipe: Path, tmp_path: Path) -> None:
    first = load(recipe)
    (tmp_path / "again.yaml").write_text(to_yaml(first), encoding="utf-8")
    assert load(tmp_path / "again.yaml", ["name=pretrain"]) == first
    assert "mixture" not in to_yaml(first)


def test_perplexities() -> None:
    """Of the kept state, be another one better or not."""
    measured = [(0, 2.0, 1.0), (4, 0.5, 4.0), (6, 0.9, 3.0), (8, 1.0, 2.0)]
    lines = [dict(zip(("step", *NAMES), one, strict=True)) for one in measured]
    lines.insert(1, {"loss": 1.0, "step": 1})
    last, best = (perplexities(lines, kept=one) for one in (None, 6))
    assert last["sources"] == {"before": math.exp(2), "after": math.exp(1)}
    assert best["general"] == {"before": math.exp(1), "after": math.exp(3)}
    assert perplexities([{"loss": 1.0}], kept=None) == {}
    assert perplexities([{"eval_loss": 1.0}], kept=None).keys() == {"sources"}
    assert perplexity_line(lines[0]).endswith("sources 7.389, general 2.718")
    assert json.dumps(last)
