"""Settings that go together, and those that do not; the engine, strict answers, folders."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medbench.cli import main
from medbench.engine import backends
from medbench.engine.generation import tell_cut
from medbench.engine.run import Backend, Run, check
from medbench.errors import ModelError

SERVED = {"backend": "openai", "base_url": "http://x/v1", "tokenizer": "m"}

FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"strict": True, "backend": "vllm"}, ["--strict: only with --backend hf, not vllm"]),
    (
        {"strict": True, "batch_tokens": 9, **SERVED},
        ["--strict and --batch-tokens: only with --backend hf, not openai"],
    ),
    ({"batch_tokens": 0}, ["--batch-tokens 0 must be at least 1"]),
    ({"engine": "stock", **SERVED}, ["--engine stock: only with --backend hf or vllm"]),
    (
        {"engine": "stock", "strict": True, "quantization": "nf4", "adapters": ("a", "base")},
        ["--engine stock cannot do --strict, --quantization, more than one --adapter"],
    ),
    (
        {"engine": "stock", "backend": "vllm", "quantization": "nf4"},
        ["--quantization nf4 works with --backend hf"],
    ),
    ({"adapters": ("a", "b", "a", "base")}, ["--adapter a: given more than once"]),
    (
        {"backend": "vllm", "device": "cuda:1", "batch_size": "8"},
        [
            "--device cuda:1: vLLM runs on the device that it is built for; CUDA_VISIBLE_DEVICES=1",
            "--batch-size 8: vLLM fills its batches by itself; leave it out",
        ],
    ),
    (
        {"device": "cpu", "dtype": "float32", **SERVED},
        [f"--{name}: with --backend openai the server chooses" for name in ("device", "dtype")],
    ),
    (
        {"gen_kwargs": "max_new_tokens=64, max_tokens=9", "backend": "vllm"},
        [
            "--gen-kwargs max_new_tokens=64: the tasks' own max_gen_toks comes before it; "
            "say max_gen_toks=64",
            "say max_gen_toks=9",
        ],
    ),
    ({"gen_kwargs": "max_tokens=9", **SERVED}, ["say max_gen_toks=9"]),
    (
        {"gen_kwargs": "temperature=0.7,top_p=0.9,do_sample=False"},
        [
            "--gen-kwargs temperature=0.7,top_p=0.9: the tasks take the likeliest token, so this "
            "does nothing; add do_sample=True"
        ],
    ),
    ({"gen_kwargs": "max_gen_toks=9,greedy"}, ["must look like a=1,b=2"]),
    (
        {"adapters": ("a", "a"), "limit": 0, "batch_size": "many", "engine": "stock", **SERVED},
        [
            "--adapter: with --backend openai the server chooses",
            "--engine stock: only with",
            "--adapter a: given more than once",
            "--limit 0 must",
            "--batch-size many must",
        ],
    ),
]

SOUND: list[dict[str, Any]] = [
    {},
    {"strict": True, "batch_tokens": 512, "quantization": "nf4", "adapters": ("a", "b", "base")},
    {"engine": "stock", "adapters": ("a",)},
    {"engine": "stock", "backend": "vllm", "adapters": ("a",)},
    {"backend": "vllm", "adapters": ("a", "b")},
    {"backend": "vllm", "dtype": "float16", "trust_remote_code": True},
    {"gen_kwargs": "temperature=0.7,do_sample=True,max_gen_toks=64"},
    {"gen_kwargs": "do_sample=False,temperature=0.0,repetition_penalty=1.0"},
    SERVED,
    {"batch_size": "4", "trust_remote_code": True, "gen_kwargs": "temperature=0.7", **SERVED},
]


@pytest.mark.parametrize(("settings", "parts"), FAULTS, ids=lambda part: str(part)[:60])
def test_faults_are_told_at_once(settings: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        check(Run("m", ("usmle",), **settings))
    told = str(caught.value)
    assert all(part in told for part in parts)
    assert len(told.splitlines()) == len(parts)


@pytest.mark.parametrize("settings", SOUND, ids=str)
def test_what_goes_together(settings: dict[str, Any]) -> None:
    check(Run("m", ("usmle",), **settings))


@pytest.mark.parametrize(
    ("backend", "settings", "unknown"),
    [
        ("hf", "do_sample=True,temperature=0.7,until=x,max_gen_toks=4", ""),
        ("hf", "no_repeat_ngram_size=2,temperatur=1", "temperatur: unknown; transformers'"),
        ("vllm", "do_sample=True,temperature=0.7,until=x,max_gen_toks=4", ""),
        ("vllm", "temperatur=1,num_beams=2", "temperatur, num_beams: unknown; vLLM's Sampl"),
        ("vllm", "stop=x", "stop: unknown; vLLM's SamplingParams .* besides until"),
    ],
)
def test_names_of_generation_settings(
    monkeypatch: pytest.MonkeyPatch, backend: Backend, settings: str, unknown: str
) -> None:
    class SamplingParams:
        def __init__(self, temperature: float = 1, max_tokens: int = 16, stop: str = "") -> None:
            """Take what vLLM's takes, in part."""

    if backend == "vllm":
        monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=SamplingParams))
        monkeypatch.setattr(backends, "model_class", str)
    run = Run("m", ("usmle",), backend=backend, gen_kwargs=settings, device="cpu")
    if not unknown:
        assert backends.model_arguments(run, None)["pretrained"] == "m"
        return
    with pytest.raises(ModelError, match=unknown):
        backends.model_arguments(run, None)


