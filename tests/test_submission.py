"""The files for other leaderboards: their form, their numbers, and what is said where they lack."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from medbench.checkpoint import Base, Provenance, write_provenance
from medbench.cli import main
from medbench.leaderboard.measured import compressed
from tests.compared_runs import STAMP, question, sample, write_run

LANGUAGES = {"english": "en", "chinese": "zh", "japanese": "ja", "french": "fr", "russian": "ru",
             "spanish": "es"}  # fmt: skip
GOLD = "The joints ache, the skin is dry"
FLOWERTUNE = ("pubmedqa-flowertune", "medmcqa-flowertune", "usmle-flowertune",
              "careqa-flowertune_en")  # fmt: skip


def samples(language: str, said: str, generated: bool = True) -> list[dict[str, Any]]:
    """Return three answered questions, one with two right letters; of two a human checked."""
    found = []
    for number, gold in enumerate(("A", "B", "AC")):
        asked = question(number, benchmark="mmedbench", subset=language, gold=frozenset(gold),
                         language=LANGUAGES.get(language, "en"), several=number == 2,
                         rationale=GOLD, rationale_checked=number > 0)  # fmt: skip
        one = sample(number, asked, "A", generated)
        prompt = f'Question {number}, "quoted",\nof {language}'
        one["arguments"] = {"gen_args_0": {"arg_0": prompt, "arg_1": {}}}
        if generated:
            one |= {"resps": [[said]], "filter": "original"}
        found.append(one)
    return found


def write_mmedbench(folder: Path, protocol: str, said: str = "###Answer: OPTION A IS CORRECT.",
                    languages: tuple[str, ...] = tuple(LANGUAGES)) -> Path:  # fmt: skip
    middle = "" if protocol == "letters" else f"-{protocol}"
    generated = protocol != "letters"
    tasks = {f"mmedbench{middle}_{one}": samples(one, said, generated) for one in languages}
    write_run(folder / protocol, tasks)
    return folder


def export(capsys: Any, *paths: Path, to: str = "mmedbench", output: Path) -> str:
    """Run the command; return what it says on stderr."""
    main(["export", *map(str, paths), "--format", to, "--output", str(output)])
    return str(capsys.readouterr().err)


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_mmedbench(tmp_path: Path, capsys: Any) -> None:
    write_mmedbench(tmp_path, "paper")
    text = f"###Rationale: {GOLD}\n###Answer: OPTION A IS CORRECT."
    write_mmedbench(tmp_path, "rationale", text)
    told = export(capsys, tmp_path, output=tmp_path / "out")
    assert "note: answers are those of the protocol paper" in told
    assert "mmedbench-paper_chinese: 3 of 3,426 questions; a leaderboard asks for all" in told
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "accuracy_metric.csv", "multi_choice_results.csv", "rationale_results.csv",
        "rationale_similarity_metric.csv"]  # fmt: skip
    header, *answers = rows(tmp_path / "out/multi_choice_results.csv")
    assert header == ["Language", "ModelInput", "ModelOutput", "GT_Answer"]
    assert len(answers) == 18
    assert answers[2] == ["English", 'Question 2, "quoted",\nof english',
                          "###Answer: OPTION A IS CORRECT.", "A,C"]  # fmt: skip
    assert [row[3] for row in answers[15:]] == ["A", "B", "A,C"]
    assert rows(tmp_path / "out/accuracy_metric.csv") == [
        [one.capitalize() for one in LANGUAGES], ["33.33"] * 6]  # fmt: skip
    header, *rationales = rows(tmp_path / "out/rationale_results.csv")
    assert [row[0] for row in rationales] == [one.capitalize() for one in LANGUAGES for _ in "12"]
    assert rationales[0][2:] == [text, GOLD]
    header, *metrics = rows(tmp_path / "out/rationale_similarity_metric.csv")
    assert header == ["Metric", *map(str.capitalize, LANGUAGES)]
    assert [row[0] for row in metrics] == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-1",
                                           "ROUGE-2", "ROUGE-L"]  # fmt: skip
    assert {cell for row in metrics for cell in row[1:]} == {"100.00"}


def test_rationales_are_compared_word_by_word(tmp_path: Path, capsys: Any) -> None:
    half = "###Rationale: The joints ache, the hair is grey\n###Answer: OPTION A IS CORRECT."
    export(capsys, write_mmedbench(tmp_path, "rationale", half), output=tmp_path / "out")
    table = {row[0]: row[1] for row in rows(tmp_path / "out/rationale_similarity_metric.csv")[1:]}
    # 6 of 8 words, the comma one of them, and 4 of 7 pairs
    assert (table["BLEU-1"], table["ROUGE-1"]) == ("75.00", "75.00")
    assert float(table["BLEU-1"]) > float(table["BLEU-2"]) > float(table["BLEU-3"])
    assert float(table["ROUGE-2"]) == pytest.approx(100 * 4 / 7, abs=0.01)


def test_letters_stand_in_where_nothing_was_written(tmp_path: Path, capsys: Any) -> None:
    write_mmedbench(tmp_path, "letters")
    write_mmedbench(tmp_path, "rationale", languages=("english", "french"))
    told = export(capsys, tmp_path, output=tmp_path / "out")
    assert "protocol letters" in told
    assert "no files of rationales, 2 of 6 languages have rationales" in told
    answers = rows(tmp_path / "out/multi_choice_results.csv")[1:]
    assert [row[2] for row in answers[:3]] == ["A", "A", "A."]
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_half_a_surrogate_pair_is_written(tmp_path: Path, capsys: Any) -> None:
    write_mmedbench(tmp_path, "paper", "OPTION \ud83d")
    export(capsys, tmp_path, output=tmp_path / "out")
    assert rows(tmp_path / "out/multi_choice_results.csv")[1][2] == "OPTION ?"


def refused(capsys: Any, *paths: Path, to: str = "mmedbench", output: Path) -> str:
    with pytest.raises(SystemExit):
        export(capsys, *paths, to=to, output=output)
    assert not output.exists()
    return str(capsys.readouterr().err)


def test_what_is_missing_is_told(tmp_path: Path, capsys: Any) -> None:
    output = tmp_path / "out"
    write_mmedbench(tmp_path / "runs", "paper", languages=("english", "chinese", "japanese"))
    told = refused(capsys, tmp_path / "runs", output=output)
    assert "  paper lacks french, russian, spanish\n  rationale lacks english, chinese," in told
    assert "medbench eval MODEL --tasks 'mmedbench-paper_*" in told
    told = refused(capsys, tmp_path / "runs", to="flowertune", output=output)
    assert "pubmedqa-flowertune, medmcqa-flowertune, usmle-flowertune, careqa-flowertune_en" in told
    write_run(tmp_path / "runs/other", {"usmle": samples("english", "A")}, model="org/other")
    told = refused(capsys, tmp_path / "runs", output=output)
    assert "a submission is of one model; these are of base, other" in told


@pytest.mark.parametrize("form", ["gone", "stripped", "without prompts"])
def test_samples_that_are_not_whole(tmp_path: Path, capsys: Any, form: str) -> None:
    runs = write_mmedbench(tmp_path / "runs", "paper")
    path = runs / "paper" / f"samples_mmedbench-paper_russian_{STAMP}.jsonl"
    kept = samples("russian", "A")
    path.unlink()
    if form == "stripped":
        path.with_name(f"{path.name}.gz").write_bytes(compressed(tuple(kept)))
    if form == "without prompts":
        path.write_text("".join(json.dumps(one | {"arguments": {}}) + "\n" for one in kept))
    told = refused(capsys, runs, output=tmp_path / "out")
    says = {
        "gone": "lm_eval writes them with --log_samples",
        "stripped": "questions are left out",
        "without prompts": "line 1: not a sample of medbench's tasks (KeyError: 'gen_args_0'",
    }
    assert says[form] in told


def write_flowertune(folder: Path, **arguments: str) -> Path:
    tasks = {task: samples("english", "a")[:number] for number, task in enumerate(FLOWERTUNE, 1)
             if number < 4} | {FLOWERTUNE[3]: samples("english", "a")}  # fmt: skip
    settings = {"pretrained": "org/base", **arguments}
    write_run(folder, tasks, config={"model": "hf", "model_args": settings})
    return folder


def test_flowertune(tmp_path: Path, capsys: Any) -> None:
    told = export(capsys, write_flowertune(tmp_path / "runs"), to="flowertune",
                  output=tmp_path / "out")  # fmt: skip
    assert "note: the leaderboard runs its own evaluation code" in told
    assert "communication budget is not known" in told
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    cells = ["Acc (%)", "100.00", "50.00", "33.33", "33.33", "54.17"]
    assert [cell.strip() for cell in text.splitlines()[4].strip("|").split("|")] == cells
    assert "- medmcqa: 0.5000, n = 2\n" in text and "- average: 0.5417\n" in text
    assert text.endswith("### Communication Budget\n\nNot known: the checkpoint does not say what "
                         "was sent.\n")  # fmt: skip
    accuracy = tmp_path / "out/acc_medqa_base.txt"
    assert accuracy.read_text() == f"Accuracy: {1 / 3}. "


def test_the_budget_is_the_checkpoints(tmp_path: Path, capsys: Any) -> None:
    checkpoint = tmp_path / "adapter"
    provenance = Provenance(
        recipe="a", method="dora", base=Base("org/base", "main", None, "Llama"), data=(),
        examples=1, steps=1, tokens=1, supervised_tokens=1, loss=None, held_out_loss=None, seed=0,
        seconds=1.0, finished="", command=(), launch={}, hardware={}, packages={},
        communication=3000.9609,
    )  # fmt: skip
    write_provenance(checkpoint, provenance)
    assert asdict(provenance)["communication"]
    runs = write_flowertune(tmp_path / "runs", peft=str(checkpoint))
    told = export(capsys, runs, to="flowertune", output=tmp_path / "out")
    assert "communication" not in told
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert text.endswith("### Communication Budget\n\n3000.96 Megabytes\n")
    (checkpoint / "provenance.json").write_text("{}")
    told = refused(capsys, runs, to="flowertune", output=tmp_path / "other")
    assert "provenance.json cannot be read" in told
