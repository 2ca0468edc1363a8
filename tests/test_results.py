"""Reading lm-eval's result files: cells, names, merging, faults."""

import json
from pathlib import Path
from typing import Any

import pytest

from medbench.errors import ResultError
from medbench.results import Score, one_line, read_results

Row = dict[str, Any]


def document(rows: dict[str, Row], **changes: Any) -> dict[str, Any]:
    """Return a results file as lm-eval 0.4.13 writes it."""
    base: dict[str, Any] = {
        "results": {task: {"name": task, "alias": task, **row} for task, row in rows.items()},
        "group_subtasks": {},
        "configs": {},
        "versions": dict.fromkeys(rows, 1.0),
        "n-shot": dict.fromkeys(rows, 0),
        "higher_is_better": {task: {"acc": True, "unparsed": False} for task in rows},
        "n-samples": {task: {"original": 12, "effective": 12} for task in rows},
        "config": {"model": "hf", "model_args": {"pretrained": "org/model"}, "limit": None},
        "date": 1_795_299_968.4,
        "chat_template": None,
        "chat_template_sha": None,
        "fewshot_as_multiturn": None,
        "model_name": "org/model",
    }
    return base | changes


def model(arguments: str | dict[str, Any], name: str = "hf") -> dict[str, Any]:
    return {"model": name, "model_args": arguments, "limit": None}


