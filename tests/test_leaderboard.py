"""A leaderboard: what may be added, all or nothing, and what is wrong with what is there."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench import paths
from medbench.cli import main
from medbench.engine.answers import answers_sha256
from medbench.errors import ResultError
from medbench.leaderboard.add import add
from medbench.leaderboard.check import check_leaderboard

RIGHT = (1.0, 0.0, 1.0, 1.0)
STAMP = "2026-11-22T00-03-18.353551"
Change = Callable[[dict[str, Any], dict[str, Any], list[dict[str, Any]]], object]


def sample(number: int, right: float) -> dict[str, Any]:
    """Return one sample as lm-eval logs it."""
    return {
        "doc_id": number, "doc": {"question": "why?", "choices": ["A", "B"]}, "target": "A",
        "arguments": {"gen_args_0": {"arg_0": "why?"}}, "resps": [[["-1.0", "False"]]],
        "filtered_resps": [["-1.0", "False"], ["-2.0", "False"]], "filter": "none",
        "metrics": ["acc"], "doc_hash": f"d{number}", "prompt_hash": "p", "acc": right,
    }  # fmt: skip


def run(folder: Path, change: Change | None = None, model: str = "org/m", stamp: str = STAMP,
        task: str = "pubmedqa-letters") -> Path:  # fmt: skip
    """Write a run's three files after a change to them, and return the results file."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = [sample(number, right) for number, right in enumerate(RIGHT)]
    config = {"metadata": {"benchmark": "pubmedqa", "protocol": "letters"},
              "dataset_kwargs": {"subset": "labeled"}}  # fmt: skip
    results: dict[str, Any] = {
        "results": {task: {"sample_len": 4, "acc,none": 0.75, "acc_stderr,none": 0.1}},
        "configs": {task: config}, "versions": {task: 1.0}, "n-shot": {task: 0},
        "config": {"model": "hf", "model_args": {"pretrained": model}, "limit": 4},
        "date": 1e9,
    }  # fmt: skip
    facts: dict[str, Any] = {
        "answers_sha256": answers_sha256({task: samples}),
        "tasks": {task: {"protocol": "letters", "source": "bundle", "rows": 500,
                         "known_rows": 500}},
    }  # fmt: skip
    if change:
        change(results, facts, samples)
    lines = "".join(f"{json.dumps(one)}\n" for one in samples)
    if samples:
        (folder / f"samples_{task}_{stamp}.jsonl").write_text(lines, encoding="utf-8")
    if facts:
        (folder / f"medbench_{stamp}.json").write_text(json.dumps(facts), encoding="utf-8")
    path = folder / f"results_{stamp}.json"
    path.write_text(json.dumps(results), encoding="utf-8")
    return path


def state(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_run_is_added_without_rows_and_once(tmp_path: Path) -> None:
    path, board = run(tmp_path / "runs"), tmp_path / "board"
    written, notes = add([path], board)
    names = [f"medbench_{STAMP}.json", f"samples_pubmedqa-letters_{STAMP}.jsonl.gz", path.name]
    assert written == [board / "measured/m" / name for name in names]
    assert notes == ()
    assert written[2].read_bytes() == path.read_bytes()
    text = gzip.decompress(written[1].read_bytes()).decode()
    assert "why?" not in text
    assert [json.loads(line)["acc"] for line in text.splitlines()] == list(RIGHT)
    before = state(board)
    assert add([tmp_path / "runs"], board) == ([], ())
    assert state(board) == before
    (board / "reported").symlink_to(paths.folder("leaderboard") / "reported")
    assert check_leaderboard(board).faults == ()


def test_folders_of_the_machine_are_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def change(results: Any, facts: Any, samples: Any) -> None:
        results["config"]["model_args"]["peft"] = f"{tmp_path}/runs/x/lora"
        results["model_name"] = "/home/me/hub/models--org--m/snapshots/0a1b"
        command = [
            "medbench",
            "eval",
            "/data/models/m",
            f"--output={tmp_path}/out",
            "a=~/b c",
            "x/y",
        ]
        facts.update(command=command, note="one / two\n/three")
        results["model_name_sanitized"] = "__home__me__hub__models--org--m__snapshots__0a1b"

    written, _ = add([run(tmp_path / "runs", change)], tmp_path / "board")
    facts, results = (json.loads(written[at].read_bytes()) for at in (0, 2))
    assert facts["command"] == ["medbench", "eval", "m", "--output=out", "a=b c", "x/y"]
    assert facts["note"] == "one / two\n/three"
    assert results["config"]["model_args"] == {"pretrained": "org/m", "peft": "runs/x/lora"}
    assert (results["model_name"], results["model_name_sanitized"]) == ("org/m", "org__m")
    assert add([tmp_path / "runs"], tmp_path / "board") == ([], ())


def test_folders_that_were_committed_are_faults(tmp_path: Path) -> None:
    board = tmp_path / "board"
    (board / "measured").mkdir(parents=True)
    (board / "reported").symlink_to(paths.folder("leaderboard") / "reported")
    run(board / "measured/m", lambda r, f, s: (
        r.update(model_name="m", model_name_sanitized="__home__me__m"),
        f.update(command=["medbench", "eval", "/home/me/m"]),
    ))  # fmt: skip
    assert check_leaderboard(board).faults == (
        f"m/results_{STAMP}.json: '__home__me__m' names a folder of a machine; write 'm'",
        f"m/medbench_{STAMP}.json: '/home/me/m' names a folder of a machine; write 'm'",
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda r, f, s: f.clear(), "medbench_2026-11-22T00-03-18.353551.json is missing"),
        (lambda r, f, s: f["tasks"].clear(), "says nothing about its rows"),
        (lambda r, f, s: f["tasks"]["pubmedqa-letters"].update(rows=501), "501 rows, but"),
        (lambda r, f, s: f["tasks"]["pubmedqa-letters"].update(source="sample"), "for trying"),
        (lambda r, f, s: f["tasks"]["pubmedqa-letters"].update(protocol="cot"), "'cot' in one"),
        (lambda r, f, s: f.update(answers_sha256="0"), "not those of the run"),
        (lambda r, f, s: r["config"].update(limit=None), "n is 4, but 500 rows are 500"),
        (lambda r, f, s: r["config"].update(limit=5), "the first 5 of 500 rows are 5"),
        (lambda r, f, s: s.pop(), "n is 4, but there are 3 samples"),
        (lambda r, f, s: s[1].update(doc_id=0), "1 questions have two samples, the first is 0"),
        (lambda r, f, s: s[1].update(acc=1.0), "acc,none is 0.75, the mean of its samples 1"),
        (lambda r, f, s: [one.pop("acc") for one in s], "do not hold this metric"),
    ],
)
def test_what_is_wrong_is_not_added(tmp_path: Path, change: Change, fault: str) -> None:
    path, board = run(tmp_path / "runs", change), tmp_path / "board"
    with pytest.raises(ResultError, match="nothing was added:") as caught:
        add([path], board)
    assert fault in str(caught.value)
    assert not board.exists()


