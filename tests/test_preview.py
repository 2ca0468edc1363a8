"""`medbench eval --dry-run`: what a run would ask, without its weights."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from medbench.cli import main
from medbench.engine.evaluate import dry_run
from medbench.engine.plan import load_tasks, load_tokenizer, task_manager
from medbench.engine.preview import Preview, count_tokens, preview, visible
from medbench.engine.run import Run


@pytest.fixture(scope="module")
def weightless(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without weights."""
    folder = tmp_path_factory.mktemp("models") / "weightless"
    return Path(shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("*.safetensors")))


def previews(folder: Path, *tasks: str, **settings: Any) -> dict[str, Preview]:
    found, _ = dry_run(Run(str(folder), tasks, **settings))
    return {one.task: one for one in found}


@pytest.mark.parametrize(
    ("task", "settings", "counts"),
    [
        ("usmle", {}, (12, 12 * 4, 0)),
        ("usmle", {"limit": 3, "num_fewshot": 2}, (3, 3 * 4, 2)),
        ("mmedbench_french", {}, (12, 12 * 31, 0)),
        ("pubmedqa-letters", {}, (12, 12 * 3, 0)),
        ("kormedmcqa-cot_doctor", {}, (6, 6, 5)),
        ("kormedmcqa-cot_doctor", {"num_fewshot": 1, "limit": 100}, (6, 6, 1)),
        ("usmle-cot", {"num_fewshot": 3}, (12, 12, 0)),  # the task allows no shots
    ],
)
def test_counts(
    weightless: Path, task: str, settings: dict[str, Any], counts: tuple[int, int, int]
) -> None:
    one = previews(weightless, task, **settings)[task]
    assert (one.documents, one.requests, one.shots) == counts
    assert len(one.continuations) == (0 if counts[0] == counts[1] else counts[1] // counts[0])


def test_groups_are_shown_task_by_task(weightless: Path) -> None:
    assert list(previews(weightless, "careqa-*", limit=1)) == [
        "careqa-cot_en",
        "careqa-cot_es",
        "careqa-flowertune_en",
        "careqa-letters_en",
        "careqa-letters_es",
    ]


def test_tokens_are_those_of_all_requests(weightless: Path) -> None:
    tokenizer = load_tokenizer(str(weightless))
    tasks = load_tasks(["mmedbench_japanese"], task_manager())
    (one,) = preview(tasks, tokenizer, chat=False, limit=2, num_fewshot=1)
    instances = tasks["mmedbench_japanese"].instances
    lengths = [
        len(tokenizer.encode(text, add_special_tokens=False))
        for instance in instances
        for text in instance.args
    ]
    assert one.tokens == count_tokens(tokenizer, instances) == sum(lengths)
    assert len(lengths) == 2 * one.requests
    assert one.prompt == tokenizer.encode(instances[0].args[0])


def test_the_prompt_is_what_the_model_would_read(weightless: Path) -> None:
    plain = previews(weightless, "usmle", chat_template="off", limit=1)["usmle"]
    chat = previews(weightless, "usmle", chat_template="auto", limit=1)["usmle"]
    assert plain.continuations == [" A", " B", " C", " D"]
    assert chat.continuations == ["A", "B", "C", "D"]
    tokenizer = load_tokenizer(str(weightless))
    assert tokenizer.decode(plain.prompt).startswith("<s>Question: A 7-year-old boy")
    assert tokenizer.decode(chat.prompt).startswith("<s><|turn|>user\nQuestion: A 7-year-old boy")
    assert tokenizer.decode(chat.prompt).endswith("Answer:<|end|>\n<|turn|>assistant\n")


def test_special_tokens_stand_out(weightless: Path) -> None:
    tokenizer = load_tokenizer(str(weightless))
    text = visible(tokenizer.encode("<|turn|>user\n정답： é<|end|>\n"), tokenizer)
    assert text.plain == "<s><|turn|>user\n정답： é<|end|>\n⏎"
    marked = [text.plain[span.start : span.end] for span in text.spans if "bold" in str(span.style)]
    assert marked == ["<s>", "<|turn|>", "<|end|>"]
    assert visible(tokenizer.encode("Why?"), tokenizer).plain == "<s>Why?"


def test_command(weightless: Path, tmp_path: Path, capsys: Any) -> None:
    tasks = "mmedbench_french,kormedmcqa-cot_nurse"
    line = f"eval {weightless} --tasks {tasks} --dry-run --limit 2 --output {tmp_path}/out"
    main(line.split())
    printed = capsys.readouterr().out
    assert re.search(r"mmedbench_french.*first prompt: \d+ tokens", printed)
    assert "<s><|turn|>user\nQuestion : " in printed
    assert "<|turn|>assistant\n⏎" in printed
    assert "'A.' │ 'B.' │ 'C.' │ 'D.' │ 'E.' … 31 in all" in printed
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines()]
    rows = {cells[0]: cells[1:4] for cells in cells if len(cells) == 5}
    assert rows["mmedbench_french"] == ["2", "0", "62"]
    assert rows["kormedmcqa-cot_nurse"] == ["2", "5", "2"]
    assert rows["all"] == ["4", "", "64"]
    assert not (tmp_path / "out").exists()