def test_what_a_served_model_is_asked_with(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {"data": [{"id": "m", "max_model_len": 512}]}
    answer = SimpleNamespace(raise_for_status=lambda: None, json=lambda: listed)
    monkeypatch.setattr("requests.get", lambda *_, **__: answer)
    run = Run("m", ("usmle",), **SERVED, trust_remote_code=True, batch_size="4")
    arguments = backends.model_arguments(run, None)
    assert (arguments["max_length"], arguments["trust_remote_code"]) == (512, True)
    assert backends.settings(run) == {"batch_size": "4", "device": None}
    assert backends.settings(Run("m", (), **SERVED))["batch_size"] == "8"


@pytest.mark.parametrize(
    ("adapters", "variants"),
    [
        ((), (None,)),
        (("base",), (None,)),
        (("a",), ("a",)),
        (("b", "a", "base"), (None, "b", "a")),
        (("./base",), ("./base",)),
    ],
)
def test_the_base_goes_first(adapters: tuple[str, ...], variants: tuple[str | None, ...]) -> None:
    assert Run("m", ("usmle",), adapters=adapters).variants == variants


def test_display_names() -> None:
    run = Run("some/model/", ("usmle",), quantization="nf4")
    assert run.display_name(None) == "model__nf4"
    assert run.display_name("org/my adapter") == "model__my_adapter__nf4"


def evaluate(capsys: Any, model: Path, output: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """Run `medbench eval`; return the end of its output and lm-eval's results."""
    line = ["eval", str(model), "--tasks", "usmle,kormedmcqa-direct_doctor", "--limit", "3"]
    line += ["--device", "cpu", "--gen-kwargs", "max_gen_toks=8", "--output", str(output)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["medbench", *line, *options])
        main()
    (path,) = output.glob("*/results_*.json")
    end = capsys.readouterr().out.split("results: ")[1]
    return end, json.loads(path.read_text("utf-8"))


def test_lm_evals_own_class(capsys: Any, tiny_model: Path, tmp_path: Path) -> None:
    end, results = evaluate(capsys, tiny_model, tmp_path, "--engine", "stock")
    assert results["config"]["model"] == results["model_source"] == "hf"
    assert results["config"]["model_args"]["pretrained"] == str(tiny_model)
    assert end.endswith(".json\n")
    (facts,) = tmp_path.glob("*/medbench_*.json")
    assert json.loads(facts.read_text("utf-8"))["engine"] == "stock"


def test_prompts_that_do_not_fit_are_told_once_and_counted(
    capsys: Any,
    caplog: pytest.LogCaptureFixture,
    narrow_model: Callable[[int], Path],
    tmp_path: Path,
) -> None:
    tell_cut.cache_clear()
    tasks = ("--tasks", "kormedmcqa-cot_doctor,usmle")  # 4136, 4230, 4138 tokens; 440, 401, 398
    evaluate(capsys, narrow_model(4138 + 8), tmp_path / "long", *tasks)
    told = [one.message for one in caplog.records if one.name == tell_cut.__module__]
    start = "kormedmcqa-cot_doctor: 1 of 3 prompts do not fit into the model's 4,146 tokens"
    assert [one[: len(start)] for one in told] == [start]
    (facts,) = tmp_path.glob("long/*/medbench_*.json")
    found = json.loads(facts.read_text("utf-8"))["tasks"]
    cut = {task: one["cut_prompts"] for task, one in found.items()}
    assert cut == {"kormedmcqa-cot_doctor": 1, "usmle": 0}


def test_options_that_do_not_fit_are_counted_as_lm_eval_cuts_them(
    capsys: Any,
    caplog: pytest.LogCaptureFixture,
    narrow_model: Callable[[int], Path],
    tmp_path: Path,
) -> None:
    tell_cut.cache_clear()
    evaluate(capsys, narrow_model(400), tmp_path / "long", "--tasks", "usmle")
    told = [one.message for one in caplog.records]
    assert sum("usmle: 2 of 3 prompts do not fit" in one for one in told) == 1
    by_lm_eval = [one for one in told if "exceeds model's maximum length" in one]
    assert len(by_lm_eval) == 2, told


def test_strict_answers_do_not_depend_on_batches(
    capsys: Any, tiny_model: Path, tmp_path: Path
) -> None:
    ends = []
    for number, settings in enumerate((["--batch-size", "1"], ["--batch-tokens", "300"])):
        output = tmp_path / str(number)
        end, results = evaluate(capsys, tiny_model, output, "--strict", *settings)
        ends.append(re.fullmatch(r"\S+\nanswers: ([0-9a-f]{12})\n", end))
        assert results["config"]["model_args"]["strict"] is True
        assert results["model_source"] == "medbench-hf"
        (facts,) = output.glob("*/medbench_*.json")
        sidecar = json.loads(facts.read_text("utf-8"))
        assert sidecar["strict"] is True
        assert ends[-1] and sidecar["answers_sha256"].startswith(ends[-1][1])
    assert results["config"]["model_args"]["batch_tokens"] == 300
    assert ends[0] and ends[1] and ends[0][1] == ends[1][1]