def test_one_bad_run_keeps_all_out(tmp_path: Path) -> None:
    good = run(tmp_path / "good")
    bad = run(tmp_path / "bad", lambda r, f, s: f.clear(), model="org/other")
    with pytest.raises(ResultError, match="is missing"):
        add([good, bad], tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_an_unknown_task(tmp_path: Path) -> None:
    path = run(tmp_path / "runs", task="hellaswag")
    with pytest.raises(ResultError, match="hellaswag is no task of medbench"):
        add([path], tmp_path / "board")


def test_a_second_run_of_a_task_is_a_duplicate(tmp_path: Path) -> None:
    board = tmp_path / "board"
    add([run(tmp_path / "one")], board)
    before = state(board)
    later = run(tmp_path / "two", stamp="2026-11-23T00-00-00")
    with pytest.raises(ResultError, match="both hold pubmedqa-letters: remove the older"):
        add([later], board)
    other = run(tmp_path / "three", lambda r, f, s: r["config"].update(limit=3))
    with pytest.raises(ResultError, match="is there, with other content"):
        add([other], board)
    assert state(board) == before


def test_versions_are_not_mixed(tmp_path: Path) -> None:
    board = tmp_path / "board"
    add([run(tmp_path / "one")], board)
    newer = run(tmp_path / "two", lambda r, f, s: r.update(versions={"pubmedqa-letters": 2.0}),
                model="org/other")  # fmt: skip
    with pytest.raises(ResultError, match=r"is not one column: letters version 1 in .*version 2"):
        add([newer], board)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, board, replace = run(tmp_path / "runs"), tmp_path / "board", Path.replace

    def full(draft: Path, target: Path) -> Path:
        if target.name.startswith("results_"):
            raise OSError(28, "No space left on device")
        return replace(draft, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ResultError, match="No space left on device"):
        add([path], board)
    assert state(board) == {}


def test_runs_without_samples_are_noted(tmp_path: Path) -> None:
    path = run(tmp_path / "runs", lambda r, f, s: (s.clear(), f.pop("answers_sha256")))
    _, notes = add([path], tmp_path / "board")
    assert [note.partition(": ")[2] for note in notes] == [
        "no samples: scores cannot be computed again"
    ]


def test_cut_prompts_are_noted(tmp_path: Path) -> None:
    cut = {"cut_prompts": 3}
    path = run(tmp_path / "runs", lambda r, f, s: f["tasks"]["pubmedqa-letters"].update(cut))
    _, notes = add([path], tmp_path / "board")
    assert [note.partition(": ")[2] for note in notes] == [
        "pubmedqa-letters: 3 prompts did not fit and lost their beginning"
    ]


@pytest.mark.parametrize("content", [b"\x1f\x8b", b"no gzip", gzip.compress(b"{}\n", mtime=0)])
def test_broken_samples_are_named(tmp_path: Path, content: bytes) -> None:
    path = run(tmp_path / "runs", lambda r, f, s: s.clear())
    (path.parent / f"samples_pubmedqa-letters_{STAMP}.jsonl.gz").write_bytes(content)
    with pytest.raises(ResultError, match=r"samples_pubmedqa.*(cannot be read|not a sample)"):
        add([path], tmp_path / "board")


def test_the_projects_own_leaderboard_is_in_order() -> None:
    assert check_leaderboard(paths.folder("leaderboard")).faults == ()


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, board = run(tmp_path / "runs"), tmp_path / "board"
    main(["add", str(path), "--leaderboard", str(board)])
    assert capsys.readouterr().out.count(str(board)) == 3
    main(["add", str(path), "--leaderboard", str(board)])
    assert capsys.readouterr().out == "nothing to add: these results are there already\n"
    with pytest.raises(SystemExit) as stop:
        main(["check", "--leaderboard", str(board)])  # it has no reported tables
    assert stop.value.code == 1
    assert "no tables inside" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["check", "--leaderboard", str(tmp_path / "none")])
    assert "is no leaderboard" in capsys.readouterr().err
