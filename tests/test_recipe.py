"""Recipes: includes, overrides, types and what goes together; every fault is told, and at once."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medbench import paths
from medbench.errors import RecipeError
from medbench.recipe import Model, Recipe, find, load, recipes, to_yaml
from medbench.recipe.reference import reference

DEFAULT = """
model: {id: some/model, layer_class: LlamaDecoderLayer}
method: {name: lora, rank: 8, alpha: 16, target_modules: [q_proj]}
data:
  mixture: [{benchmark: pubmedqa}]
training: {epochs: 3, global_batch: 32, per_device_batch: 4}
evaluation: {tasks: [pubmedqa-letters]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A default and a recipe that only includes it."""
    write(tmp_path, "_default", DEFAULT)
    write(tmp_path, "recipe", "include: _default.yaml\n")
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def faults(path: Path, *overrides: str) -> list[str]:
    """Return the lines under the first of what `load` raises."""
    with pytest.raises(RecipeError) as error:
        load(path, overrides)
    first, *rest = str(error.value).splitlines()
    assert first.split(": ")[0].endswith(f"{len(rest)} fault{'s' * (len(rest) > 1)}:"), first
    return [line.strip() for line in rest]


def test_a_default_and_what_differs(folder: Path) -> None:
    path = write(folder, "mine", "include: _default.yaml\ntraining: {learning_rate: 1e-6}\n")
    recipe = load(path)
    assert recipe.name == "mine"
    assert (recipe.training.learning_rate, recipe.training.epochs) == (1e-6, 3.0)
    assert recipe.method.target_modules == ("q_proj",)
    assert (recipe.replicas, recipe.accumulation) == (1, 8)
    with pytest.raises(AttributeError):
        recipe.name = "other"


def test_includes_chain_and_the_later_wins(folder: Path) -> None:
    write(folder, "deep/_low", "training: {seed: 1, epochs: 1}\n")
    write(folder, "deep/_mid", "include: [_low.yaml, ../_default.yaml]\ntraining: {warmup: 5}\n")
    path = write(folder, "deep/er/top", "include: [../_mid.yaml, ../_low.yaml]\n")
    recipe = load(path)
    assert (recipe.training.seed, recipe.training.epochs, recipe.training.warmup) == (1, 1, 5)
    assert recipe.data.mixture[0].benchmark == "pubmedqa"


def test_sections_merge_and_lists_are_replaced(folder: Path) -> None:
    text = "include: _default.yaml\ndata: {mixture: [{benchmark: usmle}], sequence_length: 9}\n"
    recipe = load(write(folder, "mine", text))
    assert [part.benchmark for part in recipe.data.mixture] == ["usmle"]
    assert recipe.data.sequence_length == 9


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (["training.learning_rate=1e-4"], "learning_rate", 1e-4),
        (["training.learning_rate=1E-4"], "learning_rate", 1e-4),
        (["training.epochs=2"], "epochs", 2.0),
        (["training.epochs = 2", "training.epochs=1"], "epochs", 1.0),
        (["training.max_grad_norm=null"], "max_grad_norm", None),
        (["training.gradient_checkpointing=true"], "gradient_checkpointing", True),
        (["training={seed: 7}"], "seed", 7),
        (["training.max_steps=10"], "epochs", None),  # the default's epochs do not apply
    ],
)
def test_overrides(folder: Path, overrides: list[str], key: str, value: object) -> None:
    assert getattr(load(folder / "recipe.yaml", overrides).training, key) == value


def test_overrides_of_lists_and_of_words_that_yaml_reads_otherwise(folder: Path) -> None:
    words = ["evaluation.tasks=usmle", "method.target_modules=[a, b]"]
    recipe = load(folder / "recipe.yaml", [*words, "evaluation.chat_template=off"])
    assert recipe.evaluation.tasks == ("usmle",)
    assert recipe.method.target_modules == ("a", "b")
    assert recipe.evaluation.chat_template == "off"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["training.learning_rat=1"], "learning_rat: no such key; did you mean learning_rate?"),
        (["learning_rate=1"], "learning_rate: no such key; did you mean training.learning_rate?"),
        (["zzz=1"], "zzz: no such key; there are name, kind, source, model"),
        (["training.seed=1.5"], "training.seed: 1.5 must be a whole number"),
        (["training.seed=true"], "training.seed: True must be a whole number"),
        (["training.epochs=inf"], "training.epochs: inf must be a number"),
        (["training.epochs=many"], "training.epochs: 'many' must be a number"),
        (["training.epochs=0"], "training.epochs: 0.0 must be more than 0"),
        (["method.dropout=1"], "method.dropout: 1.0 must be at least 0 and less than 1"),
        (["launch.devices=0"], "launch.devices: 0 must be at least 1"),
        (["data.packing=maybe"], "data.packing: 'maybe' must be true or false"),
        (["model.revision=1234567"], "model.revision: 1234567 must be text; put it in quotes"),
        (["training.precision=bf16"], "bf16 is unknown; did you mean bfloat16?"),
        (["kind=rl"], "kind: rl is unknown; it is one of baseline, sft"),
        (["training=3"], "training: 3 must be a mapping"),
        (["data.mixture=[{benchmark: usmle, splt: dev}]"], "mixture.0.splt: no such key; did you"),
        (["data.mixture=[{split: dev}]"], "data.mixture.0.benchmark: is missing"),
        (["reported.x={source: a, protocol: b}"], "reported.x.scores: is missing"),
        (["model.start.folder=/x"], "model.start.recipe: is missing"),
        (["model.start={recipe: x, merge: some}"], "some is unknown; it is one of all, attention"),
        (["training.seed"], "the file: 'training.seed' must look like section.key=value"),
        (["=3"], "the file: '=3' must look like section.key=value"),
    ],
)
def test_unreadable_settings(folder: Path, overrides: list[str], expected: str) -> None:
    [fault] = faults(folder / "recipe.yaml", *overrides)
    assert expected in fault and fault.endswith("[command line]")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["training.per_device_batch=5"], "32 is no multiple of the 5 examples at once (1 × 5)"),
        (["launch.strategy=ddp", "launch.devices=3"], "no multiple of the 12 examples at once"),
        (["training.epochs=null"], "training.epochs: how long? epochs or max_steps"),
        (["training.epochs=1", "training.max_steps=1"], "training.epochs: changes nothing: max_st"),
        (["training.schedule=cosine_with_min"], "min_learning_rate: cosine_with_min needs it"),
        (["training.min_learning_rate=0"], "changes nothing: only schedule cosine_with_min"),
        (["training.schedule=constant", "training.warmup=3"], "schedule constant has no warm-up"),
        (["method.rank=null"], "method.rank: lora needs it"),
        (["method.name=full", "method.rank=4"], "rank: changes nothing: only lora, rslora, dora"),
        (["method.name=prompt"], "method.virtual_tokens: prompt needs it"),
        (["method.virtual_tokens=4"], "virtual_tokens: changes nothing: only prefix, p_tuning"),
        (["quantization.load=nf4"], "LoRA beside nf4 weights is called qlora here"),
        (["method.name=qlora"], "none with qlora: its weights have 4 bits"),
        (["method.name=full", "quantization.load=int8"], "int8 weights cannot be trained"),
        (["quantization.double_quant=true"], "changes nothing: only load nf4 and fp4 read it"),
        (["evaluation.quantization=nf4", "evaluation.backend=vllm"], "use backend hf"),
        (["launch.strategy=ddp"], "ddp over one device is single"),
        (["launch.nodes=2"], "single runs on one machine, not on 2"),
        (["launch.offload=all"], "changes nothing: only fsdp, deepspeed_zero3, deepspeed_zero2"),
        (["launch.strategy=deepspeed_zero2", "launch.offload=all"], "ZeRO-2 keeps the weights"),
        *(
            (
                ["training.precision=pure_bfloat16", f"launch={{strategy: {one}, devices: 4}}"],
                "training.precision: DeepSpeed keeps float32 copies whatever it trains; use prec",
            )
            for one in ("deepspeed_zero2", "deepspeed_zero3")
        ),
        (["data.system=Hello"], "data.system: changes nothing: only template chat reads it"),
        (["tracking.keep_best=true"], "changes nothing: there is no data.validation"),
        (["data.mixture=[]"], "data.mixture: name at least one benchmark to train on"),
        (["data.mixture=[{benchmark: a, split: test}]"], "what is trained on cannot score"),
        (["data.validation=[{benchmark: pubmedqa}]"], "pubmedqa train is trained on; hold other"),
        (["evaluation.tasks=[]", "evaluation.limit=3"], "there are no evaluation.tasks"),
        (["kind=baseline", "training.seed=3"], "changes nothing: kind baseline trains nothing"),
        (["kind=baseline", "evaluation.tasks=[]"], "a baseline is only scored: name at least one"),
        (
            ["reported.x={source: a, protocol: b, out_of: 1, scores: {c: 50}}"],
            "{'c': 50.0}: there must be some, from 0 to 1",
        ),
    ],
)
def test_contradictions(folder: Path, overrides: list[str], expected: str) -> None:
    [fault] = faults(folder / "recipe.yaml", *overrides)
    assert expected in fault


def test_all_faults_at_once_each_with_its_file(folder: Path) -> None:
    write(folder, "_default", DEFAULT.replace("epochs: 3", "epochs: x"))
    text = "include: _default.yaml\nmethod: {name: full, rank: 2}\ntrainng: 1\n"
    found = faults(write(folder, "mine", text), "training.per_device_batch=7", "tracking.keep=0")
    assert [line.split(": ")[0] for line in found] == [
        "trainng",
        "training.epochs",
        "tracking.keep",
        "training.global_batch",
        "method.rank",
    ]
    assert [line.rpartition("/")[2] for line in found][1] == "_default.yaml]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("include: nowhere.yaml\n", "include: there is no nowhere.yaml here"),
        ("include: recipe.yaml\n", "include: goes in a circle: recipe.yaml → recipe.yaml"),
        ("include: _default.yaml\nkind: sft\nkind: sft\n", "kind: stands twice, again in line 3"),
        ("include: _default.yaml\nno: 1\n", "no: is no name for YAML; put it in quotes"),
        ("- a\n", "the file: holds no settings"),
        ("", "the file: holds no settings"),
        ("a: b: c\n", "the file: is not YAML: mapping values are not allowed here"),
        ("include: _default.yaml\nkind: !!python/name:os.system\n", "the file: is not YAML: could"),
    ],
)
def test_unreadable_files(folder: Path, text: str, expected: str) -> None:
    assert any(expected in fault for fault in faults(write(folder, "recipe", text)))


def test_a_circle_of_several(folder: Path) -> None:
    write(folder, "_b", "include: recipe.yaml\n")
    path = write(folder, "recipe", "include: _b.yaml\n")
    assert "circle: recipe.yaml → _b.yaml → recipe.yaml" in faults(path)[0]


def test_a_default_that_does_not_apply_is_dropped(folder: Path) -> None:
    recipe = load(write(folder, "mine", "include: _default.yaml\nmethod: {name: full}\n"))
    assert (recipe.method.rank, recipe.method.target_modules) == (None, None)
    assert "rank" not in yaml.safe_load(to_yaml(recipe))["method"]
    baseline = load(folder / "recipe.yaml", ["kind=baseline"])
    assert baseline.data.mixture == () and "training" not in yaml.safe_load(to_yaml(baseline))


def test_found_by_name_and_defaults_cannot_run(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"_default.yaml holds defaults, which recipes include"):
        load(folder / "_default.yaml")
    with pytest.raises(RecipeError, match=r"no recipe nobody/nothing, neither .* in .*adapters$"):
        load("nobody/nothing")
    assert load("demo/smollm2_lora") == load(paths.folder("adapters") / "demo/smollm2_lora.yaml")
    assert recipes(folder) == [folder / "recipe.yaml"]


def test_a_start(folder: Path) -> None:
    path = write(folder, "mine", "include: _default.yaml\nmodel: {start: {recipe: recipe}}\n")
    recipe = load(path)
    assert recipe.model.start and recipe.model.start.merge is None
    assert (recipe.model.id, recipe.model.weights) == ("some/model", "some/model")
    placed = load(path, ["model.start.folder=/runs/x"])
    assert (placed.model.id, placed.model.weights) == ("some/model", "/runs/x")
    assert load(write(folder, "again", to_yaml(placed))).model == placed.model
    assert find(Path("mine"), folder) == find(Path("mine.yaml"), folder) == path.resolve()


NAMES = st.text("abc: #'\"\n가-", max_size=8)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(NAMES, st.floats(1e-9, 1e3), st.integers(1, 9), st.booleans(), st.lists(NAMES.filter(bool)))
def test_written_and_read_again(
    folder: Path, text: str, rate: float, rank: int, flag: bool, names: list[str]
) -> None:
    given = {
        "include": "_default.yaml",
        "source": text,
        "training": {"learning_rate": rate, "gradient_checkpointing": flag},
        "method": {"rank": rank, "modules_to_save": names},
        "reported": {"x": {"source": text, "protocol": "", "scores": {"a": 12.5}}},
    }
    recipe = load(write(folder, "mine", yaml.safe_dump(given, allow_unicode=True)))
    assert load(write(folder, "again", to_yaml(recipe))) == recipe
    assert recipe.source == text and recipe.training.learning_rate == rate


def test_light() -> None:
    code = "import medbench.recipe, sys; assert not {'torch', 'datasets'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_made_in_python() -> None:
    recipe = Recipe(model=Model(id="some/model"))
    assert recipe.accumulation == 128 and "id: some/model" in to_yaml(recipe)


def test_every_setting_is_explained() -> None:
    lines = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(lines) > 80
    assert all(line.split("|")[3].strip() for line in lines)
