"""Every task under chat templates with a system role, without one, and with a BOS of their own."""

import functools
import re
from pathlib import Path
from typing import Any

import pytest
from jinja2.exceptions import TemplateError
from transformers import AutoModelForCausalLM

from medbench.engine.hf import MedbenchHF
from medbench.engine.openai import MedbenchOpenAI
from medbench.engine.plan import task_manager
from medbench.errors import ModelError
from medbench.scoring.chat import encode, fold_system, render_chat

INDEX = task_manager().task_index
CASES = [
    (name, shots)
    for name in task_manager().all_subtasks
    for shots in (0, 2)
    if shots == 0 or INDEX[name].cfg.get("num_fewshot") != 0  # 0 in the YAML: the task allows none
]
TURN = re.compile(r"<\|turn\|>(\w+)\n(.*?)<\|end\|>\n", re.DOTALL)

SYSTEM = {"role": "system", "content": "Be brief.\n\n"}
ASK = {"role": "user", "content": "Why?"}
SAY = {"role": "assistant", "content": "So."}


@functools.cache
def task(name: str) -> Any:
    return task_manager().load([name])["tasks"][name]


@pytest.fixture(scope="module")
def lm(tiny_model: Path, chat_tokenizer: Any) -> MedbenchHF:
    """The tiny model with one of the chat templates."""
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    return MedbenchHF(pretrained=model, tokenizer=chat_tokenizer)


def turns(text: str) -> list[tuple[str, str]]:
    """Take a rendered conversation apart; nothing may stand outside its turns."""
    found = TURN.findall(text)
    whole = "".join(f"<|turn|>{role}\n{content}<|end|>\n" for role, content in found)
    assert text.removeprefix("<s>") == f"{whole}<|turn|>assistant\n"
    return found


@pytest.mark.parametrize(("name", "shots"), CASES)
def test_conversation(lm: MedbenchHF, name: str, shots: int) -> None:
    loaded = task(name)
    doc = loaded.test_docs()[0]
    text = loaded.fewshot_context(
        doc,
        num_fewshot=shots,
        apply_chat_template=True,
        fewshot_as_multiturn=True,
        chat_template=lm.apply_chat_template,
    )
    conversation = turns(text)
    system = conversation.pop(0)[1] if conversation[0][0] == "system" else ""
    assert [role for role, _ in conversation] == ["user", *["assistant", "user"] * shots]
    assert bool(system) == (
        bool(loaded.config.description) and "System" not in lm.tokenizer.chat_template
    )
    instruction = loaded.config.description.strip()
    assert f"{system}{conversation[0][1]}".startswith(instruction)
    assert conversation[-1][1].endswith(doc["prompt"])
    assert all(content for _, content in conversation)
    check_single_bos(lm, text)


def check_single_bos(lm: MedbenchHF, text: str) -> None:
    """What the model reads begins with exactly one BOS, as the dry run shows it."""
    bos = lm.tokenizer.bos_token_id
    ids = lm.tok_encode(text)
    assert ids[0] == bos
    assert ids.count(bos) == 1
    assert encode(lm.tokenizer, text) == ids


@pytest.mark.parametrize("name", ["usmle", "mmedbench_japanese", "pubmedqa-letters"])
def test_continuations_follow_the_template_directly(lm: MedbenchHF, name: str) -> None:
    """No blank between "assistant\\n" and the letter; lm-eval scores the newline with it."""
    loaded = task(name)
    loaded.build_all_requests(
        limit=1,
        rank=0,
        world_size=1,
        apply_chat_template=True,
        fewshot_as_multiturn=True,
        chat_template=lm.apply_chat_template,
        tokenizer_name="",
    )
    doc = loaded.test_docs()[0]
    assert [one.args[1] for one in loaded.instances] == doc["choices"]
    for context, continuation in (one.args for one in loaded.instances):
        context_ids, continuation_ids = lm._encode_pair(context, continuation)
        assert lm.tok_decode(continuation_ids) == f"\n{continuation}"
        assert lm.tokenizer.bos_token_id not in continuation_ids
        assert context_ids.count(lm.tokenizer.bos_token_id) == 1


@pytest.mark.parametrize(
    ("messages", "folded"),
    [
        ([], []),
        ([ASK], [ASK]),
        ([ASK, SAY, ASK], [ASK, SAY, ASK]),
        ([SYSTEM, ASK], [{"role": "user", "content": "Be brief.\n\nWhy?"}]),
        ([SYSTEM, ASK, SAY, ASK], [{"role": "user", "content": "Be brief.\n\nWhy?"}, SAY, ASK]),
    ],
)
def test_fold_system(messages: list[dict[str, str]], folded: list[dict[str, str]]) -> None:
    assert fold_system(messages) == folded


def test_refused_system_role_is_folded(no_system_tokenizer: Any) -> None:
    text = render_chat(no_system_tokenizer, [SYSTEM, ASK], True)
    assert text == "<s><|turn|>user\nBe brief.\n\nWhy?<|end|>\n<|turn|>assistant\n"
    unfinished = render_chat(no_system_tokenizer, [SYSTEM, ASK, SAY], False)
    assert unfinished.endswith("<|turn|>assistant\nSo.")
    with pytest.raises(TemplateError, match="must alternate"):
        render_chat(no_system_tokenizer, [ASK, ASK], True)


def test_two_bos_are_refused(chat_tokenizer: Any) -> None:
    """They come from a text that begins with BOS under a template that writes one."""
    with pytest.raises(ModelError, match="begins with two BOS tokens"):
        encode(chat_tokenizer, "<s><s>Why?")
    assert encode(chat_tokenizer, "<s>Why?") == encode(chat_tokenizer, "Why?")


def test_openai_prompts_are_the_same_tokens(tiny_model: Path, chat_tokenizer: Any) -> None:
    server = MedbenchOpenAI(
        model="m", base_url="http://localhost:1/v1/completions", tokenizer=str(tiny_model)
    )
    server.tokenizer = chat_tokenizer
    text = server.apply_chat_template([SYSTEM, ASK])
    assert turns(text)[-1] == ("user", "Why?") or "Be brief." in turns(text)[0][1]
    assert server.tok_encode(text) == encode(chat_tokenizer, text)
    assert server.tok_encode([text, "Why?"]) == [
        encode(chat_tokenizer, one) for one in (text, "Why?")
    ]
