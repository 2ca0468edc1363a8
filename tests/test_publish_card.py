"""The card and the records: what they say, what they leave out, and that no name breaks them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from jsonschema import Draft7Validator

from medbench import checkpoint as checkpoints
from medbench.checkpoint import CorpusPart, Trained, write_provenance
from medbench.errors import PublishError, ResultError
from medbench.publish.card.again import score_commands
from medbench.publish.card.card import model_card
from medbench.publish.card.energy import most_energy
from medbench.publish.card.markdown import block, without_folders
from medbench.publish.card.snippets import load_in_python, load_in_vllm
from medbench.publish.card.subject import Subject
from medbench.publish.gates import Finding
from medbench.publish.licences import known_licences, terms
from medbench.publish.records import eval_results, every_eval_ever
from medbench.recipe import load
from tests.adapted_models import point
from tests.card_subjects import BASE, COMMIT, USMLE, subject
from tests.compared_runs import two_runs
from tests.publications import make_checkpoint

SCHEMA = Path(__file__).parent / "schemas/every_eval_ever-0.3.0.json"


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tiny_model, tmp_path_factory.mktemp("made") / "lora", COMMIT)


def compared(folder: Path, tmp_path: Path, **changes: Any) -> Subject:
    a, b = two_runs(tmp_path / "runs")
    for file in (*a.glob("results_*"), *b.glob("results_*")):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"configs": USMLE}))
    return subject(folder, [b], [a], **changes)


def test_scores_and_their_difference(folder: Path, tmp_path: Path) -> None:
    text = model_card(compared(folder, tmp_path))
    assert "| 40.0 [30.9, 49.8] | 65.0 [55.3, 73.6] | **+25.0 [+13.8, +35.2]** | <0.001 |" in text
    metric = ModelCard(text).data.eval_results[0]
    assert (metric.metric_value, metric.dataset_type) == (65.0, "GBaker/MedQA-USMLE-4-options")
    assert "n = 100, 95 % Wilson interval 55.3 to 73.6" in metric.metric_name
    alone = model_card(subject(folder, [tmp_path / "runs/b"]))
    assert "65.0 [55.3, 73.6]" in alone and "difference" not in alone.partition("## Cert")[0]
    assert "No scores were published with it." in model_card(subject(folder))


def test_every_setting_and_what_it_took(folder: Path) -> None:
    text = model_card(subject(folder, has_curve=True))
    for fact in ("123,456, padding included", "30 of 8 examples", "12 seconds", "x86_64", "lora",
                 "0.003, linear", f"org/base, {COMMIT}", "2 processors"):  # fmt: skip
        assert fact in text, fact
    for key, value in yaml.safe_load((folder / "recipe.yaml").read_text())["training"].items():
        assert f"{key}: {str(value).lower()}" in text.lower()
    assert "](loss_curve.png)" in text and "](loss_curve.png)" not in model_card(subject(folder))
    assert "Not for patients" in text


def test_records_follow_their_formats(folder: Path, tmp_path: Path) -> None:
    scores = compared(folder, tmp_path).scores
    (entry,) = parse_eval_result_entries(yaml.safe_load(eval_results(scores.rows, "me/x")))
    assert (entry.dataset_id, entry.task_id) == ("GBaker/MedQA-USMLE-4-options", "usmle")
    assert entry.value == 65.0 and "protocol letters, 0-shot" in entry.notes
    record = json.loads(every_eval_ever(scores.rows, "me/x", BASE))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert record["schema_version"] == schema["version"]
    Draft7Validator(schema).validate(record)
    (one,) = record["evaluation_results"]
    assert one["source_data"]["hf_repo"] == "GBaker/MedQA-USMLE-4-options"
    interval = one["score_details"]["uncertainty"]["confidence_interval"]
    assert interval["lower"] < one["score_details"]["score"] < interval["upper"]


def test_the_sample_gives_no_score_of_a_benchmark(folder: Path, tmp_path: Path) -> None:
    _, b = two_runs(tmp_path / "runs", configs=USMLE)
    facts = next(b.glob("medbench_*.json"))
    content = json.loads(facts.read_text())
    content["tasks"]["usmle"]["source"] = "sample"
    facts.write_text(json.dumps(content))
    found = subject(folder, [b])
    text = model_card(found)
    assert "| usmle † |" in text and "model-index" not in text
    assert yaml.safe_load(eval_results(found.scores.rows, "me/x")) == []
    assert json.loads(every_eval_ever(found.scores.rows, "me/x", BASE))["evaluation_results"] == []


def test_results_that_do_not_belong(folder: Path, tmp_path: Path) -> None:
    a, b = two_runs(tmp_path / "runs")
    with pytest.raises(PublishError, match="hold 2 models"):
        subject(folder, [a, b])
    with pytest.raises(PublishError, match="no --results to compare"):
        subject(folder, [], [a])
    with pytest.raises(PublishError, match="one folder each"):
        subject(folder, [b], [a, a / "more"])
    with pytest.raises(ResultError):
        subject(folder, [tmp_path / "none"])


@pytest.mark.parametrize("passed", [True, False])
def test_certificate(folder: Path, passed: bool) -> None:
    findings = (
        Finding("alive", True, "canaries differ by 0.3"),
        Finding("stop", passed, "seen in /home/me/secret/run: ```\n## not a heading", {"n": 3}),
    )
    text = model_card(subject(folder, findings=findings, skipped=("stop",)))
    assert "| alive  | passed " in text
    assert ("**not passed**, overridden" in text) is not passed
    assert "/home/me" not in text and "seen in run: ```" in text
    assert "\n````text\n" in text and '"n": 3' in text


HOSTILE = ["<script>alert(1)</script>", "a|b", "[x](http://y)", "---\nlicense: mit", "{{ 7 * 7 }}",
           "`tick`", "${x}", "名前\u2028改行"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_the_card(folder: Path, tmp_path: Path, name: str) -> None:
    made = checkpoints.read(folder)
    data = (Trained(name, name, name, name, name, name, 3, name),)
    other = tmp_path / "other"
    other.mkdir()
    for file in folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    known = replace(made.provenance.base, architecture=name)
    write_provenance(other, replace(made.provenance, recipe=name, data=data, base=known))
    a, b = two_runs(tmp_path / "runs", model=name)
    text = model_card(subject(other, [b], [a]))
    plain = model_card(subject(folder, [b], [a]))
    card, usual = ModelCard(text), ModelCard(plain)
    # outside blocks of code there is no markup that a plain name would not have made
    assert "<script>" not in card.text and "](http://y)" not in card.text.replace("\\](", "")
    assert card.text.count("\n#") == usual.text.count("\n#")
    assert card.data.get("license") != "mit" and "49 " not in card.text.partition("## Lim")[0]
    assert all(row.count(" |") >= 1 for row in card.text.splitlines() if row.startswith("| "))


def test_texts_of_a_pretraining_are_named(folder: Path, tmp_path: Path) -> None:
    made, other = checkpoints.read(folder), shutil.copytree(folder, tmp_path / "read")
    books = CorpusPart(
        source="my|books", use="sources", texts=2000, held_out=20, tokens=98765, sha256="ab" * 32
    )
    write_provenance(other, replace(made.provenance, data=(), corpus=(books,)))
    found = subject(other)
    text = model_card(found)
    assert "no data that is known" not in text and "1,980 texts of my\\|books" in text
    cells = ["my\\|books", "training", "2,000", "20", "98,765", "not known", "`abababababab`"]
    row = next(row for row in text.splitlines() if row.startswith("| my"))
    assert [cell.strip() for cell in row[1:-1].split(" |")] == cells
    assert "my\\|books: their terms are not known to medbench\n" in text
    assert ModelCard(text).data.license is None  # the gate was skipped
    stated = replace(found.candidate, licence="cc-by-nc-4.0")
    text = model_card(replace(found, candidate=stated))
    assert "**cc-by-nc-4.0, as its publisher states**" in text
    assert "not known to medbench, and the licence is the publisher's word" in text
    assert ModelCard(text).data.license == "cc-by-nc-4.0"
    both = shutil.copytree(folder, tmp_path / "both")
    write_provenance(both, replace(made.provenance, corpus=(books,)))
    assert "trained on mmedbench, 1,980 texts of my\\|books" in model_card(subject(both))


def test_snippets_are_programs(folder: Path) -> None:
    for whole in (False, True):
        found = subject(folder, is_adapter=not whole, is_merged=whole)
        for code in (load_in_python(found), load_in_vllm(found)):
            compile(code, "card", "exec")
            assert max(map(len, code.splitlines())) <= 100
            assert '"me/x"' in code
            assert (COMMIT in code) is not whole
    recipe = subject(folder).recipe
    chat = replace(recipe, data=replace(recipe.data, template="chat", system='say "A"'))
    code = load_in_python(subject(folder, recipe=chat))
    compile(code, "card", "exec")
    assert "apply_chat_template" in code and r'"say \"A\""' in code


def test_a_mixture_is_read_by_those_who_know_it(folder: Path, tmp_path: Path) -> None:
    mixture = shutil.copytree(folder, tmp_path / "mixture")
    point(mixture, peft_type="MOLORA")
    for one, is_mixture in ((folder, False), (mixture, True)):
        code, command = load_in_python(subject(one)), score_commands(subject(one))
        assert code.startswith("import medbench.molora") == is_mixture
        assert ("--model medbench-hf" in command) == is_mixture
        assert ("--model hf" in command) != is_mixture


def test_vllm_is_told_where_it_cannot(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "dora"
    other.mkdir()
    for file in folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    text = model_card(subject(other))
    assert "This is a DoRA adapter, which vLLM cannot run" in text
    assert "from vllm" not in text and str(tmp_path) not in text


@pytest.mark.parametrize(
    ("base", "data", "id", "commercial"),
    [
        ("apache-2.0", [], "apache-2.0", True),
        ("apache-2.0", ["mit", "cc-by-4.0"], "apache-2.0", True),
        ("apache-2.0", ["cc-by-nc-4.0", "mit"], "cc-by-nc-4.0", False),
        ("apache-2.0", ["cc-by-nc-4.0", "cc-by-nc-2.0"], "other", False),
        ("llama3.2", ["mit"], "llama3.2", True),
        ("llama3.2", ["cc-by-nc-4.0"], "other", False),
        ("exaone", ["cc-by-nc-4.0"], "other", False),
        ("qwen-research", [], "other", False),
        ("", ["cc-by-nc-4.0"], None, False),
        ("never-heard-of", ["mit"], None, True),
    ],
)
def test_licences(base: str, data: list[str], id: str | None, commercial: bool) -> None:
    found = terms(base, data)
    assert (found.id, found.commercial) == (id, commercial)
    assert found.unknown == (("never-heard-of",) if base == "never-heard-of" else ())


def test_every_licence_of_ours_is_in_the_table() -> None:
    from medbench.data.datasets import DATASETS
    from medbench.recipe import recipes

    stated = {one.licence for one in DATASETS.values()}
    stated |= {facts.licence for path in recipes() if (facts := load(path).model.facts)}
    assert stated - {"", "other"} <= known_licences().keys()
    assert all(one.link.startswith("https://") for one in known_licences().values())


@pytest.mark.parametrize(
    ("devices", "used", "seconds", "kwh"),
    [
        (["NVIDIA A100-SXM4-80GB"], 8, 3600, 3.2),
        (["NVIDIA A100 80GB PCIe"], 1, 3600, 0.3),
        (["NVIDIA H100 80GB HBM3"] * 8, 8, 1800, 2.8),
        (["Tesla T4", "something new"], 2, 3600, None),
        ([], 1, 3600, None),
    ],
)
def test_energy(devices: list[str], used: int, seconds: float, kwh: float | None) -> None:
    assert most_energy(devices, used, seconds) == (kwh if kwh is None else pytest.approx(kwh))


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("read /home/me/a/b.json twice", "read b.json twice"),
        ("https://huggingface.co/a/b and a/b", "https://huggingface.co/a/b and a/b"),
        ('"~/x/y", C:\\Users\\me\\z', '"y", z'),
        ("12/13 and/or ../x", "12/13 and/or ../x"),
    ],
)
def test_folders_are_left_out(text: str, without: str) -> None:
    assert without_folders(text) == without


def test_a_fence_is_longer_than_any_inside() -> None:
    assert block("a\n`````\nb", "text").startswith("``````text\n")
