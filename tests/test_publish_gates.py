"""Each gate that asks a model passes a good checkpoint and refuses one made to fail it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig
from safetensors.torch import load_file, save_file

from medbench.checkpoint import read
from medbench.errors import ModelError
from medbench.publish.candidate import Candidate
from medbench.publish.gates import GATES, Finding, alive, equivalent, run_gates, stop
from medbench.publish.gates.equivalent import Report, look_at_4_bits, same
from medbench.publish.gates.forms import Forms, Reading
from medbench.publish.push import Order, as_published
from medbench.publish.remote import Place
from tests.adapted_models import ATTENTION, TIED_WARNING
from tests.gate_cases import adapter, whole
from tests.training_runs import run, write_recipe

pytestmark = pytest.mark.filterwarnings(TIED_WARNING)
WEIGHTS = "adapter_model.safetensors"
LEARNT = [
    "data.mixture=[{benchmark: kormedmcqa, subsets: [doctor], protocol: letters}]",
    "tracking={log_every: 20, save_every: 100, validate_every: 100}",
    "method={name: lora, rank: 8, alpha: 16, target_modules: all-linear}",
    "training={max_steps: 24, learning_rate: 2e-2, schedule: constant, global_batch: 4}",
]


@pytest.fixture(scope="module")
def learnt(wide_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    """An adapter that was really trained, until it knows its four rows by heart."""
    folder = tmp_path_factory.mktemp("learnt")
    run(write_recipe(wide_model, folder), folder / "lora", LEARNT)
    return Candidate(read(folder / "lora"), licence="cc-by-nc-2.0")


def reading(*canaries: float, letters: str = "AAAA") -> Reading:
    return Reading(canaries, dict(enumerate(letters)))


def few(candidate: Candidate) -> Forms:
    """Return forms that are asked a few questions in each language."""
    forms = Forms(candidate)
    forms.questions = forms.questions[::8]
    return forms


def test_a_trained_adapter_passes_every_gate(learnt: Candidate) -> None:
    """Of 4 bits only the cost is looked at: large random weights suffer more than a model's."""
    findings = run_gates(learnt)
    assert [one.gate for one in findings] == list(GATES)
    assert [one.report for one in findings[:-1] if not one.passed or one.is_skipped] == []
    json.dumps([dict(one.facts) for one in findings])
    facts = {one.gate: one.facts for one in findings}
    assert facts["alive"]["largest"] > 0.1
    assert facts["stop"]["share"] == 1
    same = facts["equivalent"]["merged"]
    assert same["passed"] and same["distance"] < 1e-4 and same["letters"] == 1
    assert facts["equivalent"]["4-bit"]["cost"] > 0


def test_what_was_learnt_is_in_the_merged_model(learnt: Candidate) -> None:
    asked = Order(candidate=learnt, place=Place(repo="me/x"), merged=True)
    with as_published(asked) as made, few(made.candidate) as forms:
        assert not made.candidate.checkpoint.is_adapter
        assert alive.check(forms).passed and stop.check(forms).passed
        report = Report(forms)
        equivalent.look_at_merged(report)
    assert report.passed and not made.candidate.checkpoint.path.exists()


def change(candidate: Candidate, folder: Path, values: Any) -> Candidate:
    """Copy an adapter with other tensors."""
    folder.mkdir()
    for file in candidate.checkpoint.path.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    save_file(values(load_file(folder / WEIGHTS)), folder / WEIGHTS)
    return Candidate(read(folder))


def zero_b(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: one * ("lora_B" not in name) for name, one in tensors.items()}


def strange_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.replace("layers", "blocks"): one for name, one in tensors.items()}


@pytest.mark.filterwarnings("ignore:Found missing adapter keys:UserWarning")
@pytest.mark.parametrize("values", [zero_b, strange_names])
def test_dead_adapters(learnt: Candidate, tmp_path: Path, values: Any) -> None:
    with few(change(learnt, tmp_path / "dead", values)) as forms:
        forms.endings = []
        found = alive.check(forms)
    assert not found.passed
    assert found.facts["largest"] < 1e-5
    assert "says what its base says" in found.report


def test_an_adapter_that_never_learnt_to_stop(wide_model: Path, tmp_path: Path) -> None:
    with few(adapter(tmp_path / "random", wide_model)) as forms:
        found = stop.check(forms)
    assert not found.passed
    assert found.facts["share"] < 0.5 and found.facts["answers"] == 18
    assert "It would write on behind its answers" in found.report


def test_a_tokenizer_that_ends_elsewhere(learnt: Candidate) -> None:
    with few(learnt) as forms:
        forms.tokenizer.eos_token = "<|end|>"
        forms.endings = [one._replace(stop=2) for one in forms.endings]
        found = stop.check(forms)
    assert not found.passed and found.facts["share"] == 1
    assert "a server would not stop" in found.report


