"""What vLLM serves is what was trained: the gate's own form, and the card's program.

Real vLLM on the CPU and SmolLM2, in the environment that `make test-all` makes for them.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from peft import LoraConfig

from medbench.engine.smollm2 import smollm2
from medbench.publish.gates import alive, equivalent
from medbench.publish.gates.equivalent import Report
from medbench.publish.gates.forms import Forms
from tests.adapted_models import ATTENTION
from tests.gate_cases import adapter
from tests.publications import BASE, REPO, Client, make_checkpoint
from tests.test_publish_load import snippets
from tests.writable_hub import WritableHub

pytest.importorskip("vllm", reason="vLLM is not installed (make test-all installs it)")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),  # vLLM's imports
    pytest.mark.filterwarnings("ignore:Unclosed context:ResourceWarning"),  # vLLM's own sockets
]
MILD = LoraConfig(r=8, lora_alpha=1, target_modules=ATTENTION)
"""Random weights that move SmolLM2's answers and leave it a language model."""


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forms]:
    """A living adapter, asked a few questions in each language."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDBENCH_DATA", "sample")
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        made = adapter(tmp_path_factory.mktemp("vllm") / "lora", smollm2(), MILD)
        with Forms(made) as forms:
            forms.questions, forms.endings = forms.questions[::12], []
            yield forms


def test_a_served_adapter_is_the_trained_one(forms: Forms) -> None:
    assert alive.check(forms).passed
    report = Report(forms)
    equivalent.look_at_vllm(report)
    assert report.passed, report.lines
    assert report.lines[0].startswith("vLLM: log-probabilities within")


def test_a_server_without_the_adapter_is_refused(forms: Forms) -> None:
    readings = dict(forms.readings)
    base, letters = forms.read("base"), forms.read("own").letters
    forms.readings["vllm"] = replace(base, letters=letters)
    report = Report(forms)
    equivalent.look_at_vllm(report)
    forms.readings = readings
    assert not report.passed
    assert "It is not the model that was trained" in report.lines[0]


def test_code_of_the_card(tmp_path: Path) -> None:
    with WritableHub() as hub:
        made = make_checkpoint(smollm2(), tmp_path / "lora", hub.publish(BASE, smollm2()))
        with Client(hub, tmp_path / "home") as client:
            code, _, err = client("push", made, REPO)
            assert code == 0, err
        program = tmp_path / "card.py"
        program.write_text(snippets(hub, "python")[1], encoding="utf-8")
        environment = hub.environment(tmp_path / "fresh") | {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        done = subprocess.run(
            [sys.executable, str(program)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-4000:]
        weights = re.compile(f"GET /{REPO}/resolve/[0-9a-f]{{40}}/adapter_model.safetensors")
        assert any(map(weights.fullmatch, hub.requests)), hub.requests