def write(path: Path, content: dict[str, Any] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def acc(value: float, n: int = 12) -> Row:
    return {"sample_len": n, "acc,none": value, "acc_stderr,none": 0.1}


def only(path: Path) -> Score:
    (score,) = read_results([path]).scores
    return score


def test_a_score_carries_what_makes_it_comparable(tmp_path: Path) -> None:
    metadata = {"version": 2.0, "benchmark": "mmedbench", "protocol": "letters"}
    config = {"dataset_kwargs": {"subset": "french"}, "metadata": metadata}
    task = "mmedbench_french"
    path = write(
        tmp_path / "results_1.json",
        document({task: acc(0.25)}, configs={task: config}, versions={task: 2.0},
                 chat_template_sha="ab12", **{"n-shot": {task: 5}},
                 config=model("pretrained=org/model,dtype=float32") | {"limit": 12.0}),
    )  # fmt: skip
    score = only(path)
    assert score == Score(
        model="model", task=task, metric="acc", filter="none", value=0.25, n=12, stderr=0.1,
        higher_is_better=True, version="2", num_fewshot=5, chat_template=True, limit=12.0,
        date=1_795_299_968.4, source=path, benchmark="mmedbench", protocol="letters",
        subset="french", language="fr",
    )  # fmt: skip


def test_filters_stay_apart_and_strings_are_no_numbers(tmp_path: Path) -> None:
    row = {
        "sample_len": 12, "acc,extract": 0.5, "acc_stderr,extract": "N/A", "acc,original": 0.25,
        "acc_stderr,original": 0.1, "unparsed,extract": 0.1, "alias": " - x", "bleu1,extract": 0.3,
    }  # fmt: skip
    path = write(tmp_path / "results.json", document({"kormedmcqa-cot_doctor": row}))
    found = {(s.metric, s.filter): s for s in read_results([path]).scores}
    assert {key: s.value for key, s in found.items()} == {
        ("acc", "extract"): 0.5,
        ("acc", "original"): 0.25,
        ("unparsed", "extract"): 0.1,
        ("bleu1", "extract"): 0.3,
    }
    assert found["acc", "extract"].stderr is None
    assert not found["unparsed", "extract"].higher_is_better
    assert found["bleu1", "extract"].n == 0  # scored over checked rationales only


@pytest.mark.parametrize(
    ("task", "origin"),
    [
        ("mmedbench_english", ("mmedbench", "", "english", "en")),
        ("mmedbench-rationale_french", ("mmedbench", "rationale", "french", "fr")),
        ("kormedmcqa-cot_doctor", ("kormedmcqa", "cot", "doctor", "ko")),
        ("usmle", ("usmle", "", "", "")),
        ("usmle-5_options", ("usmle", "5_options", "", "")),
        ("usmle-cot", ("usmle", "cot", "", "")),
        ("pubmedqa-flowertune", ("pubmedqa", "flowertune", "", "")),
        ("careqa-letters_en", ("careqa", "letters", "en", "en")),
        ("kormedmcqa_doctor", ("kormedmcqa_doctor", "", "", "")),  # lm-eval's own
        ("medmcqa", ("medmcqa", "", "", "")),
        ("hellaswag", ("hellaswag", "", "", "")),
    ],
)
def test_a_name_tells_where_a_task_is_from(
    tmp_path: Path, task: str, origin: tuple[str, ...]
) -> None:
    score = only(write(tmp_path / "results.json", document({task: acc(0.5)})))
    assert (score.benchmark, score.protocol, score.subset, score.language) == origin


def test_a_group_knows_its_members_and_size(tmp_path: Path) -> None:
    group = acc(0.375, 0) | {"sample_count": {"acc,none": 24}}
    tasks = ["mmedbench_english", "mmedbench_chinese"]
    rows = {tasks[0]: acc(0.5), tasks[1]: acc(0.25), "mmedbench": group}
    path = write(tmp_path / "results.json", document(rows, group_subtasks={"mmedbench": tasks}))
    score = next(s for s in read_results([path]).scores if s.task == "mmedbench")
    assert (score.members, score.n, score.benchmark, score.subset) == (
        tuple(tasks), 24, "mmedbench", "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("pretrained=Qwen/Qwen2.5-7B,dtype=bfloat16", "Qwen2.5-7B"),
        ({"pretrained": "Qwen/Qwen2.5-7B"}, "Qwen2.5-7B"),
        ({"pretrained": "/models/qwen/", "peft": "runs/lora"}, "qwen + runs/lora"),
        ({"pretrained": "q", "peft": "/r/smollm2/usmle/lora"}, "q + smollm2/usmle/lora"),
        ({"pretrained": "runs/demo/smollm2_lora"}, "smollm2_lora"),
        ({"pretrained": "a/qwen", "lora_local_path": "./runs/dora/"}, "qwen + runs/dora"),
        ({"model": "gpt-x", "base_url": "http://localhost/v1/completions"}, "gpt-x"),
        ({"pretrained": "/c/models--Qwen--Qwen2.5-7B/snapshots/0a1b2c"}, "Qwen2.5-7B"),
        ({"pretrained": "a/b", "revision": "step-100", "load_in_4bit": True}, "b (step-100, 4bit)"),
        ({"pretrained": "a/b", "revision": "main", "load_in_4bit": False}, "b"),
        ({"pretrained": "a/b", "quantization": "nf4"}, "b (nf4)"),
        ({"pretrained": "a/b\n| evil"}, "b | evil"),
        ({}, "hf"),
        (None, "hf"),
    ],
)
def test_a_model_is_named_by_its_last_folder(
    tmp_path: Path, arguments: str | dict[str, Any], name: str
) -> None:
    content = document({"usmle": acc(0.5)}, config=model(arguments))
    assert only(write(tmp_path / "results.json", content)).model == name


def test_equal_names_get_their_parent_folders(tmp_path: Path) -> None:
    bases = ["one/model", "two/model", "two/other", "x/two/model"]
    for place, base in enumerate(bases):
        content = document({"usmle": acc(0.5)}, config=model({"pretrained": base}))
        write(tmp_path / str(place) / "results.json", content)
    names = {score.model for score in read_results([tmp_path]).scores}
    assert names == {"one/model", "two/model", "other", "x/two/model"}


