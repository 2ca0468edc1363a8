"""Rows as examples: what is learnt, weights, lengths, and every fault at once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from medbench.data import load
from medbench.errors import DataError, MedbenchError, RecipeError
from medbench.recipe import Data, Mixed, Model, Recipe, Tokenizer, Training
from medbench.scoring.protocols import PROTOCOLS
from medbench.training import examples as module
from medbench.training.examples import IGNORED, Example, Examples, build_examples
from medbench.training.show import colored, show
from medbench.training.stop import special_tokens
from tests.conftest import TEMPLATES, make_tokenizer

TOKENIZER = make_tokenizer(TEMPLATES["system"])
STOP = TOKENIZER.eos_token_id
UNTRAINABLE = {("usmle", "cot"), ("careqa", "cot")}
"""Their rows have no reasons."""
EVERY = [
    (benchmark, name)
    for benchmark, protocols in {**PROTOCOLS, "flashcards": {"flowertune": None}}.items()
    for name in protocols
]


def recipe(*parts: Mixed, **data: Any) -> Recipe:
    told = {"sequence_length": 10_000, **data}
    return Recipe(model=Model(id="tiny"), data=Data(mixture=parts, **told))


def examples(*parts: Mixed, **data: Any) -> Examples:
    return build_examples(recipe(*parts, **data), TOKENIZER, "mixture")


def part(benchmark: str, protocol: str) -> Mixed:
    split = "test" if benchmark == "careqa" else "train"
    if (benchmark, protocol) == ("kormedmcqa", "cot"):
        split = "few_shot"
    asked = {("careqa", "flowertune"): ("en",), ("mmedbench", "medcare"): ("english", "chinese")}
    subsets = asked.get((benchmark, protocol), ())
    return Mixed(benchmark=benchmark, protocol=protocol, split=split, subsets=subsets)  # type: ignore[arg-type]


@pytest.mark.parametrize("template", ["protocol", "chat"])
@pytest.mark.parametrize(("benchmark", "protocol"), EVERY)
def test_every_protocol(benchmark: str, protocol: str, template: str) -> None:
    asked = part(benchmark, protocol)
    if (benchmark, protocol) in UNTRAINABLE:
        with pytest.raises(
            DataError, match=r"none of the \d+ rows has what this protocol's answer"
        ):
            examples(asked, template=template)
        return
    found = examples(asked, template=template)
    stop = TOKENIZER.convert_tokens_to_ids("<|end|>") if template == "chat" else STOP
    (count,) = found.counts
    assert len(found) == count.kept == len(list(found)) > 0
    assert count.tokens == sum(len(one.input_ids) for one in found)
    assert count.supervised == sum(label != IGNORED for one in found for label in one.labels)
    for one in found:
        check(one, stop)
        assert one.source.startswith(f"{benchmark}/")
        assert one.source.endswith(f" {protocol}")


def check(one: Example, stop: int) -> None:
    """The prompt is read, the answer and one stop token are learnt."""
    start = next(at for at, label in enumerate(one.labels) if label != IGNORED)
    assert start > 0
    assert one.labels[:start] == [IGNORED] * start
    assert one.labels[start:] == one.input_ids[start:]
    assert one.labels.count(stop) == 1
    assert one.labels[-1] == stop
    assert len(one.labels) - start >= 2


def test_answers_are_the_gold_ones() -> None:
    found = examples(Mixed(benchmark="mmedbench", protocol="paper", subsets=("french",)))
    rows = load("mmedbench", "french", "train").questions
    for one, question in zip(found, rows, strict=True):
        learnt = [label for label in one.labels if label != IGNORED]
        letters = ",".join(question.gold_letters)
        assert TOKENIZER.decode(learnt) == f"###Answer: OPTION {letters} IS CORRECT.</s>"


@given(st.floats(0.05, 3.5), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_weights(weight: float, seed: int) -> None:
    mixed = Mixed(benchmark="usmle", subsets=("4_options",), weight=weight)
    asked = Recipe(
        model=Model(id="tiny"),
        data=Data(mixture=(mixed,), sequence_length=10_000),
        training=Training(seed=seed),
    )
    sources = [one.source for one in build_examples(asked, TOKENIZER, "mixture")]
    rows = [question.id for question in load("usmle", "4_options", "train").questions]
    shown = [sum(f" {row} " in source for source in sources) for row in rows]
    assert sum(shown) == len(sources) == -int(-len(rows) * weight // 1)
    assert set(shown) <= {int(weight), int(weight) + 1}
    assert sources == [one.source for one in build_examples(asked, TOKENIZER, "mixture")]


def test_half_of_the_rows_depend_on_the_seed() -> None:
    def drawn(seed: int) -> list[str]:
        asked = Recipe(
            model=Model(id="tiny"),
            data=Data(mixture=(Mixed(benchmark="kormedmcqa", weight=0.5),), sequence_length=10_000),
            training=Training(seed=seed),
        )
        return [one.source for one in build_examples(asked, TOKENIZER, "mixture")]

    assert drawn(1) == drawn(1) != drawn(2)


def test_limits_and_languages() -> None:
    mixed = Mixed(benchmark="mmedbench", subsets=("english", "japanese"), limit=2)
    found = examples(mixed, Mixed(benchmark="kormedmcqa", subsets=("nurse",), limit=1, weight=3))
    assert [one.source.split(" ")[0] for one in found] == [
        *["mmedbench/english"] * 2,
        *["mmedbench/japanese"] * 2,
        *["kormedmcqa/nurse"] * 3,
    ]
    assert [count.kept for count in found.counts] == [4, 3]


def test_validation_may_be_empty() -> None:
    asked = recipe(Mixed(benchmark="usmle"))
    assert len(build_examples(asked, TOKENIZER, "validation")) == 0


@pytest.fixture(scope="module")
def lengths() -> list[int]:
    """Of the MedQA examples, in order."""
    return sorted(len(one.labels) for one in examples(Mixed(benchmark="usmle")))


def test_what_is_too_long_is_dropped(lengths: list[int]) -> None:
    middle = lengths[len(lengths) // 2]
    found = examples(Mixed(benchmark="usmle"), sequence_length=middle)
    (count,) = found.counts
    assert count.too_long == sum(length > middle for length in lengths) > 0
    assert count.kept == len(found) == len(lengths) - count.too_long
    assert max(len(one.labels) for one in found) <= middle


def test_what_is_too_long_loses_its_beginning(lengths: list[int]) -> None:
    middle = lengths[len(lengths) // 2]
    whole = examples(Mixed(benchmark="usmle"))
    found = examples(Mixed(benchmark="usmle"), sequence_length=middle, too_long="cut")
    (count,) = found.counts
    assert count.cut == sum(length > middle for length in lengths)
    assert len(found) == len(whole)
    for one, long in zip(found, whole, strict=True):
        kept = len(one.labels)
        assert kept == min(middle, len(long.labels))
        assert one.input_ids == long.input_ids[-kept:]
        assert one.labels == long.labels[-kept:]
        check(one, STOP)


def test_an_answer_is_never_cut() -> None:
    mixed = Mixed(benchmark="mmedbench", subsets=("english",), protocol="rationale")
    whole = examples(mixed)
    answers = [sum(label != IGNORED for label in one.labels) for one in whole]
    room = sorted(answers)[len(answers) // 2]
    (count,) = examples(mixed, sequence_length=room, too_long="cut").counts
    assert count.too_long == sum(answer >= room for answer in answers)


def test_prompts_are_cut_where_evaluation_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = Mixed(benchmark="kormedmcqa", protocol="sllm", subsets=("doctor",))
    short = replace(PROTOCOLS["kormedmcqa"]["sllm"], prompt_tokens=20)
    whole = examples(mixed)
    monkeypatch.setitem(PROTOCOLS["kormedmcqa"], "sllm", short)
    for one, long in zip(examples(mixed), whole, strict=True):
        assert one.labels.count(IGNORED) == 20
        assert one.input_ids == long.input_ids[-len(one.input_ids) :]


FAULTS = [
    (
        (Mixed(benchmark="usmle"),),
        {"sequence_length": 8},
        DataError,
        r"all \d+ rows are longer .* 8",
    ),
    (
        (Mixed(benchmark="usmle"),),
        {"sequence_length": 1, "too_long": "cut"},
        DataError,
        r"all \d+ answers are longer than data.sequence_length: 1",
    ),
    ((Mixed(benchmark="medqa"),), {}, DataError, "no benchmark is called medqa; there are careqa"),
    ((Mixed(benchmark="usmle", subsets=("6",)),), {}, DataError, "usmle has no 6; it has 4_opt"),
    ((Mixed(benchmark="careqa"),), {}, DataError, "careqa/en, careqa/es has no split train"),
    ((Mixed(benchmark="usmle", protocol="x"),), {}, RecipeError, "usmle has no protocol 'x'"),
    ((Mixed(benchmark="flashcards"),), {}, RecipeError, "flashcards has no protocol 'letters'"),
    ((Mixed(benchmark="kormedmcqa", protocol="cot"),), {}, DataError, "has what this protocol's"),
]


@pytest.mark.parametrize(("parts", "data", "kind", "message"), FAULTS)
def test_faults(
    parts: tuple[Mixed, ...], data: dict[str, Any], kind: type[MedbenchError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        examples(*parts, **data)


def test_all_faults_at_once() -> None:
    asked = Recipe(
        model=Model(id="tiny", tokenizer=Tokenizer(stop="<eos>")),
        data=Data(
            mixture=(Mixed(benchmark="medqa"), Mixed(benchmark="usmle", protocol="x")),
            template="chat",
        ),
    )
    with pytest.raises(RecipeError) as error:
        build_examples(asked, make_tokenizer(None), "mixture")
    told = str(error.value).splitlines()
    assert [line[:30] for line in told] == [
        "model.tokenizer.stop: '<eos>' ",
        "data.template: chat, but the t",
        "no benchmark is called medqa; ",
        "usmle has no protocol 'x'; it ",
    ]
    with pytest.raises(DataError, match=r"(?s)usmle train cot: none .*\nkormedmcqa train cot: "):
        examples(
            Mixed(benchmark="usmle", protocol="cot"),
            Mixed(benchmark="kormedmcqa", protocol="cot"),
            Mixed(benchmark="usmle"),
        )


@pytest.fixture
def broken_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    rows = load("flashcards", "anki", "train").questions
    bad = [replace(rows[0], rationale="It is </s> so."), replace(rows[1], rationale=" ")]
    monkeypatch.setattr(module, "rows", lambda _: [*bad, *rows[2:]])
    yield


def test_unusable_answers_are_counted(broken_rows: None) -> None:
    """An answer that holds the stop token would be learnt to its middle."""
    mixed = Mixed(benchmark="flashcards", protocol="flowertune")
    (count,) = examples(mixed).counts
    assert count.unusable == 1
    assert count.kept == count.rows - 1


def test_shown() -> None:
    found = examples(
        Mixed(benchmark="kormedmcqa", subsets=("nurse",)),
        Mixed(benchmark="mmedbench", protocol="rationale", subsets=("chinese",), weight=0.5),
        template="chat",
    )
    text = colored(found[0], TOKENIZER)
    assert text.plain == TOKENIZER.decode(found[0].input_ids)
    shown = {
        style: [text.plain[span.start : span.end] for span in text.spans if span.style == style]
        for style in {str(span.style) for span in text.spans}
    }
    letter = load("kormedmcqa", "nurse", "train").questions[0].gold_letters[0]
    assert shown["bold green"] == [letter]
    assert shown["bold green reverse"] == ["<|end|>"]
    assert shown["reverse"][:2] == ["<s><|turn|>", "<|end|>"]
    assert TOKENIZER.convert_tokens_to_ids("<|turn|>") in special_tokens(TOKENIZER)
    console = Console(record=True, width=100, file=None, quiet=False)
    with console.capture() as capture:
        show(found, TOKENIZER, 2, console)
    printed = capture.get()
    assert "kormedmcqa/nurse train-00001 letters" in printed
    assert "mmedbench/chinese" in printed
    assert "2 learnt" in printed
    total = sum(count.tokens for count in found.counts)
    assert f"{total:,}" in printed
