"""Adapters on one loaded model give what each gives by itself, and leave the base as it was."""

import copy
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from peft import IA3Config, LoraConfig, PrefixTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM

from medbench.cli import main
from medbench.engine.adapter_switch import AdapterSwitch
from medbench.engine.hf import MedbenchHF
from medbench.errors import ModelError
from medbench.results import read_results

CONFIGS = {
    "lora": LoraConfig(r=4, target_modules=["q_proj", "v_proj"]),
    "dora": LoraConfig(r=2, target_modules=["o_proj"], use_dora=True),
    "whole": LoraConfig(r=2, target_modules=["v_proj"], modules_to_save=["lm_head", "norm"]),
    "embedding": LoraConfig(r=2, target_modules=["v_proj"], modules_to_save=["embed_tokens"]),
    "ia3": IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "prefix": PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
}
TASKS = "usmle,mmedbench_french,kormedmcqa-direct_doctor"


def make_adapter(folder: Path, model: Path, config: Any) -> Path:
    """Save an adapter with random weights of some size."""
    torch.manual_seed(len(folder.name))
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tuned = get_peft_model(base, copy.deepcopy(config))  # PEFT writes the base into it
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    tuned.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def padded_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model with a larger vocabulary than its tokenizer's; lm-eval cuts it under an adapter."""
    folder = tmp_path_factory.mktemp("padded") / "padded"
    shutil.copytree(tiny_model, folder)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.resize_token_embeddings(model.config.vocab_size + 24)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {name: make_adapter(folder / name, tiny_model, one) for name, one in CONFIGS.items()}


def load(model: Path, **settings: Any) -> MedbenchHF:
    return MedbenchHF(str(model), dtype="float32", device="cpu", batch_size=2, **settings)


def answers(lm: MedbenchHF) -> list[Any]:
    """Return scores of two questions, and a text."""
    questions = ["Question: Which drug?\nAnswer:", "Frage: Was lindert den Schmerz? Antwort:"]
    doc: dict[str, Any] = {}
    pairs = [(question, f" {option}") for question in questions for option in ("A, C.", "A", "B")]
    scored = [Instance("loglikelihood", doc, pair, 0) for pair in pairs]
    asked = (questions[0], {"until": ["</s>"], "max_gen_toks": 6, "do_sample": False})
    text = lm.generate_until([Instance("generate_until", doc, asked, 0)], disable_tqdm=True)
    return [*lm.loglikelihood(scored, disable_tqdm=True), *map(str, text)]


def test_each_adapter_is_as_if_alone(tiny_model: Path, adapters: dict[str, Path]) -> None:
    lm = load(tiny_model)
    switch = AdapterSwitch(lm)
    plain, information = answers(lm), lm.get_model_info()
    for path in adapters.values():
        switch.use(str(path))
        alone = load(tiny_model, peft=str(path))
        assert answers(lm) == answers(alone) != plain, path.name
        assert lm.get_model_info() == alone.get_model_info()
        assert (lm.peft, lm.can_pack) == (str(path), path.name != "prefix")
    switch.use(None)
    assert (answers(lm), lm.get_model_info(), lm.peft) == (plain, information, None)


@pytest.mark.parametrize(
    ("quantization", "names"),
    [("nf4", ("lora", "dora")), ("int8", ("lora", "whole"))],  # DoRA on int8 fails in PEFT itself
)
def test_on_a_quantised_base(
    wide_model: Path, tmp_path: Path, quantization: str, names: tuple[str, ...]
) -> None:
    paths = [str(make_adapter(tmp_path / one, wide_model, CONFIGS[one])) for one in names]
    lm = load(wide_model, quantization=quantization)
    switch = AdapterSwitch(lm)
    plain = answers(lm)
    for path in paths:
        switch.use(path)
        alone = load(wide_model, quantization=quantization, peft=path)
        assert answers(lm) == answers(alone) != plain
    switch.use(None)
    assert answers(lm) == plain


