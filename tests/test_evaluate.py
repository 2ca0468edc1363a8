"""`medbench eval` from the command line to the files, and every way in which it refuses."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lm_eval.result_schema import EvalResults

from medbench import __version__, paths
from medbench.checkpoint import weight_digests
from medbench.cli import main
from medbench.engine import evaluate
from medbench.scoring.extract import EXTRACTOR_VERSION

TASKS = (
    "usmle",
    "mmedbench-paper_english",
    "kormedmcqa-direct_doctor",
    "mmedbench-rationale_french",
)
LANGUAGES = ("english", "chinese", "japanese", "french", "russian", "spanish")
ALL = {*TASKS, *(f"mmedbench_{language}" for language in LANGUAGES)}


def medbench(*arguments: object) -> None:
    """Run the command line in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["medbench", *map(str, arguments)])
        main()


def only(folder: Path, pattern: str) -> dict[str, Any]:
    (path,) = folder.glob(pattern)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def samples(folder: Path, task: str) -> list[dict[str, Any]]:
    (path,) = folder.glob(f"samples_{task}_2*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def finished(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run over letters, option sets, generated answers with both rules, and rationales."""
    output = tmp_path_factory.mktemp("runs")
    names = ",".join(("mmedbench", *TASKS))
    settings = ("--limit", 2, "--device", "cpu", "--gen-kwargs", "max_gen_toks=12")
    medbench("eval", tiny_model, "--tasks", names, *settings, "--output", output)
    return output / "tiny"


def test_files_lie_where_promised(finished: Path) -> None:
    (results,) = finished.glob("results_*.json")
    stamp = results.stem.removeprefix("results_")
    expected = {results.name, f"medbench_{stamp}.json"}
    expected |= {f"samples_{name}_{stamp}.jsonl" for name in ALL}
    assert {path.name for path in finished.iterdir()} == expected
    assert [path.name for path in finished.parent.iterdir()] == ["tiny"]


def test_the_results_file_is_lm_evals_own(finished: Path, tiny_model: Path) -> None:
    results = only(finished, "results_*.json")
    assert set(EvalResults.__annotations__) - {"samples"} <= set(results)
    assert set(results["results"]) == {*ALL, "mmedbench"}
    assert results["config"]["model"] == "medbench-hf"
    assert results["config"]["model_args"]["pretrained"] == str(tiny_model)
    assert results["config"]["limit"] == 2
    assert results["config"]["gen_kwargs"] == {"max_gen_toks": 12}
    assert set(map(float, results["versions"].values())) == {1.0}
    assert results["chat_template"] is not None
    assert results["n-samples"]["usmle"] == {"original": 12, "effective": 2}
    assert set(results["results"]["mmedbench-paper_english"]) >= {
        f"{metric},{rule}"
        for metric, rule in [("acc", "extract"), ("unparsed", "extract"), ("acc", "original")]
    }
    similarities = {"bleu1,extract", "bleu4,extract", "rouge1,extract", "rougeL,extract"}
    assert similarities <= set(results["results"]["mmedbench-rationale_french"])
    assert "bertscore,extract" not in results["results"]["mmedbench-rationale_french"]


def test_provenance(finished: Path, tiny_model: Path) -> None:
    facts = only(finished, "medbench_*.json")
    assert facts["command"][:3] == ["medbench", "eval", str(tiny_model)]
    assert (facts["backend"], facts["adapter"], facts["quantization"]) == ("hf", None, None)
    assert facts["extractor_version"] == EXTRACTOR_VERSION
    assert facts["packages"]["medbench"] == __version__
    assert {"lm_eval", "datasets", "torch", "transformers"} <= set(facts["packages"])
    assert facts["date"] == only(finished, "results_*.json")["date"]
    assert set(facts["tasks"]) == ALL
    assert facts["weights"] == weight_digests(tiny_model)
    usmle = facts["tasks"]["usmle"]
    assert re.fullmatch("[0-9a-f]{64}", usmle["sha256"])
    assert (usmle["source"], usmle["rows"], usmle["known_rows"]) == ("sample", 12, 1273)
    assert (usmle["protocol"], usmle["malformed"]) == ("letters", [])


def test_samples_show_what_was_asked_and_read(finished: Path) -> None:
    letters = samples(finished, "usmle")
    assert len(letters) == 2
    assert [one["doc"]["answer"] for one in letters] == ["B", "D"]
    assert len(samples(finished, "mmedbench_french")[0]["resps"]) == 31
    both = samples(finished, "mmedbench-paper_english")
    assert sorted(one["filter"] for one in both) == ["extract", "extract", "original", "original"]
    for one in both:
        read = json.loads(one["filtered_resps"][0])
        keys = {"letters", "outcome", "rule", "finish_reason"}
        assert set(read) == (keys if one["filter"] == "extract" else {"letters"})
    cut = [json.loads(one["filtered_resps"][0]) for one in both if one["filter"] == "extract"]
    assert {one["finish_reason"] for one in cut} == {"length"}
    scored = samples(finished, "mmedbench-rationale_french")
    assert all("rouge1" in one["metrics"] for one in scored if one["filter"] == "extract")


def test_a_second_run_adds_files(tiny_model: Path, tmp_path: Path, capsys: Any) -> None:
    arguments = ("eval", tiny_model, "--tasks", "usmle", "--limit", 1, "--output", tmp_path)
    for count in (1, 2):
        medbench(*arguments)
        assert len(list((tmp_path / "tiny").glob("results_*.json"))) == count
        assert len(list((tmp_path / "tiny").glob("samples_usmle_*.jsonl"))) == count
        newest = max((tmp_path / "tiny").glob("results_*.json"))
        assert capsys.readouterr().out.endswith(f"results: {newest}\n")


def test_a_deep_model_folder(tiny_model: Path, tmp_path: Path) -> None:
    """lm-eval names a folder after the model's whole path, which may be too long for a name."""
    deep = tmp_path / ("x" * 120) / ("y" * 120)
    deep.mkdir(parents=True)
    (deep / "tiny").symlink_to(tiny_model)
    medbench("eval", deep / "tiny", "--tasks", "usmle", "--limit", 1, "--output", tmp_path / "out")
    assert len(list((tmp_path / "out/tiny").glob("results_*.json"))) == 1


def test_a_failing_save_is_an_error(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """lm-eval only warns, and exits with 0."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(evaluate.tempfile, "mkdtemp", lambda **_: str(tmp_path / "file" / "x"))
    message = refusal(capsys, tiny_model, "--tasks", "usmle", "--limit", 1, "--output", tmp_path)
    assert f"lm-eval could not write its results below {tmp_path}" in message


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sample that a test can spoil."""
    folder = shutil.copytree(paths.sample(), tmp_path / "bundle")
    monkeypatch.setenv("MEDBENCH_DATA", str(folder))
    return folder


def test_group_means(bundle: Path, tiny_model: Path, tmp_path: Path) -> None:
    """One exam and one language have three questions only; the two means treat them otherwise."""
    for name in ("sean0042/KorMedMCQA/doctor/test", "Henrychur/MMedBench/Test/English"):
        path = bundle / f"{name}.jsonl"
        path.write_text("".join(path.read_text("utf-8").splitlines(True)[:3]), "utf-8")
    groups = ("mmedbench", "kormedmcqa-letters")
    medbench("eval", tiny_model, "--tasks", ",".join(groups), "--output", tmp_path / "out")
    results = only(tmp_path / "out/tiny", "results_*.json")
    found = {}
    for group in groups:
        members = [results["results"][name] for name in results["group_subtasks"][group]]
        sizes = [one["sample_len"] for one in members]
        assert len(set(sizes)) == 2
        accuracies = [one["acc,none"] for one in members]
        plain = sum(accuracies) / len(members)
        weighted = sum(a * n for a, n in zip(accuracies, sizes, strict=True)) / sum(sizes)
        found[group] = (results["groups"][group]["acc,none"], plain, weighted)
    assert math.isclose(found["mmedbench"][0], found["mmedbench"][1])
    assert math.isclose(found["kormedmcqa-letters"][0], found["kormedmcqa-letters"][2])


def refusal(capsys: Any, *arguments: object) -> str:
    """Run `medbench eval`, which must fail with one message, and return it."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        medbench("eval", *arguments)
    captured = capsys.readouterr()
    assert stop.value.code == 1
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err.count("medbench: ") == 1
    return captured.err[captured.err.index("medbench: ") :]


def break_line(bundle: Path) -> None:
    path = bundle / "GBaker/MedQA-USMLE-4-options/default/test.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], '{"question": ', *lines[1:]]), encoding="utf-8")


def remove_tests(bundle: Path) -> None:
    (bundle / "openlifescienceai/medmcqa/default/validation.jsonl").unlink()
    break_line(bundle)


REFUSALS: list[tuple[str, list[str]]] = [
    ("--tasks usmel", ["unknown task: 'usmel' (did you mean usmle", "`medbench ls tasks`"]),
    (
        "--tasks usmel,medmcqa_letters",
        ["'usmel'", "'medmcqa_letters' (did you mean medmcqa-letters"],
    ),
    ("--tasks usmle --adapter nobody/none", ["nobody/none is no local folder"]),
    ("--tasks usmle --adapter ./none", ["adapter none is not a folder"]),
    ("--tasks usmle --limit 0", ["--limit 0 must be at least 1"]),
    ("--tasks usmle --num-fewshot -1", ["--num-fewshot -1 must be at least 0"]),
    ("--tasks usmle --batch-size 0 --dtype int9", ["--batch-size 0 must", "--dtype int9 must"]),
    ("--tasks usmle --gen-kwargs greedy", ["--gen-kwargs greedy must look like a=1,b=2"]),
    ("--tasks usmle --device gpu", ["--device gpu: "]),
    ("--tasks usmle --base-url http://x/v1", ["--base-url belongs to"]),
    (
        "--tasks usmle --backend openai --quantization nf4 --adapter a/b",
        [
            "--quantization nf4 works with",
            "needs --base-url",
            "--adapter: with",
            "needs --tokenizer",
        ],
    ),
    ("--tasks usmle --backend vllm", ["pip install 'medbench[vllm]'"]),
    ("--tasks kormedmcqa-direct_doctor --num-fewshot 9", ["9 few-shot examples are asked for"]),
    ("--tasks usmle-cot --gen-kwargs max_gen_toks=9999", ["max_gen_toks=9999 leaves no room"]),
]


@pytest.mark.parametrize(("line", "parts"), REFUSALS, ids=[line for line, _ in REFUSALS])
def test_refusal(
    tiny_model: Path, tmp_path: Path, capsys: Any, line: str, parts: list[str]
) -> None:
    message = refusal(capsys, tiny_model, *line.split(), "--output", tmp_path / "out")
    assert all(part in message for part in parts)
    assert not list((tmp_path / "out").glob("**/*"))


@pytest.mark.parametrize(
    ("spoil", "tasks", "parts"),
    [
        (shutil.rmtree, "usmle,medmcqa-letters", ["is not a folder. Three ways out"]),
        (break_line, "usmle", ["test.jsonl is corrupt: line 2: "]),
        (remove_tests, "usmle,medmcqa-letters", ["corrupt: line 2", "the bundle has no open"]),
    ],
)
def test_refused_rows(
    tiny_model: Path, bundle: Path, capsys: Any, spoil: Any, tasks: str, parts: list[str]
) -> None:
    spoil(bundle)
    message = refusal(capsys, tiny_model, "--tasks", tasks, "--output", bundle / "out")
    assert all(part in message for part in parts)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def damaged(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 99)


def strange(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text("utf-8").replace('"llama"', '"strange"'), "utf-8")


@pytest.mark.parametrize(
    ("spoil", "line", "part"),
    [
        (shutil.rmtree, "", "no tokenizer for"),
        (without("tokenizer.json"), "", "no tokenizer for"),
        (without("model.safetensors"), "", "could not be loaded: Error no file named model.safe"),
        (without("chat_template.jinja"), "--chat-template on", "tokenizer has no chat template"),
        (damaged, "", "could not be loaded: "),
        (strange, "", "has model type `strange`"),
        (str, "--output {}/config.json", "config.json cannot be written to: File exists"),
    ],
)
def test_refused_model(
    tiny_model: Path, tmp_path: Path, capsys: Any, spoil: Any, line: str, part: str
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    spoil(folder)
    output = ("--output", tmp_path / "out") if "--output" not in line else ()
    message = refusal(capsys, folder, "--tasks", "usmle", *line.format(folder).split(), *output)
    assert part in message


@pytest.mark.parametrize("line", ["tiny --tasks usmel", "nobody/none --tasks usmle"])
def test_a_process_ends_with_one_line_and_code_1(tmp_path: Path, line: str) -> None:
    command = [sys.executable, "-m", "medbench", "eval", *line.split()]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("medbench: ")
    assert run.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
