"""The loop that generates, on a toy; its Hugging Face form against lm-eval's own class."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForCausalLM, AutoTokenizer

from medbench import data
from medbench.engine.generation import FinishReason, GeneratesBatches, Settings, tell_cut
from medbench.engine.hf import MedbenchHF
from medbench.engine.processors import chooser
from medbench.errors import ModelError

GREEDY = {"do_sample": False, "until": ["#"], "max_gen_toks": 4}


class Echo(GeneratesBatches):
    """Says what it was asked, characters as tokens, and remembers the batches."""

    tokenizer = SimpleNamespace(eos_token="</s>")
    max_length = 20
    max_gen_toks = 4
    think_end_token: str | None = None
    rank = 0

    def __init__(self, batch_size: int | str = 2) -> None:
        self.batch_size = batch_size
        self.asked: list[tuple[list[str], Settings]] = []
        self.cached: list[tuple[str, Any, str]] = []
        self.cache_hook = SimpleNamespace(add_partial=lambda *one: self.cached.append(one))

    def tok_encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def generate_batch(
        self, prompts: Sequence[list[int]], settings: Settings
    ) -> list[tuple[str, FinishReason]]:
        texts = ["".join(map(chr, prompt)) for prompt in prompts]
        self.asked.append((texts, settings))
        return [(text, "length" if len(text) > 3 else "stop") for text in texts]


def ask(prompt: str, doc: dict[str, Any] | None = None, **arguments: Any) -> Instance:
    return Instance("generate_until", doc or {}, (prompt, {**GREEDY, **arguments}), 0)


def batches(lm: Echo, requests: list[Instance]) -> list[list[str]]:
    lm.generate_until(requests, disable_tqdm=True)
    return [texts for texts, _ in lm.asked]


def test_answers_come_in_the_order_of_the_requests() -> None:
    lm = Echo()
    prompts = ["bb", "eeeee", "a", "dddd", "ccc"]
    answers = lm.generate_until([ask(prompt) for prompt in prompts], disable_tqdm=True)
    assert answers == prompts
    assert [one.finish_reason for one in answers] == ["stop", "length", "stop", "length", "stop"]
    assert [texts for texts, _ in lm.asked] == [["eeeee", "dddd"], ["ccc", "bb"], ["a"]]
    assert sorted(lm.cached) == sorted(
        ("generate_until", (prompt, GREEDY), prompt) for prompt in prompts
    )


def test_alike_settings_go_together() -> None:
    lm = Echo(batch_size=8)
    hot: dict[str, Any] = {"do_sample": True, "temperature": 0.7}
    requests = [ask("a"), ask("b", **hot), ask("cc"), ask("d", max_gen_toks=9), ask("ee", **hot)]
    requests.append(ask("f", bad_words_ids=[[1]]))  # a list cannot be hashed
    assert batches(lm, requests) == [["cc", "a"], ["ee", "b"], ["d"], ["f"]]
    assert [settings.max_new_tokens for _, settings in lm.asked] == [4, 4, 9, 4]
    greedy, sampled, *_ = (dict(settings.options) for _, settings in lm.asked)
    assert (greedy["do_sample"], sampled["do_sample"]) == (False, True)
    assert lm.asked[0][1].until == ("#", "</s>")


@pytest.mark.parametrize(("size", "sizes"), [(1, [1] * 70), ("auto", [64, 6]), ("32", [32, 32, 6])])
def test_batch_size(size: int | str, sizes: list[int]) -> None:
    assert [len(texts) for texts in batches(Echo(size), [ask("a")] * 70)] == sizes


@pytest.mark.parametrize(
    ("limit", "arguments", "kept"),
    [
        (None, {}, "efghijklmnopqrst"),  # 20 tokens less 4 for the answer
        (None, {"max_gen_toks": 15}, "pqrst"),
        (3, {}, "rst"),
        (99, {}, "efghijklmnopqrst"),
    ],
)
def test_long_prompts_are_cut_from_the_left(
    limit: int | None, arguments: dict[str, Any], kept: str
) -> None:
    request = ask("abcdefghijklmnopqrst", {"prompt_tokens": limit}, **arguments)
    assert batches(Echo(), [request]) == [[kept]]


def test_cut_prompts_are_told_but_for_a_protocols_own_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tell_cut.cache_clear()
    long, protocols = "abcdefghijklmnopqrst", {"prompt_tokens": 16}
    requests = [ask(long), ask(long[4:]), ask(long[3:]), ask(long, protocols)]
    requests += [ask(long, protocols), ask(long, {"prompt_tokens": 17})]
    names = ["a", "a", "a", "a", "b", "c"]
    for request, name in zip(requests, names, strict=True):
        request.task_name = name
    for _ in range(2):
        assert {len(text) for texts in batches(Echo(), requests) for text in texts} == {16}
    told = [
        one.message.partition(" do not fit into the model's 20 tokens") for one in caplog.records
    ]
    assert [one[:2] for one in told] == [
        ("a: 2 of 4 prompts", " do not fit into the model's 20 tokens"),
        ("c: 1 of 1 prompts", " do not fit into the model's 20 tokens"),
    ]


def test_no_room_for_a_prompt() -> None:
    with pytest.raises(ModelError, match=r"max_gen_toks=20 leaves no room .* 20 tokens"):
        Echo().generate_until([ask("a", max_gen_toks=20)], disable_tqdm=True)


@pytest.mark.parametrize(
    ("text", "until", "answer"),
    [
        ("B#C", ["#"], "B"),
        ("B. C#D", ["#", ". "], "B"),
        ("B</s>C", [], "B"),
        ("#B", ["#"], ""),
        ("B", ["#"], "B"),
        ("hm>B#C", ["#", "m>"], "h"),
    ],
)
def test_text_ends_before_the_first_stop_string(text: str, until: list[str], answer: str) -> None:
    assert Echo().generate_until([ask(text, until=until)], disable_tqdm=True) == [answer]


def test_thinking_is_removed_first() -> None:
    lm = Echo()
    lm.think_end_token = "</think>"
    assert lm.generate_until([ask("h#</think> B#C")], disable_tqdm=True) == ["B"]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_model)


def make(kind: type[HFLM], model: Any, batch_size: int, **arguments: Any) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(model.name_or_path)
    return kind(pretrained=model, tokenizer=tokenizer, batch_size=batch_size, **arguments)


def real_requests(count: int = 24, **arguments: Any) -> list[Instance]:
    """Beginnings of questions in six languages, of different lengths."""
    subsets = ("english", "chinese", "french", "japanese", "russian", "spanish")
    rows = [data.load("mmedbench", subset, "test").questions for subset in subsets]
    texts = [rows[n % 6][n // 6].text[: 20 + 3 * n] for n in range(count)]
    return [ask(text, **{"until": ["\n"], "max_gen_toks": 12, **arguments}) for text in texts]


def generate(lm: Any, requests: list[Instance]) -> Any:
    return lm.generate_until(requests, disable_tqdm=True)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_texts_are_those_of_lm_eval(model: Any, batch_size: int) -> None:
    theirs = make(HFLM, model, batch_size)
    ours = make(MedbenchHF, model, batch_size)
    plain = generate(theirs, real_requests())
    assert len(set(plain)) > 12
    assert generate(ours, real_requests()) == plain
    stops = [text[3:6] for text in plain[:3]]
    stopped = generate(theirs, real_requests(until=stops))
    assert generate(ours, real_requests(until=stops)) == stopped != plain


def test_batch_sizes_agree(model: Any) -> None:
    one, four = (make(MedbenchHF, model, size) for size in (1, 4))
    assert generate(one, real_requests()) == generate(four, real_requests())


def said(lm: Any, request: Instance) -> list[int]:
    """Generate the same answer as tokens."""
    prompt = torch.tensor([lm.tok_encode(request.args[0])])
    options = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 0}
    tokens: list[int] = lm.model.generate(prompt, **options)[0, prompt.shape[1] :].tolist()
    return tokens


def test_integer_thinking_mark_is_that_of_lm_eval(model: Any) -> None:
    plain = make(MedbenchHF, model, 4)
    mark = said(plain, real_requests()[0])[4]
    theirs, ours = (make(kind, model, 4, think_end_token=mark) for kind in (HFLM, MedbenchHF))
    thought = generate(ours, real_requests())
    assert thought == generate(theirs, real_requests())
    assert len(thought[0]) < len(generate(plain, real_requests())[0])


def test_finish_reason(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = make(MedbenchHF, model, 4)
    free = generate(lm, real_requests(until=["never said"]))
    assert {one.finish_reason for one in free} == {"length"}
    stop = free[0][4:6]
    for whole, cut in zip(free, generate(lm, real_requests(until=[stop])), strict=True):
        assert cut == whole.split(stop)[0]
        assert cut.finish_reason == ("stop" if stop in whole else "length")
    end = said(lm, real_requests()[0])[2]
    monkeypatch.setattr(lm.model.generation_config, "eos_token_id", [2, end])
    ended = generate(lm, real_requests(until=["never said"]))[0]
    assert ended.finish_reason == "stop"
    assert free[0].startswith(ended)
    assert len(ended) < len(free[0])


@pytest.mark.parametrize(
    ("said", "until", "text", "reason"),
    [
        ("drug is", [], "drug is", "length"),
        ("drug is</s><unk><unk>", [], "drug is", "stop"),
        ("</s>", [], "", "stop"),
        ("drug # is", ["#"], "drug # is", "stop"),  # cut later, as thinking goes first
        ("drug<|end|> is the", ["<|end|>"], "drug", "stop"),  # the batch went on
        ("drug<|end|> is the", ["#"], "drug is the", "length"),
    ],
)
def test_ending(model: Any, said: str, until: list[str], text: str, reason: str) -> None:
    lm = make(MedbenchHF, model, 4)
    row = lm.tok_encode(said, add_special_tokens=False)
    assert lm.ending(row, lm.settings({**GREEDY, "until": until})) == (text, reason)


@pytest.mark.parametrize(
    "options", [{"repetition_penalty": 1.5}, {"no_repeat_ngram_size": 2}], ids=str
)
@pytest.mark.parametrize("strict", [False, True])
def test_penalties_are_those_of_lm_eval(
    model: Any, options: dict[str, Any], strict: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = real_requests(8, max_gen_toks=24)
    lm = make(MedbenchHF, model, 4, strict=strict)
    plain = generate(lm, asked)
    for name, value in options.items():  # as a chat model brings them
        monkeypatch.setattr(model.generation_config, name, value)
    changed = generate(lm, asked)
    assert changed == generate(make(HFLM, model, 1), asked) != plain


def test_what_is_not_greedy_is_left_to_transformers(model: Any) -> None:
    lm = make(MedbenchHF, model, 4)
    settings = lm.settings({**GREEDY, "do_sample": True, "temperature": 0.7})
    assert chooser(model.generation_config, settings, lm.device) is None
    settings = lm.settings({**GREEDY, "num_beams": 2})
    assert chooser(model.generation_config, settings, lm.device) is None
    assert chooser(model.generation_config, lm.settings(GREEDY), lm.device) is not None
    assert len(generate(lm, real_requests(3, num_beams=2))) == 3


@pytest.mark.parametrize("batch_size", [1, 4])
def test_log_likelihoods_are_those_of_lm_eval(model: Any, batch_size: int) -> None:
    requests = [
        Instance("loglikelihood", {}, (one.args[0], continuation), index)
        for one in real_requests(6)
        for index, continuation in enumerate([" A", " B", "A, C.", " maybe"])
    ]
    theirs, ours = (make(kind, model, batch_size) for kind in (HFLM, MedbenchHF))
    found = ours.loglikelihood(requests, disable_tqdm=True)
    known = theirs.loglikelihood(requests, disable_tqdm=True)
    assert [score for score, _ in found] == pytest.approx([score for score, _ in known], abs=1e-3)
    assert [is_greedy for _, is_greedy in found] == [is_greedy for _, is_greedy in known]
    assert len({round(score, 2) for score, _ in found}) == len(found)
