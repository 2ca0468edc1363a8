"""How scores came about is told wherever they are published: weights quantised, tokens drawn."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from jsonschema import Draft7Validator

from medbench.errors import ResultError
from medbench.publish.asked import asked
from medbench.publish.card.card import model_card
from medbench.publish.records import eval_results, every_eval_ever
from tests.card_subjects import BASE, COMMIT, USMLE, rewritten, subject
from tests.compared_runs import two_runs
from tests.publications import make_checkpoint

SCHEMA = Path(__file__).parent / "schemas/every_eval_ever-0.3.0.json"
COLD, NF4 = "at the temperature 0", "the code below quantises nothing"


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tiny_model, tmp_path_factory.mktemp("made") / "lora", COMMIT)


def model(name: str = "hf", arguments: str = "pretrained=org/tuned", **more: Any) -> dict[str, Any]:
    """Return what changes in a results file."""
    return {"config": {"model": name, "model_args": arguments, **more}}


@pytest.mark.parametrize(
    ("document", "facts", "changed", "sampled"),
    [
        ({}, {}, {}, False),
        ({}, {"quantization": "nf4"}, {"quantization": "nf4"}, False),
        (model(arguments="pretrained=org/tuned,dtype=float32"), {"backend": "vllm"},
         {"backend": "vllm", "dtype": "float32"}, False),
        (model(gen_kwargs={"temperature": 0.7, "top_p": 0.9}), {},
         {"gen_kwargs": "temperature=0.7,top_p=0.9"}, True),
        (model(gen_kwargs={"max_gen_toks": 9, "temperature": 0, "do_sample": False}), {},
         {"gen_kwargs": "max_gen_toks=9,temperature=0,do_sample=False"}, False),
        (model(), None, {}, False),
        (model("medbench-vllm"), None, {"backend": "vllm"}, False),
        (model("local-completions"), None, {"backend": "openai"}, False),
        (model("medbench-hf", "pretrained=org/tuned,quantization=int8"), None,
         {"quantization": "int8"}, False),
        (model("hf", "pretrained=org/tuned,load_in_4bit=True"), None, {"quantization": "fp4"},
         False),
        (model("hf", "pretrained=org/tuned,load_in_8bit=True"), None, {"quantization": "int8"},
         False),
    ],
)  # fmt: skip
def test_what_is_not_as_usual_is_told(
    folder: Path,
    tmp_path: Path,
    document: dict[str, Any],
    facts: dict[str, Any] | None,
    changed: dict[str, str],
    sampled: bool,
) -> None:
    found = subject(folder, [rewritten(two_runs(tmp_path, configs=USMLE)[1], document, facts)])
    rows, text = found.scores.rows, model_card(found)
    record = json.loads(every_eval_ever(rows, "me/x", BASE))
    Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(record)
    generation = record["evaluation_results"][0]["generation_config"]
    details = generation["additional_details"]
    assert {name: details[name] for name in details.keys() - PLAIN} == changed
    arguments = {"temperature": 0.7, "top_p": 0.9} if sampled else {}
    assert arguments.items() <= generation["generation_args"].items()
    told = ", ".join(f"{name} {value}" for name, value in changed.items())
    for setting in (ModelCard(text).data.eval_results[0].metric_name,
                    yaml.safe_load(eval_results(rows, "me/x"))[0]["notes"]):  # fmt: skip
        assert f"chat template off, {told}{', ' * bool(told)}n = 100" in setting
    assert ("All scores: " in text) == bool(changed)
    assert (COLD in text) is not sampled
    assert (NF4 in text) == ("quantization" in changed)


PLAIN = {"protocol", "num_fewshot", "chat_template"}


def test_without_scores_nothing_was_drawn(folder: Path) -> None:
    assert COLD in model_card(subject(folder))


def test_results_that_do_not_say_how(folder: Path, tmp_path: Path) -> None:
    run = rewritten(two_runs(tmp_path, configs=USMLE)[1], {"n-shot": {}}, {})
    with pytest.raises(ResultError, match="does not say how usmle was asked"):
        subject(folder, [run])
    with pytest.raises(KeyError):
        asked(next(run.glob("results_*")), {}, ["usmle"])
