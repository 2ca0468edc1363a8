"""What the settings of experts and pairs need, and where they would do nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from medbench.errors import RecipeError
from medbench.recipe import Facts, Method, Recipe, load, to_yaml
from medbench.training.memory import adapter_parameters

MOLORA = """
method:
  name: molora
  rank: 16
  alpha: 32
  dropout: 0.05
  target_modules: [q_proj, k_proj, v_proj, o_proj]
  expert_modules: [gate_proj, up_proj, down_proj]
  experts: 8
  experts_per_token: 2
  shared_experts: 2
"""
ORTHOGONAL = """
method:
  name: orthogonal_lora
  rank: 16
  alpha: 32
  expert_modules: [gate_proj, up_proj, down_proj]
  shared_experts: 2
  experts_from: somewhere
"""
REST = """
model: {id: Qwen/Qwen1.5-7B-Chat}
data: {mixture: [{benchmark: pubmedqa}]}
training: {epochs: 1, global_batch: 8}
"""
QWEN_7B = Facts(
    parameters=7_721_324_544,
    layers=32,
    hidden_size=4096,
    intermediate_size=11_008,
    heads=32,
    kv_heads=32,
    vocabulary=151_936,
    context=32_768,
)


def written(folder: Path, method: str) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(REST + method, encoding="utf-8")
    return file


@pytest.mark.parametrize("method", [MOLORA, ORTHOGONAL])
def test_both_stages_are_recipes(method: str, tmp_path: Path) -> None:
    found = load(written(tmp_path, method))
    again = tmp_path / "again.yaml"
    again.write_text(to_yaml(found), encoding="utf-8")
    assert load(again).method == found.method
    assert (found.method.load_balance, found.method.l2, found.method.orthogonality) == (0, 0, 1)


@pytest.mark.parametrize(
    ("method", "override", "expected"),
    [
        (MOLORA, "experts=null", "method.experts: molora needs it"),
        (MOLORA, "expert_modules=null", "method.expert_modules: molora needs it"),
        (MOLORA, "experts_per_token=9", "method.experts_per_token: 9 of 8 experts"),
        (MOLORA, "experts_per_token=1", "1 of 8: its gate is always 1, so no loss teaches"),
        (MOLORA, "target_modules=[up_proj]", "up_proj in target_modules too; a layer gets"),
        (MOLORA, "target_modules=all-linear", "name them instead of all-linear"),
        (MOLORA, "l2=0.1", "method.l2: changes nothing: only orthogonal_lora reads it"),
        (MOLORA, "modules_to_save=[norm]", "changes nothing: only lora, rslora, dora, qlora read"),
        (MOLORA, "{load_balance: 1, experts_per_token: 8}", "every token passes all 8 experts"),
        (MOLORA, "load_balance=-1", "method.load_balance: -1.0 must be at least 0"),
        (ORTHOGONAL, "experts_from=null", "method.experts_from: orthogonal_lora needs it"),
        (ORTHOGONAL, "shared_experts=null", "method.shared_experts: orthogonal_lora needs it"),
        (ORTHOGONAL, "experts=8", "method.experts: changes nothing: only molora reads it"),
        (ORTHOGONAL, "load_balance=1", "method.load_balance: changes nothing: only molora reads"),
        (ORTHOGONAL, "target_modules=[q_proj]", "reads it under wrap_attention: true"),
        (ORTHOGONAL, "wrap_attention=true", "method.target_modules: wrap_attention needs it"),
    ],
)
def test_contradictions(method: str, override: str, expected: str, tmp_path: Path) -> None:
    told = f"method{'=' if override.startswith('{') else '.'}{override}"
    with pytest.raises(RecipeError) as error:
        load(written(tmp_path, method), [told])
    first, *faults = str(error.value).splitlines()
    assert "has 1 fault:" in first and expected in faults[0]


@pytest.mark.parametrize(
    ("method", "overrides", "expected"),
    [
        (MOLORA, ["quantization.load=awq"], "experts cannot stand beside awq weights"),
        (
            MOLORA,
            ["evaluation={tasks: [pubmedqa-letters], backend: vllm}"],
            "evaluation.backend: vLLM runs no mixture of experts; use hf",
        ),
        (
            ORTHOGONAL,
            ["method.freeze_base_experts=true", "training.weight_decay=0.1"],
            "training.weight_decay: it would shrink the base experts",
        ),
    ],
)
def test_with_other_sections(
    method: str, overrides: list[str], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=expected):
        load(written(tmp_path, method), overrides)


@pytest.mark.parametrize(
    ("text", "changes", "millions"),
    [
        (MOLORA, {}, 236.9 + 16.8),
        (MOLORA, {"target_modules": ()}, 236.9),
        (ORTHOGONAL, {}, 92.8),
        (ORTHOGONAL, {"wrap_attention": True, "target_modules": ("q_proj",)}, 92.8 + 8.4),
    ],
)
def test_as_many_weights_as_the_original_counts(
    text: str, changes: dict[str, object], millions: float, tmp_path: Path
) -> None:
    """Of Qwen1.5-7B; MedCare's two stages."""
    recipe: Recipe = load(written(tmp_path, text))
    method: Method = replace(recipe.method, **changes)  # type: ignore[arg-type]
    found = adapter_parameters(replace(recipe, method=method), QWEN_7B)
    assert found / 1e6 == pytest.approx(millions, abs=0.06)