def test_the_newest_run_wins_and_differences_are_noted(tmp_path: Path) -> None:
    new = document({"usmle": acc(0.75, 1273)}, date=2e9, **{"n-shot": {"usmle": 5}})
    write(tmp_path / "a" / "results.json", new)
    write(tmp_path / "b" / "results.json", document({"usmle": acc(0.5)}, date=1e9))
    old_only = document({"medmcqa-letters": acc(0.3)}, date=1e9)
    write(tmp_path / "c" / "results.json", old_only)
    results = read_results([tmp_path])
    assert {s.task: s.value for s in results.scores} == {"usmle": 0.75, "medmcqa-letters": 0.3}
    assert results.notes == (
        "model: usmle: runs differ (n 12 → 1273, shots 0 → 5); the newest is shown",
    )


def test_two_equal_runs_are_no_news(tmp_path: Path) -> None:
    for name, date in (("a", 1e9), ("b", 2e9)):
        content = document({"usmle": acc(0.5)}, date=date)
        write(tmp_path / f"results_{name}.json", content)
    assert read_results([tmp_path]).notes == ()


def test_folders_are_searched_and_a_file_is_read_once(tmp_path: Path) -> None:
    content = document({"usmle": acc(0.5)})
    path = write(tmp_path / "org__model" / "results_2026-11-21T22-26-13.912238.json", content)
    write(tmp_path / "mine_2026-11-21T22-26-24.760142.json", content | {"date": 1.0})
    write(tmp_path / "org__model" / "samples_usmle_2026-11-21T22-26-13.912238.jsonl", "{}")
    write(tmp_path / "adapter_config.json", "{}")
    write(tmp_path / ".hidden" / "results_old.json", "cut off {")
    results = read_results([tmp_path, path])
    assert [score.source for score in results.scores] == [path]


def test_a_value_that_is_no_number_is_noted(tmp_path: Path) -> None:
    row = acc(0.5) | {"bertscore,extract": float("nan")}
    results = read_results([write(tmp_path / "results.json", document({"usmle": row}))])
    assert [score.metric for score in results.scores] == ["acc"]
    assert results.notes == ("results.json: usmle: bertscore,extract is nan, left out",)


def test_a_sparse_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    content = {"results": {"usmle": {"acc,none": 0.5}, "broken": 3}, "config": {}}
    score = only(write(tmp_path / "results.json", content))
    assert (score.model, score.n, score.num_fewshot, score.version) == ("unknown", 0, None, "")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path / "good" / "results.json", document({"usmle": acc(0.5)}))
    write(tmp_path / "bad" / "results_cut.json", '{"results": {"usm')
    write(tmp_path / "bad" / "results_other.json", '{"hello": 1}')
    write(tmp_path / "bad" / "results_list.json", "[1]")
    (tmp_path / "bad" / "results_bytes.json").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultError) as caught:
        read_results([tmp_path / "good", tmp_path / "bad", tmp_path / "empty", tmp_path / "none"])
    lines = str(caught.value).splitlines()
    assert lines[0] == "these results cannot be read:"
    told = "\n".join(lines[1:])
    for fault in (
        "results_cut.json: not JSON, perhaps cut off",
        "results_other.json: JSON, but not a results file of lm-eval",
        "results_list.json: JSON, but not a results file of lm-eval",
        "results_bytes.json: not JSON",
        "empty: no results_*.json inside",
        "none: cannot be opened (No such file or directory)",
    ):
        assert fault in told
    assert len(lines) == 7


@pytest.mark.parametrize("paths", [[], ["results.json"]])
def test_no_score_at_all_is_an_error(tmp_path: Path, paths: list[str]) -> None:
    write(tmp_path / "results.json", document({}))
    with pytest.raises(ResultError, match="no scores inside"):
        read_results([tmp_path / path for path in paths])


def test_one_line_keeps_no_break_and_no_control_character() -> None:
    assert one_line(" a\r\n\tb\u2028c\x00\ue000d\ud800 ") == "a b c d"
