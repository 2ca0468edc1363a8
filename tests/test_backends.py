"""The three backends agree on SmolLM2: same letters but for ties, log-probs within a tolerance.

Real vLLM on the CPU, real `vllm serve` on loopback; `make test-all` runs this in its own
environment. Everything is float32, so that what differs is the arithmetic's order alone.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed (make test-all installs it)")
pytestmark = pytest.mark.slow

TASKS = "mmedbench_english,mmedbench_french,usmle,pubmedqa-letters,kormedmcqa-direct_doctor"
TOLERANCE = 0.01  # nats, summed over a continuation of up to ten tokens
PORT = 8017

Letters = dict[tuple[str, int], list[float]]


@pytest.fixture(scope="module")
def model() -> str:
    from medbench.engine.smollm2 import smollm2

    return str(smollm2())


@pytest.fixture(scope="module")
def adapter(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A LoRA adapter of rank 32, above lm-eval's default of 16, that really changes scores."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tuned = get_peft_model(base, LoraConfig(r=32, target_modules=["q_proj", "v_proj"]))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    folder = tmp_path_factory.mktemp("adapter")
    tuned.save_pretrained(folder)
    return str(folder)


def environment() -> dict[str, str]:
    return os.environ | {
        "MEDBENCH_DATA": "sample",
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }


def evaluate(model: str, output: Path, *options: str) -> Path:
    """Run `medbench eval` as a user would, and return the folder of its samples."""
    command = [sys.executable, "-m", "medbench", "eval", model, "--tasks", TASKS]
    command += ["--limit", "4", "--chat-template", "off", "--gen-kwargs", "max_gen_toks=24"]
    done = subprocess.run(
        [*command, "--output", str(output), *options],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return next(output.iterdir())


def samples(folder: Path) -> tuple[Letters, dict[tuple[str, int], str]]:
    """Return log-probs of all continuations, and generated texts, by (task, document)."""
    scores: Letters = {}
    texts = {}
    for path in folder.glob("samples_*.jsonl"):
        task = path.name.removeprefix("samples_").rsplit("_", 1)[0]
        for line in path.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            key = (task, sample["doc_id"])
            if task == "kormedmcqa-direct_doctor":
                texts[key] = sample["resps"][0][0]
            else:
                scores[key] = [float(one[0][0]) for one in sample["resps"]]
    return scores, texts


def assert_agree(left: Path, right: Path) -> None:
    """Same log-probs within the tolerance, hence the same letters but for ties; same texts."""
    (scores, texts), (other_scores, other_texts) = samples(left), samples(right)
    assert scores.keys() == other_scores.keys() and len(scores) == 16
    for key, row in scores.items():
        differences = [abs(a - b) for a, b in zip(row, other_scores[key], strict=True)]
        assert max(differences) < TOLERANCE, (key, max(differences))
        first, second = sorted(row, reverse=True)[:2]
        if first - second > 2 * TOLERANCE:
            assert row.index(first) == other_scores[key].index(max(other_scores[key])), key
    # 24 tokens may end within a Hangul syllable: transformers shows U+FFFD, vLLM nothing
    same = [texts[key].rstrip("\ufffd") == other_texts[key].rstrip("\ufffd") for key in texts]
    assert sum(same) >= len(same) - 1, list(zip(texts.values(), other_texts.values(), strict=True))


@pytest.fixture(scope="module")
def hugging_face(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluate(model, tmp_path_factory.mktemp("hf"), "--dtype", "float32")


@pytest.fixture(scope="module")
def hugging_face_tuned(model: str, adapter: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("hf-tuned")
    return evaluate(model, output, "--dtype", "float32", "--adapter", adapter)


@pytest.fixture(scope="module")
def server(model: str, adapter: str) -> Iterator[str]:
    """`vllm serve` with the base model and the adapter on loopback."""
    command = [str(Path(sys.executable).with_name("vllm")), "serve", model]
    command += ["--dtype", "float32", "--enforce-eager", "--port", str(PORT)]
    command += ["--served-model-name", "smollm2", "--max-model-len", "4096"]
    command += ["--enable-lora", "--max-lora-rank", "32", "--lora-modules", f"tuned={adapter}"]
    command += ["--lora-target-modules", "q_proj", "v_proj"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://127.0.0.1:{PORT}/v1/models", process)
            yield f"http://127.0.0.1:{PORT}/v1"
        finally:
            process.terminate()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "vllm serve ended"
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(1)
        else:
            return
    raise AssertionError("vllm serve did not start within five minutes")


def test_vllm_agrees(model: str, hugging_face: Path, tmp_path: Path) -> None:
    folder = evaluate(model, tmp_path, "--backend", "vllm", "--dtype", "float32")
    assert_agree(hugging_face, folder)


def test_vllm_with_an_adapter_agrees(
    model: str, adapter: str, hugging_face: Path, hugging_face_tuned: Path, tmp_path: Path
) -> None:
    options = ("--backend", "vllm", "--dtype", "float32", "--adapter", adapter)
    assert_agree(hugging_face_tuned, evaluate(model, tmp_path, *options))
    base, tuned = samples(hugging_face)[0], samples(hugging_face_tuned)[0]
    moved = [abs(a - b) for key in base for a, b in zip(base[key], tuned[key], strict=True)]
    assert max(moved) > 10 * TOLERANCE, "the adapter changed nothing"


def test_served_models_agree(
    model: str, server: str, hugging_face: Path, hugging_face_tuned: Path, tmp_path: Path
) -> None:
    options = ("--backend", "openai", "--base-url", server, "--tokenizer", model)
    assert_agree(hugging_face, evaluate("smollm2", tmp_path / "base", *options))
    assert_agree(hugging_face_tuned, evaluate("tuned", tmp_path / "tuned", *options))
