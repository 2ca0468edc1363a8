"""Every recipe in the zoo: it loads, names what exists, and fits the model that it is for."""

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from medbench import paths
from medbench.data import DATASETS
from medbench.recipe import (
    EXPERTS,
    LOW_RANK,
    VIRTUAL_TOKENS,
    Facts,
    Method,
    Recipe,
    load,
    recipes,
    to_yaml,
)
from medbench.training import methods
from medbench.training.estimate import estimate
from medbench.training.memory import adapter_parameters

ZOO = paths.folder("adapters")
REMOTE = {"ExaoneForCausalLM", "InternLMForCausalLM", "InternLM2ForCausalLM"}
PATHS = recipes()


@cache
def zoo() -> dict[str, Recipe]:
    return {recipe.name: recipe for recipe in map(load, PATHS)}


def models() -> dict[str, Recipe]:
    """One recipe for each set of weights that transformers can build."""
    found = {one.model.id: one for one in zoo().values() if not one.model.trust_remote_code}
    return {name: one for name, one in found.items() if one.quantization.load != "awq"}


def name(path: Path) -> str:
    return path.relative_to(ZOO).with_suffix("").as_posix()


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_recipe(path: Path, tmp_path: Path) -> None:
    recipe = load(path)
    assert recipe.name == name(path)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    verb = "run" if recipe.kind == "baseline" or recipe.model.start else "train"
    flag = " --federated" if recipe.federated else ""
    assert first == f"# medbench {verb} adapters/{recipe.name}.yaml{flag}"
    again = tmp_path / "recipe.yaml"
    again.write_text(to_yaml(recipe), encoding="utf-8")
    assert load(again) == recipe
    expected = estimate(recipe)  # looks benchmarks, subsets, splits and protocols up
    assert expected.memory and expected.devices_needed
    if recipe.kind != "baseline":
        assert expected.steps and expected.effective_batch == recipe.training.global_batch


def test_every_default_is_included_and_explained() -> None:
    files = list(ZOO.rglob("*.yaml"))
    included = set()
    for path in files:
        parents = yaml.safe_load(path.read_text(encoding="utf-8")).get("include", [])
        included |= {
            (path.parent / one).resolve()
            for one in (parents if isinstance(parents, list) else [parents])
        }
    defaults = {path.resolve() for path in files} - {path.resolve() for path in PATHS}
    assert included == defaults
    assert all(path.read_text(encoding="utf-8").startswith("# ") for path in defaults)


def test_tasks_exist() -> None:
    from medbench.engine.plan import task_manager

    known = set(task_manager().all_tasks)
    named = {task for one in zoo().values() for task in one.evaluation.tasks}
    assert named and named <= known


def test_the_grid_is_whole() -> None:
    grid = [name for name in zoo() if name.startswith("kormedmcqa/")]
    cells = Counter(name.rpartition("/")[2] for name in grid)
    assert cells["full"] == cells["lora"] == 7
    assert {one.method.name for one in zoo().values()} >= {"full", "lora", "qlora", *VIRTUAL_TOKENS}
    mmedbench = [
        one for one in zoo().values() if one.name.startswith("mmedbench") and one.kind == "sft"
    ]
    assert Counter(one.method.name for one in mmedbench) == {"full": 10, "lora": 10}
    for one in mmedbench:
        assert estimate(one).examples == 2 * 45_048 and estimate(one).effective_batch == 128
        assert bool(one.reported) == (one.method.name == "full")


def test_reported_scores_are_of_known_subsets() -> None:
    known = {subset for _, subset in DATASETS} | {"usmle", "medmcqa", "pubmedqa", "average"}
    known |= {f"{benchmark}-{subset}" for benchmark, subset in DATASETS}
    for one in zoo().values():
        assert {key for part in one.reported.values() for key in part.scores} <= known, one.name


def config(recipe: Recipe, facts: Facts) -> Any:
    """Return the configuration that a model's facts make."""
    import transformers

    kind = getattr(transformers, recipe.model.architecture).config_class
    sizes = {
        "hidden_size": facts.hidden_size,
        "intermediate_size": facts.intermediate_size,
        "num_hidden_layers": facts.layers,
        "num_attention_heads": facts.heads,
        "num_key_value_heads": facts.kv_heads,
        "vocab_size": facts.vocabulary,
        "tie_word_embeddings": facts.tied_embeddings,
        "pad_token_id": 0,
    }
    if facts.head_size:
        sizes["head_dim"] = facts.head_size
    if recipe.model.architecture == "Gemma3ForConditionalGeneration":
        sight = {
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
            "image_size": 896,
            "patch_size": 14,
            "vision_use_head": False,
        }
        return kind(text_config=sizes, vision_config=sight)
    return kind(**sizes)