def test_one_that_does_not_fit_is_refused_and_leaves_no_trace(
    wide_model: Path, adapters: dict[str, Path]
) -> None:
    lm = load(wide_model)
    switch, plain = AdapterSwitch(lm), answers(lm)
    with pytest.raises(ModelError, match=r"adapter .*lora could not be loaded: .*size mismatch"):
        switch.use(str(adapters["lora"]))
    switch.use(None)
    assert answers(lm) == plain


def medbench(*arguments: object) -> None:
    """Run the command line in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["medbench", *map(str, arguments)])
        main()


def outcome(folder: Path) -> dict[str, Any]:
    """Return what a run left, but for dates, times and the command."""
    (results,) = [json.loads(path.read_text("utf-8")) for path in folder.glob("results_*.json")]
    (facts,) = [json.loads(path.read_text("utf-8")) for path in folder.glob("medbench_*.json")]
    for name in ("date", "total_evaluation_time_seconds", "command"):
        results.pop(name, None)
        facts.pop(name, None)
    samples = {
        path.name.rsplit("_", 1)[0]: path.read_text("utf-8")
        for path in folder.glob("samples_*.jsonl")
    }
    return {"results": results, "facts": facts, "samples": samples}


def test_one_command_is_as_good_as_many(
    padded_model: Path, adapters: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    """Also in the order base last, and where lm-eval cuts the vocabulary under an adapter."""
    command = ["eval", padded_model, "--tasks", TASKS, "--limit", 2, "--device", "cpu"]
    command += ["--gen-kwargs", "max_gen_toks=8"]
    chosen = [adapters[name] for name in ("lora", "prefix", "dora")]
    several = [part for one in [*chosen, "base"] for part in ("--adapter", one)]
    medbench(*command, *several, "--output", tmp_path / "together")
    out = capsys.readouterr().out
    assert out.count("results: ") == 4
    medbench(*command, "--output", tmp_path / "alone")
    for one in chosen:
        medbench(*command, "--adapter", one, "--output", tmp_path / "alone")
    names = ["padded", *(f"padded__{one.name}" for one in chosen)]
    assert sorted(path.name for path in (tmp_path / "together").iterdir()) == sorted(names)
    for name in names:
        assert outcome(tmp_path / "together" / name) == outcome(tmp_path / "alone" / name), name
    models = {score.model for score in read_results([tmp_path / "together"]).scores}
    assert models == {"padded", *(f"padded + {'/'.join(one.parts[-3:])}" for one in chosen)}


def with_pissa(folder: Path) -> None:
    path = folder / "adapter_config.json"
    content = json.loads(path.read_text("utf-8")) | {"init_lora_weights": "pissa_niter_4"}
    path.write_text(json.dumps(content), "utf-8")


def without_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (with_pissa, "has init_lora_weights=pissa_niter_4, which changes the base's own weights"),
        (without_weights, "has no adapter_model.safetensors"),
    ],
)
def test_faults_of_all_adapters_are_told_before_the_model_loads(
    tiny_model: Path,
    adapters: dict[str, Path],
    tmp_path: Path,
    capsys: Any,
    spoil: Callable[[Path], None],
    part: str,
) -> None:
    spoilt = shutil.copytree(adapters["lora"], tmp_path / "spoilt")
    spoil(spoilt)
    model = shutil.copytree(tiny_model, tmp_path / "model")
    (model / "model.safetensors").unlink()
    line = ["--adapter", adapters["dora"], "--adapter", spoilt, "--adapter", tmp_path / "none"]
    with pytest.raises(SystemExit) as stop:
        medbench("eval", model, "--tasks", "usmle", *line, "--output", tmp_path / "out")
    message = capsys.readouterr().err
    assert stop.value.code == 1
    assert part in message
    assert f"adapter {tmp_path / 'none'} is not a folder" in message
    assert "could not be loaded" not in message
    assert not (tmp_path / "out").exists()
