"""`medbench eval --dry-run`: what a run would ask, without its weights."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench.cli import main
from medbench.engine.evaluate import dry_run, evaluate
from medbench.engine.plan import load_tasks, load_tokenizer, task_manager
from medbench.engine.preview import Preview, count_tokens, preview, visible
from medbench.engine.run import Run
from medbench.errors import ModelError, TaskError


@pytest.fixture(scope="module")
def weightless(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without weights."""
    folder = tmp_path_factory.mktemp("models") / "weightless"
    return Path(shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("*.safetensors")))


def previews(folder: Path, *tasks: str, **settings: Any) -> dict[str, Preview]:
    found, *_ = dry_run(Run(str(folder), tasks, **settings))
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
        ("usmle-cot", {"num_fewshot": 0}, (12, 12, 0)),
    ],
)
def test_counts(
    weightless: Path, task: str, settings: dict[str, Any], counts: tuple[int, int, int]
) -> None:
    one = previews(weightless, task, **settings)[task]
    assert (one.documents, one.requests, one.shots) == counts
    assert len(one.continuations) == (0 if counts[0] == counts[1] else counts[1] // counts[0])


def test_examples_for_tasks_that_take_none_are_refused(weightless: Path) -> None:
    tasks = ("usmle", "usmle-cot", "kormedmcqa-cot_doctor", "careqa-flowertune_en")
    told = r"--num-fewshot 3: usmle-cot, careqa-flowertune_en take no examples"
    with pytest.raises(TaskError, match=told):
        dry_run(Run(str(weightless), tasks, num_fewshot=3))


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
    assert one.tokens == count_tokens(tokenizer, instances)[0] == sum(lengths)
    assert len(lengths) == 2 * one.requests
    assert one.prompt == tokenizer.encode(instances[0].args[0])


@pytest.mark.parametrize(
    ("task", "context", "cut"),
    [
        ("usmle", 440, 0),
        ("usmle", 401, 1),
        ("usmle", 400, 2),
        ("kormedmcqa-cot_doctor", 4230 + 1024, 0),
        ("kormedmcqa-cot_doctor", 4229 + 1024, 1),
        ("kormedmcqa-cot_doctor", 2000, 3),
        ("kormedmcqa-sllm_doctor", 640 + 512, 2),
    ],
)
def test_prompts_that_do_not_fit(weightless: Path, task: str, context: int, cut: int) -> None:
    one = previews(weightless, task, limit=3)[task]
    lengths = {"usmle": [440, 401, 398], "kormedmcqa-sllm_doctor": [640, 734, 641]}
    assert one.lengths == lengths.get(task, [4136, 4230, 4138])
    assert one.cut(context) == cut


def test_a_protocols_own_cut_is_none_of_the_models(weightless: Path) -> None:
    tasks = load_tasks(["kormedmcqa-sllm_doctor"], task_manager())
    docs = tasks["kormedmcqa-sllm_doctor"].dataset["test"]
    tasks["kormedmcqa-sllm_doctor"].dataset["test"] = docs.map(lambda _: {"prompt_tokens": 300})
    tokenizer = load_tokenizer(str(weightless))
    (one,) = preview(tasks, tokenizer, chat=False, limit=2, num_fewshot=None)
    assert (one.lengths, one.cut(300 + 512), one.cut(299 + 512)) == ([300, 300], 0, 2)


def test_an_answer_without_room_for_a_prompt_needs_no_weights(
    weightless: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"gen_kwargs": "max_gen_toks=9999", "output": tmp_path}
    with pytest.raises(ModelError, match=r"max_gen_toks=9999 leaves no room .* 8192 tokens"):
        evaluate(Run(str(weightless), ("usmle-cot",), **settings))


def test_chosen_questions_and_settings_of_generation(weightless: Path) -> None:
    items = {"usmle": (1, 5), "usmle-cot": (2,)}
    found = previews(weightless, *items, items=items, gen_kwargs="max_gen_toks=9")
    assert [(one.lengths, one.answer) for one in found.values()] == [([401, 331], 0), ([486], 9)]


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


def test_command(narrow_model: Callable[[int], Path], tmp_path: Path, capsys: Any) -> None:
    model = narrow_model(3469 + 1024)
    (model / "model.safetensors").unlink()
    tasks = "mmedbench_french,kormedmcqa-cot_nurse"
    line = f"eval {model} --tasks {tasks} --dry-run --limit 2 --output {tmp_path}/out"
    main(line.split())
    printed = capsys.readouterr().out
    assert re.search(r"mmedbench_french.*first prompt: \d+ tokens", printed)
    assert "<s><|turn|>user\nQuestion : " in printed
    assert "<|turn|>assistant\n⏎" in printed
    assert "'A.' │ 'B.' │ 'C.' │ 'D.' │ 'E.' … 31 in all" in printed
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines()]
    rows = {cells[0]: [*cells[1:4], cells[5]] for cells in cells if len(cells) == 6}
    assert rows["mmedbench_french"] == ["2", "0", "62", "0"]
    assert rows["kormedmcqa-cot_nurse"] == ["2", "5", "2", "1"]
    assert rows["all"] == ["4", "", "64", "1"]
    assert not (tmp_path / "out").exists()