def build(recipe: Recipe, facts: Facts, device: str) -> Any:
    import torch
    import transformers

    torch.manual_seed(0)
    with torch.device(device):
        return getattr(transformers, recipe.model.architecture)(config(recipe, facts))


@pytest.mark.parametrize("model", models())
def test_facts_layer_class_and_target_modules(model: str) -> None:
    """At full size, on no device at all."""
    import torch

    recipe = models()[model]
    facts = recipe.model.facts
    assert facts
    built = build(recipe, facts, "meta")
    assert sum(one.numel() for one in built.parameters()) == facts.parameters
    classes = Counter(type(module).__name__ for module in built.modules())
    assert classes[recipe.model.layer_class] == facts.layers
    linear = Counter(
        path.rpartition(".")[2]
        for path, module in built.named_modules()
        if isinstance(module, torch.nn.Linear)
    )
    for one in zoo().values():
        if one.model.id == model:
            experts = one.method.expert_modules or ()
            for target in (*(one.method.target_modules or ()), *experts):
                assert linear[target] == facts.layers, (
                    f"{one.name}: no {target} in {sorted(linear)}"
                )


def test_models_with_code_of_their_own_are_not_checked() -> None:
    """Their sizes still add up: a gated decoder, with biases on attention in InternLM."""
    from medbench.training.shapes import linear_shapes

    remote = {one.name: one for one in zoo().values() if one.model.trust_remote_code}
    assert {one.model.architecture for one in remote.values()} == REMOTE
    readme = (ZOO / "README.md").read_text(encoding="utf-8")
    for one in remote.values():
        facts = one.model.facts
        assert facts and one.model.id in readme
        shapes = linear_shapes(facts)
        assert set(one.method.target_modules or ()) <= set(shapes)
        parts = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
        layer = sum(i * o for i, o in map(shapes.get, parts)) + 2 * facts.hidden_size
        if one.model.architecture == "InternLMForCausalLM":
            layer += 4 * facts.hidden_size
        embeddings = facts.vocabulary * facts.hidden_size * (1 if facts.tied_embeddings else 2)
        assert facts.layers * layer + embeddings + facts.hidden_size == facts.parameters, one.name


def tiny(facts: Facts) -> Facts:
    """Return the same proportions in small."""
    return replace(
        facts,
        layers=2,
        hidden_size=32,
        intermediate_size=48,
        heads=4,
        kv_heads=max(1, 4 * facts.kv_heads // facts.heads),
        head_size=8,
        vocabulary=64,
    )


def adapters() -> list[str]:
    """One recipe for each architecture and way to adapt it."""
    found = {
        (one.model.architecture, one.method.name, one.method.target_modules): one.name
        for one in zoo().values()
        if one.method.name != "full" and not one.model.trust_remote_code
    }
    return sorted(found.values())


def peft_config(recipe: Recipe, method: Method) -> Any:
    import peft

    if method.name in EXPERTS:
        return methods.peft_config(replace(recipe, method=method))
    if method.name in LOW_RANK:
        return peft.LoraConfig(
            r=method.rank or 0,
            lora_alpha=method.alpha or 0,
            target_modules=list(method.target_modules or ()),
            use_dora=method.name == "dora",
            task_type="CAUSAL_LM",
        )
    kinds: dict[str, Any] = {
        "prefix": peft.PrefixTuningConfig,
        "p_tuning": peft.PromptEncoderConfig,
        "prompt": peft.PromptTuningConfig,
    }
    settings: dict[str, Any] = {"num_virtual_tokens": method.virtual_tokens}
    if method.encoder_hidden_size:
        settings["encoder_hidden_size"] = method.encoder_hidden_size
    if method.name == "prefix" and method.encoder_hidden_size:
        settings["prefix_projection"] = True
    return kinds[method.name](task_type="CAUSAL_LM", **settings)


@pytest.mark.parametrize("recipe_name", adapters())
def test_adapter_on_a_tiny_model(recipe_name: str) -> None:
    """PEFT accepts it, and trains as many weights as the estimate says."""
    import peft

    recipe = zoo()[recipe_name]
    assert recipe.model.facts
    facts = tiny(recipe.model.facts)
    if recipe.model.architecture == "BloomForCausalLM":
        facts = replace(facts, intermediate_size=128, head_size=None)
    ways = [recipe.method]
    if recipe.method.name in EXPERTS:
        ways.append(replace(recipe.method, shared_experts=1))
    elif recipe.method.name in LOW_RANK:
        ways.append(replace(recipe.method, name="dora"))
    else:
        ways.append(replace(recipe.method, encoder_hidden_size=None))
    for method in ways:
        model = peft.get_peft_model(build(recipe, facts, "cpu"), peft_config(recipe, method))
        trained, _ = model.get_nb_trainable_parameters()
        adapted = replace(recipe, method=method)
        assert trained == adapter_parameters(adapted, facts), method.name
