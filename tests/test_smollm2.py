"""The packaged real model: converted once, whole, and it knows the capital of France."""

from pathlib import Path

import pytest

from medbench.engine import smollm2
from medbench.errors import MissingExtra


def test_conversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = smollm2.smollm2()
    written = (folder / "model.safetensors").stat()
    assert folder.parent == tmp_path / "medbench"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert smollm2.smollm2() == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written.st_mtime_ns

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(**prompt, max_new_tokens=12, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :])


def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(smollm2, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'medbench\[demo\]'"):
        smollm2.smollm2()
