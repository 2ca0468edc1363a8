"""`medbench compare` on runs whose answers are known: numbers, documents, the command."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from medbench.cli import main
from medbench.report.compare.command import write
from medbench.report.compare.comparison import Comparison, compare_runs
from medbench.report.compare.document import document
from tests.compared_runs import (
    AFTER,
    BEFORE,
    QUESTIONS,
    answered,
    question,
    refusal,
    two_runs,
    write_run,
)


def test_a_better_model(tmp_path: Path) -> None:
    found = compare_runs(*two_runs(tmp_path))
    (task,) = found.tasks
    paired = task.contrast.paired
    assert (paired.n, paired.fixed, paired.broken) == (100, 30, 5)
    assert (task.contrast.a.value, task.contrast.b.value) == pytest.approx((0.4, 0.65))
    assert task.contrast.verdict == "better"
    assert (found.overall, found.notes, found.agreements) == (None, (), ())
    back = compare_runs(tmp_path / "b", tmp_path / "a").tasks[0].contrast
    assert (back.verdict, back.p) == ("worse", task.contrast.p)


def test_the_same_run_twice(tmp_path: Path) -> None:
    a, _ = two_runs(tmp_path)
    found = compare_runs(a, next(a.glob("results_*")))  # a folder, a file
    contrast = found.tasks[0].contrast
    assert (contrast.verdict, contrast.p) == ("no difference shown", 1.0)
    assert 0 < contrast.detectable < 0.1
    assert "No difference shown" in document(found, 1)


def test_several_tasks_are_corrected_and_taken_together(tmp_path: Path) -> None:
    """The same questions in two tasks are not counted as independent."""
    tasks = ("usmle", "usmle-5_options", "medmcqa-letters")
    other = [question(number, text=f"Which bone is {number}?") for number in range(100)]
    asked = dict(zip(tasks, (QUESTIONS, QUESTIONS, other), strict=True))
    slightly = [False] * 3 + [True] * 51 + [False] * 46  # 3 broken, 14 fixed
    write_run(tmp_path / "a", {name: answered(asked[name], BEFORE) for name in tasks}, facts={})
    write_run(tmp_path / "b", {name: answered(asked[name], slightly) for name in tasks}, facts={})
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    contrasts = [task.contrast for task in found.tasks]
    assert [one.label for one in contrasts] == sorted(tasks)
    assert [one.p for one in contrasts] == pytest.approx([3 * one.paired.p for one in contrasts])
    assert all(one.p < 0.05 for one in contrasts)
    assert found.overall is not None
    assert (found.overall.paired.n, found.overall.clusters) == (300, 200)
    text = document(found, 0)
    assert "all 200 groups" in text
    assert "after Holm over the 3 tasks" in text
    assert "## Is B better?\n\n- **Better:** medmcqa-letters (+11.0), usmle (+11.0)" in text


@pytest.fixture
def years(tmp_path: Path) -> Comparison:
    """Rows of two years and three exams; all that B fixed is of one exam."""
    tags = [{"year": str(2020 + number // 50), "exam": f"e{number // 40}", "number": str(number)}
            for number in range(100)]  # fmt: skip
    asked = [question(number, tags=own) for number, own in enumerate(tags)]
    write_run(tmp_path / "a", {"usmle": answered(asked, BEFORE)}, facts={})
    write_run(tmp_path / "b", {"usmle": answered(asked, AFTER)}, facts={})
    return compare_runs(tmp_path / "a", tmp_path / "b")


def test_parts_by_tag(years: Comparison) -> None:
    parts = years.tasks[0].parts
    assert list(parts) == ["exam", "year"]  # every number has one question: no table
    assert [(one.label, one.paired.n) for one in parts["year"]] == [("2020", 50), ("2021", 50)]
    exams = {one.label: (one.paired.fixed, one.paired.broken) for one in parts["exam"]}
    assert exams == {"e0": (0, 5), "e1": (30, 0), "e2": (0, 0)}
    assert parts["exam"][1].p == pytest.approx(3 * parts["exam"][1].paired.p)
    text = document(years, 0)
    assert "## usmle by year" in text and "## usmle by exam" in text


def test_questions_of_one_exam_are_not_independent(years: Comparison) -> None:
    alone = years.tasks[0].contrast
    together = compare_runs(years.a.path, years.b.path, "exam").tasks[0].contrast
    assert (alone.clusters, together.clusters) == (100, 3)
    assert (alone.verdict, together.verdict) == ("better", "no difference shown")
    assert together.paired.difference.low < 0 < alone.paired.difference.low
    assert (together.detectable, alone.detectable < 0.2) == (1.0, True)  # three exams show nothing
    told = refusal(years.a.path, years.b.path, "subject")
    assert told == "usmle: not every question has a subject; all have: exam, number, year"


def test_questions_on_one_text_are_one_group(tmp_path: Path) -> None:
    asked = [question(number, context=f"Text {number // 2}") for number in range(20)]
    write_run(tmp_path / "a", {"pubmedqa-letters": answered(asked, [1] * 20)}, facts={})
    found = compare_runs(tmp_path / "a", tmp_path / "a")
    assert found.tasks[0].contrast.clusters == 10


def test_examples_and_files(tmp_path: Path) -> None:
    odd = question(0, text="1. Is *this* <b>\n| bold?", tags={})
    asked = [odd, *QUESTIONS[1:]]
    for side, right in (("a", BEFORE), ("b", AFTER)):
        write_run(tmp_path / side, {"usmle-cot": answered(asked, right, generated=True)})
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert len(found.examples(3, fixed=True)) == 3
    assert [pair.a.question.id for _, pair in found.examples(9, fixed=False)] == [
        "test-00000", "test-00001", "test-00002", "test-00003", "test-00004"]  # fmt: skip
    markdown, as_latex, as_json = write(found, tmp_path / "new/out", 1)
    text = markdown.read_text(encoding="utf-8")
    assert "## usmle-cot: broken by B\n\nQuestion test-00000.\n\n1\\. Is \\*this\\*" in text
    assert "- **A. vitamin A0** (right)\n- B. vitamin B0" in text
    assert "- A: A, from: I think that it is A\n- B: B, from: I think that it is B" in text
    rows = as_latex.read_text(encoding="utf-8")
    assert r"{}usmle-cot & 100 & 40.0 [30.9, 49.8] & 65.0 [55.3, 73.6] &" in rows
    assert r"\ensuremath{<}0.001 & 30 & 5 & \textbf{better}" in " ".join(rows.split())
    assert rows.count(r"\toprule") == rows.count(r"\end{table}") == 3
    content = json.loads(as_json.read_text(encoding="utf-8"))
    assert content["tasks"][0]["verdict"] == "better"
    assert content["tasks"][0]["difference"]["value"] == pytest.approx(0.25)
    assert content["broken"][0]["b"] == {
        "letters": ["B"], "said": "I think that it is B", "is_right": False}  # fmt: skip
    assert len(content["fixed"]) == 1
    assert sorted(path.name for path in markdown.parent.iterdir()) == [
        "compare.json", "compare.md", "compare.tex"]  # fmt: skip


def test_the_command(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    a, b = map(str, two_runs(tmp_path))
    main(["compare", a, b, "--examples", "1"])
    out = capsys.readouterr().out
    assert "tuned against base" in out
    assert re.search(r"usmle +100 +40\.0 +65\.0 +\+25\.0 +<0\.001 +30 +5 +better", out)
    assert out.count("usmle: fixed by B") == 1
    assert out.endswith("by letter, subject, year: --output DIR\n")
    main(["compare", a, b, "--output", str(tmp_path / "out")])
    assert capsys.readouterr().out.endswith(f"written: {tmp_path / 'out/compare.json'}\n")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--examples", "-1"), "--examples -1: there are no fewer than 0"),
        (("--output", "a/results"), "a/results: cannot be written"),
        (("--cluster", "year"), "usmle: not every question has a year; all have: no tag"),
    ],
)
def test_refusals_of_the_command(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, arguments: Any, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    a, b = map(str, two_runs(tmp_path))
    (tmp_path / "a/results").write_bytes(b"")
    with pytest.raises(SystemExit) as stopped:
        main(["compare", a, b, *arguments])
    assert stopped.value.code == 1
    assert fault in capsys.readouterr().err


def test_what_eval_leaves(tiny_model: Path, tmp_path: Path) -> None:
    """Two runs of one model: all tasks are found, nothing differs, letters meet written answers."""
    names = (
        "usmle,pubmedqa-letters,mmedbench_french,kormedmcqa-letters_doctor,kormedmcqa-direct_doctor"
    )
    settings = ("--limit", "3", "--device", "cpu", "--gen-kwargs", "max_gen_toks=4")
    for side in "ab":
        main(
            ["eval", str(tiny_model), "--tasks", names, *settings, "--output", str(tmp_path / side)]
        )
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert sorted(task.task.task for task in found.tasks) == sorted(names.split(","))
    assert {task.contrast.paired.n for task in found.tasks} == {3}
    assert {task.contrast.p for task in found.tasks} == {1.0}
    assert found.notes == ()
    assert {(one.letters_task, one.generated_task, one.n) for one in found.agreements} == {
        ("kormedmcqa-letters_doctor", "kormedmcqa-direct_doctor", 3)}  # fmt: skip
    assert found.overall is not None
    assert found.overall.clusters == 12  # the same three questions were asked twice
    assert "too few questions to show any" in document(found, 3)
