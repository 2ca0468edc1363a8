"""Which token ends an answer, and what keeps it from being learnt."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from medbench.errors import RecipeError
from medbench.recipe import Data, Mixed, Model, Recipe, Tokenizer
from medbench.training.batches import Collator
from medbench.training.examples import build_examples
from medbench.training.stop import check_stop_token, special_tokens, stop_token
from tests.conftest import TEMPLATES, make_tokenizer

TURN = "{% for m in messages %}<|turn|>{{ m['content'] }}END{% endfor %}"


def recipe(template: str = "protocol", stop: str = "") -> Recipe:
    parts = (Mixed(benchmark="usmle", subsets=("4_options",)),)
    return Recipe(
        model=Model(id="tiny", tokenizer=Tokenizer(stop=stop)),
        data=Data(mixture=parts, template=template, sequence_length=4096),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("template", "stated", "token"),
    [
        ("protocol", "", "</s>"),
        ("protocol", "<|end|>", "<|end|>"),
        ("chat", "", "<|end|>"),
        ("chat", "</s>", "</s>"),
    ],
)
@pytest.mark.parametrize("pad", [None, "</s>", "<|end|>", "<unk>"])
def test_it_is_learnt_once(
    chat_tokenizer: Any, template: str, stated: str, token: str, pad: str | None
) -> None:
    """Whatever fills batches, the stop token itself included."""
    tokenizer, asked = copy.deepcopy(chat_tokenizer), recipe(template, stated)
    if pad:
        tokenizer.pad_token = pad
    check_stop_token(tokenizer, asked)
    stop = stop_token(tokenizer, asked)
    assert tokenizer.convert_ids_to_tokens(stop) == token
    examples = list(build_examples(asked, tokenizer, "mixture"))
    for packing in (True, False):
        batch = Collator(tokenizer.pad_token_id or 0, packing)(examples)
        assert (batch["labels"] == stop).sum() == len(examples)
    assert all(one.labels[-1] == stop and one.labels.count(stop) == 1 for one in examples)


def without_eos(tokenizer: Any) -> None:
    tokenizer.eos_token = None


def without_template(tokenizer: Any) -> None:
    tokenizer.chat_template = None


def with_plain_end(tokenizer: Any) -> None:
    tokenizer.chat_template = TURN


def with_broken_template(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ raise_exception('no') }}"


def without_answers(tokenizer: Any) -> None:
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}<|end|>{% endfor %}"


def with_eos_behind_all(tokenizer: Any) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.eos_token_id)]
    )


@pytest.mark.parametrize(
    ("change", "asked", "message"),
    [
        (without_eos, recipe(), "no end-of-text token.*model.tokenizer.stop"),
        (without_template, recipe("chat"), "data.template: chat, but .* no chat template"),
        (with_plain_end, recipe("chat"), "ends an answer with 'END'.*model.tokenizer.stop"),
        (without_answers, recipe("chat"), "ends an answer with ''"),
        (with_broken_template, recipe("chat"), "fails on a question and an answer: no"),
        (with_eos_behind_all, recipe(), "writes its end-of-text token '</s>' behind every text"),
        (
            lambda _: None,
            recipe(stop="<eos>"),
            r"stop: '<eos>' is no token of the vocabulary; it would be \d: '<' ",
        ),
    ],
)
def test_it_cannot_be_learnt(change: Callable[[Any], None], asked: Recipe, message: str) -> None:
    tokenizer = make_tokenizer(TEMPLATES["system"])
    change(tokenizer)
    with pytest.raises(RecipeError, match=message):
        check_stop_token(tokenizer, asked)
    with pytest.raises(RecipeError, match=message):
        build_examples(asked, tokenizer, "mixture")


def test_special_tokens_without_a_role(chat_tokenizer: Any) -> None:
    assert chat_tokenizer.convert_tokens_to_ids("<|turn|>") in special_tokens(chat_tokenizer)
