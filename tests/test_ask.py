"""`medbench ask`: what evaluation would choose, and what a model writes."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from medbench.checkpoint import write_provenance
from medbench.cli import main
from tests.adapted_models import LORA, save_adapter
from tests.test_checkpoint import FACTS

QUESTION = "Which drug lowers the blood pressure?"
OPTIONS = ["--option", "aspirin", "--option", "lisinopril", "--option", "salt"]


def ask(capsys: Any, *words: object) -> str:
    main(["ask", *map(str, words)])
    return str(capsys.readouterr().out)


def failure(capsys: Any, *words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["ask", *map(str, words)])
    assert stop.value.code == 1
    return str(capsys.readouterr().err)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def shares(model: Path, prompt: str, ends: list[str]) -> list[float]:
    """Compute the options' probabilities with transformers alone."""
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model)
    found = []
    for end in ends:
        start = tokenizer.encode(prompt, add_special_tokens=False)
        whole = tokenizer.encode(prompt + end, add_special_tokens=False)
        with torch.no_grad():
            logs = network(torch.tensor([whole])).logits[0].log_softmax(-1)
        places = range(len(start), len(whole))
        found.append(math.exp(sum(float(logs[at - 1, whole[at]]) for at in places)))
    return [one / sum(found) for one in found]


def test_options_get_their_shares(tiny_model: Path, capsys: Any) -> None:
    words = [tiny_model, QUESTION, *OPTIONS, "--dtype", "float32", "--show-prompt"]
    out = ask(capsys, *words, "--chat-template", "off")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    prompt = f"{tokenizer.bos_token}{out[: out.index('Answer:')]}Answer:"
    wanted = shares(tiny_model, prompt, [" A", " B", " C"])
    lines = [line for line in out.splitlines() if line.endswith("%")]
    assert [float(line.split()[-2]) for line in lines] == pytest.approx(
        [100 * one for one in wanted], abs=0.11
    )
    best = "ABC"[wanted.index(max(wanted))]
    (chosen,) = [line for line in lines if line.startswith("→")]
    assert chosen.startswith(f"→ {best}")


def test_without_options_it_writes(tiny_model: Path, capsys: Any) -> None:
    out = ask(capsys, tiny_model, QUESTION, "--max-new-tokens", "5")
    assert "… cut off; --max-new-tokens" in out
    assert "%" not in out


def test_an_adapter_is_put_on_its_base_and_asked_as_it_learnt(
    tiny_model: Path, tmp_path: Path, capsys: Any
) -> None:
    from peft import LoraConfig

    folder = save_adapter(tmp_path / "lora", tiny_model, LoraConfig(**LORA))
    (folder / "recipe.yaml").write_text(
        f"model: {{id: {tiny_model}}}\n"
        "method: {name: lora, rank: 4, alpha: 8, target_modules: [q_proj]}\n"
        "data: {mixture: [{benchmark: kormedmcqa, subsets: [doctor], protocol: letters}]}\n"
        "training: {epochs: 1}\n"
    )
    write_provenance(folder, FACTS)
    words = [QUESTION, *OPTIONS, "--dtype", "float32", "--show-prompt"]
    out = ask(capsys, folder, *words)
    assert "정답：" in out  # KorMedMCQA's prompt
    words += ["--as", "kormedmcqa/letters", "--chat-template", "off"]
    base = ask(capsys, tiny_model, *words)
    again = ask(capsys, tiny_model, *words, "--adapter", folder)
    assert out == again != base


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--option", "a"], "--option: 1; a question has none, or 2 to 10"),
        (["--option", "a", "--option", "a"], "--option: the same one twice"),
        (["--as", "usmle/letters"], "--as usmle/letters needs --option"),
        ([*OPTIONS, "--as", "usmle/riddle"], "usmle has no protocol 'riddle'; it has letters"),
        ([*OPTIONS, "--as", "open"], "--as open asks without options"),
        (["--adapter", "./none"], "adapter none is not a folder"),
    ],
)
def test_refusals(tiny_model: Path, capsys: Any, words: list[str], message: str) -> None:
    assert message in failure(capsys, tiny_model, QUESTION, *words)


def test_an_adapter_on_an_adapter_is_refused(tiny_model: Path, tmp_path: Path, capsys: Any) -> None:
    from peft import LoraConfig

    folder = save_adapter(tmp_path / "lora", tiny_model, LoraConfig(**LORA))
    words = ["eval", str(folder), "--tasks", "usmle", "--adapter", "x/y"]
    with pytest.raises(SystemExit):
        main(words)
    assert f"{folder} is an adapter itself" in capsys.readouterr().err
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": None}))
    assert "names no base: set base_model_name_or_path there" in failure(capsys, folder, QUESTION)
