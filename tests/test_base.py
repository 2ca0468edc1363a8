"""An adapter's folder as the model: its base at the right commit, its tokenizer, itself on top."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig

from medbench.checkpoint import write_provenance
from medbench.cli import main
from medbench.engine.base import as_trained, on_base, recipe_of
from medbench.engine.run import Run
from medbench.errors import ModelError
from medbench.recipe import load, to_yaml
from tests.adapted_models import LORA, point, save_adapter
from tests.test_checkpoint import FACTS
from tests.training_runs import write_recipe


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    return save_adapter(tmp_path / "lora", tiny_model, LoraConfig(**LORA))


def test_a_folder_stands_for_base_and_adapter(adapter: Path, tiny_model: Path) -> None:
    run = on_base(Run(str(adapter), ("usmle",)))
    assert (run.model, run.adapters) == (str(tiny_model), (str(adapter),))
    assert (run.tokenizer, run.revision) == (str(adapter), "main")
    assert run.display_name(str(adapter)) == f"{tiny_model.name}__lora"


def test_the_commit_that_training_noted_counts(adapter: Path) -> None:
    point(adapter, revision="v2")
    run = Run(str(adapter), ("usmle",))
    assert on_base(run).revision == "v2"
    write_provenance(adapter, FACTS)
    assert on_base(run).revision == "v2"  # noted of another base
    point(adapter, base_model_name_or_path=FACTS.base.id)
    assert on_base(run).revision == FACTS.base.commit
    assert on_base(replace(run, revision="v3")).revision == "v3"


def test_what_is_no_adapter_stays(tiny_model: Path, adapter: Path) -> None:
    for run in (
        Run(str(tiny_model), ("usmle",)),
        Run("some/model", ("usmle",)),
        Run(str(adapter), ("usmle",), backend="openai", base_url="http://x/v1", tokenizer="x"),
    ):
        assert on_base(run) == run
    (adapter / "config.json").write_text("{}")
    assert on_base(Run(str(adapter), ())).model == str(adapter)


def test_refusals(adapter: Path) -> None:
    with pytest.raises(ModelError, match=r"is an adapter itself; .* with --adapter"):
        on_base(Run(str(adapter), ("usmle",), adapters=("x/y",)))
    point(adapter, base_model_name_or_path="")
    with pytest.raises(ModelError, match="names no base"):
        on_base(Run(str(adapter), ("usmle",)))
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match="pickled weights are not loaded"):
        on_base(Run(str(adapter), ("usmle",)))


def checkpoint(folder: Path, base: Path, *settings: str) -> Path:
    """Make an adapter's folder a checkpoint whose recipe has these settings."""
    recipe = load(write_recipe(base, folder.parent), settings)
    (folder / "recipe.yaml").write_text(to_yaml(recipe), encoding="utf-8")
    write_provenance(folder, FACTS)
    return folder


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["data.template=protocol"], "off"),
        (["data.template=chat"], "on"),
        (["data.template=protocol", "evaluation={tasks: [usmle], chat_template: on}"], "on"),
    ],
)
def test_prompts_are_wrapped_as_in_training(
    adapter: Path, tiny_model: Path, settings: list[str], expected: str
) -> None:
    folder = str(checkpoint(adapter, tiny_model, *settings))
    for run in (Run(folder, ()), Run(str(tiny_model), (), adapters=("base", folder))):
        assert as_trained(run).chat_template == expected
        assert as_trained(replace(run, chat_template="off")).chat_template == "off"
    assert as_trained(Run(str(tiny_model), ())).chat_template == "auto"


def test_recipes_that_differ_leave_the_wrapping_open(
    adapter: Path, tiny_model: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(adapter, tmp_path / "other" / "lora")
    folders = (
        str(checkpoint(adapter, tiny_model, "data.template=chat")),
        str(checkpoint(other, tiny_model, "data.template=protocol")),
    )
    assert as_trained(Run(str(tiny_model), (), adapters=folders)).chat_template == "auto"


def test_the_recipe_of_another_tool_is_none(adapter: Path) -> None:
    (adapter / "recipe.yaml").write_text("quant_stage: {quant_modifiers: {}}\n")
    assert recipe_of(str(adapter)) is None


def scores(folder: Path) -> Any:
    (file,) = folder.rglob("results_*.json")
    return json.loads(file.read_text())["results"]["usmle"]


def test_it_scores_as_the_adapter_does(adapter: Path, tiny_model: Path, tmp_path: Path) -> None:
    common = ["--tasks", "usmle", "--limit", "4", "--dtype", "float32", "--output"]
    main(["eval", str(adapter), *common, str(tmp_path / "folder")])
    words = ["--adapter", str(adapter), "--tokenizer", str(adapter)]
    main(["eval", str(tiny_model), *words, *common, str(tmp_path / "adapter")])
    assert scores(tmp_path / "folder") == scores(tmp_path / "adapter")
    assert [one.name for one in (tmp_path / "folder").iterdir()] == [f"{tiny_model.name}__lora"]
