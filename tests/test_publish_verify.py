"""A stranger asks a published checkpoint some of its published questions again."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench.cli import main
from medbench.engine.evaluate import evaluate
from medbench.engine.run import Run
from medbench.errors import DataError, ModelError, ResultError
from medbench.leaderboard.measured import Measured
from medbench.publish.verify import How, draw, verify
from tests.gate_cases import adapter

TASKS = ("usmle", "kormedmcqa-direct_doctor")


@pytest.fixture(scope="module")
def published(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter with its results as they are published: samples without rows, and its base's."""
    folder = tmp_path_factory.mktemp("published") / "lora"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDBENCH_DATA", "sample")
        adapter(folder, tiny_model)
        output = folder.parent / "runs"
        settings: dict[str, Any] = {"output": output, "limit": 6, "gen_kwargs": "max_gen_toks=4"}
        evaluate(Run(str(folder), TASKS, **settings))
        evaluate(Run(str(tiny_model), TASKS[:1], **settings))
    for file in output.rglob("results_*.json"):
        place = folder / "results" / file.parent.name
        place.mkdir(parents=True)
        for name, content in Measured.read(file).files().items():
            (place / name).write_bytes(content)
    return folder


def copied(published: Path, folder: Path) -> Path:
    """Copy a published checkpoint, to change it."""
    for file in published.rglob("*"):
        if file.is_file():
            target = folder / file.relative_to(published)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return folder


def change(folder: Path, pattern: str, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the JSON of files, line by line where they are samples."""
    for file in folder.rglob(pattern):
        is_packed = file.suffix == ".gz"
        text = (gzip.decompress(file.read_bytes()) if is_packed else file.read_bytes()).decode()
        parts = [json.loads(one) for one in (text.splitlines() if is_packed else [text])]
        for one in parts:
            edit(one)
        whole = "".join(f"{json.dumps(one)}\n" for one in parts).encode()
        file.write_bytes(gzip.compress(whole) if is_packed else whole)


def test_all_answers_are_given_again(published: Path) -> None:
    found = verify(published, How(share=1))
    assert (len(found.items), found.published, found.differing) == (12, 12, 0)
    assert {one.task for one in found.items} == set(TASKS)
    assert all(one.is_same_question for one in found.items)
    assert {one.margin for one in found.items if one.task == "usmle"} == {0}
    (note,) = found.notes
    assert note.endswith("left out, it is of the base")


def test_the_command_and_another_answer(published: Path, tmp_path: Path, capsys: Any) -> None:
    folder = copied(published, tmp_path / "lora")
    main(["verify", str(folder), "--share", "0.1", "--seed", "3"])
    assert "1 of 12 published questions, seed 3" in capsys.readouterr().out

    def turn(one: dict[str, Any]) -> None:
        one["filtered_resps"].reverse()

    change(folder, "samples_usmle_*", turn)
    with pytest.raises(SystemExit):
        main(["verify", str(folder), "--share", "1"])
    told = capsys.readouterr()
    assert "of the answers differ from those published; 5.0% may" in told.err
    assert "nats apart" in told.out and "published 'nothing'" not in told.out
    main(["verify", str(folder), "--share", "1", "--tolerance", "1"])


def test_other_weights_answer_otherwise(published: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = copied(published, tmp_path / "lora")
    file = folder / "adapter_model.safetensors"
    save_file({name: one * -3 for name, one in load_file(file).items()}, file)
    assert verify(folder, How(share=1)).differing > 0.05


def test_weights_that_are_not_compared_are_named(published: Path, tmp_path: Path) -> None:
    folder = copied(published, tmp_path / "lora")
    change(folder, "medbench_*.json", lambda one: one.pop("weights"))
    found = verify(folder, How(share=0.1))
    (note,) = (one for one in found.notes if "left out" not in one)
    assert note.startswith("tiny__lora/results_") and not found.exchanged
    assert note.endswith("its weights are not compared, it does not say which it had")


def test_another_prompt_is_no_agreement(published: Path, tmp_path: Path, capsys: Any) -> None:
    folder = copied(published, tmp_path / "lora")
    change(folder, "samples_usmle_*", lambda one: one.update(prompt_hash="0" * 64))
    with pytest.raises(SystemExit):
        main(["verify", str(folder), "--share", "1"])
    assert "6 of 12 questions are not put as they were" in capsys.readouterr().err


def test_other_rows_are_told_before_a_model_loads(published: Path, tmp_path: Path) -> None:
    folder = copied(published, tmp_path / "lora")
    (folder / "adapter_model.safetensors").unlink()
    change(folder, "medbench_*.json", lambda one: one["tasks"]["usmle"].update(sha256="0" * 64))
    with pytest.raises(DataError, match="usmle: rows with SHA-256 000000000000 were scored"):
        verify(folder, How(share=1))


def test_nothing_to_verify(published: Path, tmp_path: Path) -> None:
    folder = copied(published, tmp_path / "lora")
    for file in folder.rglob("samples_*"):
        file.unlink()
    with pytest.raises(ResultError, match="its samples are not beside it"):
        verify(folder, How())


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_shares_that_are_none(share: float) -> None:
    with pytest.raises(ResultError, match="--share"):
        draw([], How(share=share))


def test_a_draw_is_repeatable_and_another_seed_draws_others(published: Path) -> None:
    runs = [Measured.read(file) for file in sorted(published.rglob("results_*.json"))]
    draws = [draw(runs, How(share=0.5, seed=seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    chosen, published_questions = draws[0]
    assert published_questions == 18
    assert sum(len(items) for tasks in chosen.values() for items in tasks.values()) == 9


def test_a_base_in_another_place(published: Path, tmp_path: Path, tiny_model: Path) -> None:
    """The adapter names a base of the Hub; the verifier has it in a folder."""
    folder = copied(published, tmp_path / "lora")
    change(folder, "adapter_config.json", lambda one: one.update(base_model_name_or_path="org/x"))
    with pytest.raises(ModelError):
        verify(folder, How())
    assert verify(folder, How(share=0.3, base=str(tiny_model))).differing == 0


@pytest.mark.parametrize(
    ("pattern", "edit", "told"),
    [
        ("medbench_*.json", lambda one: one.pop("backend"), "does not say how it was asked"),
        ("results_*.json", lambda one: one.pop("n-shot"), "does not say how it was asked"),
        ("samples_usmle_*", lambda one: one.pop("prompt_hash"), "is no sample of lm-eval"),
        ("samples_usmle_*", lambda one: one["filtered_resps"].clear(), "is no sample of lm-eval"),
    ],
)
def test_files_that_say_too_little(
    published: Path, tmp_path: Path, pattern: str, edit: Callable[[Any], object], told: str
) -> None:
    folder = copied(published, tmp_path / "lora")
    change(folder, pattern, edit)
    with pytest.raises(ResultError, match=told):
        verify(folder, How(share=1))