def test_a_merged_model_that_was_changed(learnt: Candidate) -> None:
    with few(learnt) as forms:
        file = forms.merged.path / "model.safetensors"
        tensors = load_file(file)
        tensors["model.layers.0.mlp.down_proj.weight"].mul_(1.5)
        save_file(tensors, file, {"format": "pt"})
        report = Report(forms)
        equivalent.look_at_merged(report)
    assert not report.passed
    assert "It is not the model that was trained" in report.lines[0]


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers` to:UserWarning")
@pytest.mark.parametrize(
    ("config", "lines"),
    [
        (
            LoraConfig(r=4, target_modules=ATTENTION, use_dora=True),
            ["merged: log-prob", "vLLM: not checked, this adapter is a DoRA adapter, which vLLM"],
        ),
        (
            PrefixTuningConfig(num_virtual_tokens=4),
            [
                "merged: not checked, PREFIX_TUNING puts keys and values in front of the text",
                "vLLM: not checked, this adapter: vLLM runs LoRA adapters, not PREFIX_TUNING",
            ],
        ),
    ],
    ids=["dora", "prefix"],
)
def test_what_servers_cannot_run_is_named(
    wide_model: Path, tmp_path: Path, config: Any, lines: list[str]
) -> None:
    with few(adapter(tmp_path / "adapter", wide_model, config)) as forms:
        report = Report(forms)
        equivalent.look_at_merged(report)
        equivalent.look_at_vllm(report)
    assert report.passed
    assert [line[: len(start)] for line, start in zip(report.lines, lines, strict=True)] == lines


def test_a_whole_model(wide_model: Path, tmp_path: Path) -> None:
    candidate = whole(tmp_path / "whole", wide_model)
    with few(candidate) as forms:
        assert alive.check(forms).passed
        found = equivalent.check(forms)
    assert found.passed
    assert "merged: not checked, a whole model has nothing to merge" in found.report


def test_a_base_in_another_place(wide_model: Path, tmp_path: Path) -> None:
    """The adapter names a base of the Hub; the same lies in a folder."""
    made = adapter(tmp_path / "lora", wide_model)
    file = made.checkpoint.path / "adapter_config.json"
    named = json.loads(file.read_text()) | {"base_model_name_or_path": "org/not-to-be-had"}
    file.write_text(json.dumps(named))
    with few(Candidate(made.checkpoint, base=str(wide_model))) as forms:
        assert alive.check(forms).passed
        assert forms.merged.path.is_dir()
        place = forms.merged.path
    assert not place.exists()
    assert json.loads(file.read_text()) == named


@pytest.mark.parametrize(
    ("other", "passed"),
    [
        (reading(-1.0, -2.0), True),
        (reading(-1.0005, -2.0), True),
        (reading(-1.01, -2.0), False),
        (reading(-1.0, -2.0, letters="AAAB"), False),
        (reading(float("nan"), -2.0), False),
    ],
)
def test_what_is_the_same(learnt: Candidate, other: Reading, passed: bool) -> None:
    forms = Forms(learnt)
    forms.readings["own"] = reading(-1.0, -2.0)
    report = Report(forms)
    same(report, "merged", other)
    assert report.passed == passed


@pytest.mark.parametrize(
    ("base", "own", "passed"),
    [(0.1, 0.2, True), (0.1, 0.3, False), (0.0, 0.04, True), (0.0, float("nan"), False)],
)
def test_what_4_bits_may_cost(learnt: Candidate, base: float, own: float, passed: bool) -> None:
    forms = Forms(learnt)
    forms.readings |= {
        "base": reading(-1.0), "4-bit base": reading(-1.0 - base),
        "own": reading(-2.0), "4-bit": reading(-2.0 + own),
    }  # fmt: skip
    report = Report(forms)
    look_at_4_bits(report)
    assert report.passed == passed
    assert report.facts["4-bit"]["letters"] == 1  # type: ignore[index]


def test_skipped_gates_say_so(learnt: Candidate) -> None:
    heavy = ("alive", "equivalent", "stop", "overlap", "results", "tensors")
    findings = run_gates(learnt, heavy)
    assert findings[0] == Finding(
        "tensors", False, "not looked at: skipped by name", is_skipped=True
    )
    assert [one.gate for one in findings if not one.is_skipped] == ["licence"]


def test_a_gate_that_is_none(learnt: Candidate) -> None:
    with pytest.raises(ModelError, match=r"--skip lively: no such gate; there are tensors, lic"):
        run_gates(learnt, ["lively"])


def test_what_keeps_a_gate_from_looking_is_a_fault(learnt: Candidate, tmp_path: Path) -> None:
    gone = Candidate(learnt.checkpoint, base=str(tmp_path / "nowhere"))
    found = run_gates(gone, set(GATES) - {"alive"})
    (one,) = (one for one in found if not one.is_skipped)
    assert not one.passed
    assert one.report.startswith("could not be looked at: ")


def test_layers_too_narrow_for_4_bits(tiny_model: Path, tmp_path: Path) -> None:
    """bitsandbytes refuses them in the middle of a forward pass."""
    with few(adapter(tmp_path / "narrow", tiny_model)) as forms:
        report = Report(forms)
        look_at_4_bits(report)
    assert report.passed
    assert report.lines[0].startswith("4-bit: not checked, ")
