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
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed (make test-all installs it)")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),  # vLLM's imports
    pytest.mark.filterwarnings("ignore:Unclosed context:ResourceWarning"),  # vLLM's own sockets
]

TASKS = "mmedbench_english,mmedbench_french,usmle,pubmedqa-letters,kormedmcqa-direct_doctor"
TOLERANCE = 0.01  # nats, summed over a continuation of up to ten tokens
PORT = 8017

Letters = dict[tuple[str, int], list[float]]


@pytest.fixture(scope="module")
def model() -> str:
    from medbench.engine.smollm2 import smollm2

    return str(smollm2())


def make_adapter(model: str, folder: Path, rank: int, modules: list[str]) -> str:
    """Save a LoRA adapter that really changes scores."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(rank)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tuned = get_peft_model(base, LoraConfig(r=rank, target_modules=modules))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    tuned.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def adapter(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of rank 32, above lm-eval's default of 16."""
    folder = tmp_path_factory.mktemp("adapters") / "attention"
    return make_adapter(model, folder, 32, ["q_proj", "v_proj"])


@pytest.fixture(scope="module")
def other_adapter(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of another rank, on other modules."""
    folder = tmp_path_factory.mktemp("adapters") / "mlp"
    return make_adapter(model, folder, 4, ["down_proj", "v_proj"])


def environment() -> dict[str, str]:
    return os.environ | {
        "MEDBENCH_DATA": "sample",
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }


def evaluate(model: str, output: Path, *options: str) -> Path:
    """Run `medbench eval` as a user would, and return the (first) folder of its samples."""
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
    assert "INFO" not in done.stdout, "vLLM's log is among the results"
    return min(output.iterdir())


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


def test_vllm_with_adapters_agrees(
    model: str,
    adapter: str,
    other_adapter: str,
    hugging_face: Path,
    hugging_face_tuned: Path,
    tmp_path: Path,
) -> None:
    """One engine for all; the answers of each are those of runs of its own, on another backend."""
    options = ["--dtype", "float32", "--adapter", other_adapter]
    other = evaluate(model, tmp_path / "hf", *options)
    options += ["--adapter", adapter, "--adapter", "base", "--backend", "vllm"]
    base = evaluate(model, tmp_path / "vllm", *options)
    assert_agree(hugging_face, base)
    assert_agree(hugging_face_tuned, base.with_name(f"{base.name}__attention"))
    assert_agree(other, base.with_name(f"{base.name}__mlp"))
    plain = samples(hugging_face)[0]
    for tuned in (samples(hugging_face_tuned)[0], samples(other)[0]):
        moved = [abs(a - b) for key in plain for a, b in zip(plain[key], tuned[key], strict=True)]
        assert max(moved) > 10 * TOLERANCE, "an adapter changed nothing"


def test_served_models_agree(
    model: str, server: str, hugging_face: Path, hugging_face_tuned: Path, tmp_path: Path
) -> None:
    options = ("--backend", "openai", "--base-url", server, "--tokenizer", model)
    assert_agree(hugging_face, evaluate("smollm2", tmp_path / "base", *options))
    assert_agree(hugging_face_tuned, evaluate("tuned", tmp_path / "tuned", *options))


Requests = list[tuple[None, list[int], list[int]]]
CONTEXT = "Question : quels médicaments abaissent la tension artérielle ? " * 8 + "Réponse :"
OPTIONS = {
    "letters": [" A", " B", " C", " D"],
    "sets": [" A.", " A, C.", " A, C, D.", " B.", " B, C.", " D, E.", " A, B, C, D, E."],
    "texts": [" un bêtabloquant", " un bêtamimétique", " de l'eau et du repos"],
}


@pytest.fixture(scope="module")
def engine(model: str, adapter: str, other_adapter: str) -> Iterator[Any]:
    """A loaded engine that keeps what it was asked and what it answered."""
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
    from medbench.engine.vllm import MedbenchVLLM

    class Recorder(MedbenchVLLM):
        outputs: list[Any]

        def _model_generate(self, **arguments: Any) -> Any:
            self.outputs = super()._model_generate(**arguments)
            return self.outputs

    settings: dict[str, Any] = {"dtype": "float32", "enforce_eager": True, "max_model_len": 512}
    lm = Recorder(model, adapters=[adapter, other_adapter], **settings)
    yield lm
    lm.close()


def encoded(engine: Any, kind: str) -> Requests:
    if kind == "many tokens":  # more than one request of vLLM may ask for
        return [(None, engine.tok_encode(CONTEXT), [token]) for token in range(1000, 1300)]
    return [(None, *engine._encode_pair(CONTEXT, option)) for option in OPTIONS[kind]]


def log_probs(scores: list[tuple[float, bool]]) -> Any:
    return pytest.approx([score for score, _ in scores], abs=1e-3)


@pytest.mark.parametrize("kind", [*OPTIONS, "many tokens"])
def test_trees_score_as_lm_eval_does(engine: Any, kind: str) -> None:
    from lm_eval.models.vllm_causallms import VLLM

    requests = encoded(engine, kind)
    found = engine._loglikelihood_tokens(requests)
    assert all(output.prompt_logprobs is None for output in engine.outputs)
    assert len(engine.outputs) == {"letters": 1, "many tokens": 3}.get(kind, len(engine.outputs))
    wanted = VLLM._loglikelihood_tokens(engine, requests)
    assert [score for score, _ in found] == log_probs(wanted)
    assert [is_greedy for _, is_greedy in found] == [is_greedy for _, is_greedy in wanted]


def test_the_prefix_cache_gives_what_prompts_share(engine: Any) -> None:
    from medbench.engine.next_tokens import cheap_tree, computed_tokens
    from medbench.engine.vllm import CPU_BLOCK

    assert engine.cache_block == CPU_BLOCK
    requests = encoded(engine, "sets")
    length = len(requests[0][1])
    engine.model.reset_prefix_cache()
    engine._loglikelihood_tokens(requests)
    tree = cheap_tree(length, [option for _, _, option in requests], CPU_BLOCK)
    assert tree
    lengths = [length + len(beginning) for beginning in tree]
    computed = sum(lengths) - sum(output.num_cached_tokens for output in engine.outputs)
    assert [len(output.prompt_token_ids) for output in engine.outputs].sort() == lengths.sort()
    assert computed == computed_tokens(lengths, CPU_BLOCK) < sum(lengths) / 4


def test_what_is_too_long_is_cut_and_what_just_fits_is_not(engine: Any) -> None:
    context, option = engine.tok_encode(CONTEXT) * 9, encoded(engine, "sets")[-1][2]
    fits = context[-(engine.max_length - len(option)) :]
    engine._loglikelihood_tokens([(None, fits, option), (None, fits, option[:1])])
    assert max(len(output.prompt_token_ids) for output in engine.outputs) == 511
    assert engine.outputs[0].prompt_logprobs is None
    engine._loglikelihood_tokens([(None, context, option)])
    assert engine.outputs[0].prompt_logprobs is not None


def test_adapters_do_not_read_each_others_cache(
    engine: Any, adapter: str, other_adapter: str
) -> None:
    requests = [request for kind in OPTIONS for request in encoded(engine, kind)]
    found = {}
    for path in (None, adapter, other_adapter):
        engine.use_adapter(path)
        engine.model.reset_prefix_cache()
        found[path] = engine._loglikelihood_tokens(requests)
    assert found[None] != found[adapter] != found[other_adapter] != found[None]
    for path in (other_adapter, None, adapter, None):
        engine.use_adapter(path)
        assert [score for score, _ in engine._loglikelihood_tokens(requests)] == log_probs(
            found[path]
        )
