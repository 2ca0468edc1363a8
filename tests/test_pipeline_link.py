"""Which recipes start from which, in what order, and what cannot be."""

import re
from pathlib import Path

import pytest

from medbench import paths
from medbench.errors import RecipeError
from medbench.pipeline.chain import link
from medbench.pipeline.job import Job, find_jobs
from medbench.pipeline.steps import train_step

COMMON = """
model: {id: org/base}
data: {mixture: [{benchmark: usmle}]}
training: {epochs: 1}
evaluation: {tasks: [usmle]}
"""
LORA = "include: _common.yaml\nmethod: {name: lora, rank: 2, alpha: 4, target_modules: [q_proj]}\n"
FULL = "include: _common.yaml\n"
PROMPT = "include: _common.yaml\nmethod: {name: prompt, virtual_tokens: 4}\n"
MIXTURE = """include: _common.yaml
method:
  {name: molora, rank: 2, alpha: 4, target_modules: [q_proj], expert_modules: [up_proj],
   experts: 4, experts_per_token: 2, shared_experts: 2}
"""
PAIRS = """include: _common.yaml
model: {start: {recipe: one, merge: attention}}
method:
  {name: orthogonal_lora, rank: 2, alpha: 4, expert_modules: [up_proj], shared_experts: 2,
   experts_from: one}
"""
BASELINE = "include: _common.yaml\nkind: baseline\n"


def after(name: str, kind: str = LORA, merge: str = "") -> str:
    """Return a recipe that starts from another one."""
    part = f", merge: {merge}" if merge else ""
    return f"{kind}model: {{start: {{recipe: {name}{part}}}}}\n"


def linked(
    folder: Path, recipes: dict[str, str], *names: str, overrides: tuple[str, ...] = ()
) -> tuple[dict[str, Job], dict[str, str]]:
    """Write recipes, and ask for some of them or for all."""
    (folder / "_common.yaml").write_text(COMMON)
    for name, text in recipes.items():
        (folder / f"{name}.yaml").write_text(text)
    places = [str(folder / f"{name}.yaml") for name in names] or [str(folder)]
    jobs, faults = find_jobs(places, overrides, folder / "out")
    found, misfits = link(jobs, overrides)
    return {job.name: job for job in found}, faults | misfits


def test_order_and_folders(tmp_path: Path) -> None:
    recipes = {
        "a_last": after("b_middle"),
        "b_middle": after("c_first"),
        "c_first": LORA,
        "d_whole": FULL,
        "e_on_whole": after("d_whole", BASELINE),
    }
    jobs, faults = linked(tmp_path, recipes)
    assert not faults
    assert list(jobs) == ["c_first", "b_middle", "a_last", "d_whole", "e_on_whole"]
    assert jobs["c_first"].merges == jobs["b_middle"].merges == ("all",)
    assert jobs["d_whole"].merges == ()
    out = tmp_path / "out"
    assert jobs["a_last"].starts == {"start": out / "b_middle-merged"}
    assert jobs["a_last"].recipe.model.weights == str(out / "b_middle-merged")
    assert jobs["a_last"].recipe.model.id == "org/base"
    command = jobs["a_last"].train_command(resume=False)
    assert f'model.start.folder="{out / "b_middle-merged"}"' in command
    scored = jobs["e_on_whole"].eval_command("none", ["usmle"])
    assert scored[:2] == ["eval", str(out / "d_whole")]


def test_each_part_is_merged_once(tmp_path: Path) -> None:
    recipes = {
        "one": MIXTURE,
        "two": after("one", merge="attention"),
        "three": after("one", merge="attention"),
        "four": after("one", merge="shared"),
    }
    jobs, faults = linked(tmp_path, recipes)
    assert not faults
    assert set(jobs["one"].merges) == {"attention", "shared"}
    assert jobs["two"].starts["start"].name == "one-attention"
    folder = jobs["two"].starts["start"]
    assert jobs["one"].merge_command("attention", folder)[-2:] == ["--only", "attention"]


def test_both_of_medcares_stages(tmp_path: Path) -> None:
    jobs, faults = linked(tmp_path, {"one": MIXTURE, "two": PAIRS}, "two")
    assert not faults
    out, two = tmp_path / "out", jobs["two"]
    assert jobs["one"].merges == ("attention",)
    assert two.after == ("one",)
    assert two.starts == {"start": out / "one-attention", "experts": out / "one"}
    assert two.recipe.method.experts_from == str(out / "one")


def test_what_is_pulled_in_takes_the_model_and_is_not_scored(tmp_path: Path) -> None:
    settings = ("model.id=org/other", "training.seed=7")
    recipes = {"one": LORA, "two": after("one")}
    jobs, faults = linked(tmp_path, recipes, "two", overrides=settings)
    assert not faults
    one, two = jobs["one"], jobs["two"]
    assert (one.is_asked, two.is_asked) == (False, True)
    assert one.recipe.model.id == "org/other"
    assert (one.recipe.training.seed, two.recipe.training.seed) == (42, 7)
    assert one.variants == () and two.variants == ("none",)


def test_a_folder_in_place_of_a_recipe(tmp_path: Path) -> None:
    settings = (f"model.start.folder={tmp_path}",)
    jobs, faults = linked(tmp_path, {"two": after("nobody")}, "two", overrides=settings)
    assert not faults and list(jobs) == ["two"]
    assert jobs["two"].recipe.model.weights == str(tmp_path)


def test_the_corpus_is_for_the_pre_training(tmp_path: Path) -> None:
    corpus = "kind: pretrain\nmodel: {id: org/base}\ncorpus: {sources: [{path: a, form: text}]}\n"
    recipes = {"first": f"{corpus}training: {{epochs: 1}}\n", "two": after("first")}
    settings = ("corpus.sources=[{path: b, form: text}]",)
    jobs, faults = linked(tmp_path, recipes, "two", overrides=settings)
    assert not faults
    assert [one.path for one in jobs["first"].recipe.corpus.sources] == ["b"]
    assert jobs["two"].overrides == ()
    assert jobs["two"].starts == {"start": tmp_path / "out" / "first"}


def test_two_recipes_of_one_name(tmp_path: Path) -> None:
    """Files or folders; one file that is named twice is one recipe."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "_common.yaml").write_text(COMMON)
        (tmp_path / name / "lora.yaml").write_text(LORA)
    files = [str(tmp_path / name / "lora.yaml") for name in ("a", "b")]
    both = f"{files[0]} and {files[1]} would both be made in {tmp_path / 'out' / 'lora'}"
    for places in (files, [files[0], str(tmp_path / "b")], [str(tmp_path / one) for one in "ab"]):
        with pytest.raises(RecipeError, match=re.escape(both)):
            find_jobs(places, (), tmp_path / "out")
    jobs, _ = find_jobs([files[0], str(tmp_path / "a")], (), tmp_path / "out")
    assert [job.name for job in jobs] == ["lora"]


def test_what_is_saved_counts_where_the_best_of_it_stays(tmp_path: Path) -> None:
    held = "data: {validation: [{benchmark: kormedmcqa, split: dev}]}\n"
    best = f"{LORA}{held}tracking: {{keep_best: true, save_every: 5}}\n"
    last = f"{LORA}{held}tracking: {{save_every: 5}}\n"
    jobs, _ = linked(tmp_path, {"best": best, "last": last})
    found = {
        name: train_step(job).settings.get("tracking.save_every") for name, job in jobs.items()
    }
    assert found == {"best": "5.0", "last": None}


def test_every_start_of_the_zoo_can_be_linked() -> None:
    jobs, faults = find_jobs([str(paths.folder("adapters"))], (), Path("out"))
    assert not faults
    found, misfits = link(jobs, ())
    assert not misfits
    names = [job.name for job in found]
    assert all(names.index(one) < names.index(job.name) for job in found for one in job.after)
    assert sum(bool(job.after) for job in found) >= 7


@pytest.mark.parametrize(
    ("recipes", "expected"),
    [
        (
            {"one": after("two"), "two": after("one")},
            {
                "one": "starts from itself: one → two → one",
                "two": "starts from itself: one → two → one",
            },
        ),
        ({"one": after("one")}, {"one": "starts from itself: one → one"}),
        ({"one": PAIRS.replace("one", "nobody")}, {"one": "method.experts_from: there is no"}),
        ({"one": after("nobody")}, {"one": "model.start.recipe: there is no recipe nobody"}),
        ({"one": after("_common")}, {"one": "holds defaults, which recipes include"}),
        (
            {"one": BASELINE, "two": after("one")},
            {"two": "one is a baseline: it leaves no checkpoint"},
        ),
        (
            {"one": FULL, "two": after("one", merge="all")},
            {"two": "model.start.merge: all, and one trains every weight: no adapter"},
        ),
        (
            {"one": LORA, "two": after("one", merge="shared"), "three": after("two")},
            {
                "two": "model.start.merge: shared; one trains lora, which has no parts",
                "three": "starts from two, which cannot be run",
            },
        ),
        ({"one": MIXTURE, "two": after("one")}, {"two": "say attention or shared"}),
        (
            {
                "one": MIXTURE.replace(", shared_experts: 2", ""),
                "two": after("one", merge="shared"),
            },
            {"two": "model.start.merge: shared; one has no shared experts"},
        ),
        (
            {"one": LORA, "two": PAIRS},
            {"two": "method.experts_from: one trains lora, without shared experts"},
        ),
        (
            {"one": MIXTURE.replace("rank: 2", "rank: 4"), "two": PAIRS},
            {"two": "method.rank: 2, and the experts of one have 4"},
        ),
        ({"one": PROMPT, "two": after("one")}, {"two": "vectors that are no part of any weight"}),
        (
            {"one": LORA + "model: {id: org/x}\n", "two": after("one")},
            {"two": "model.id: org/base, and one, which it starts from, is made of org/x"},
        ),
    ],
)
def test_refusals(tmp_path: Path, recipes: dict[str, str], expected: dict[str, str]) -> None:
    jobs, faults = linked(tmp_path, recipes)
    assert set(faults) == set(expected)
    for name, message in expected.items():
        assert message in faults[name]
    assert set(jobs) == set(recipes) - set(expected)


def test_all_faults_of_a_broken_start_are_told(tmp_path: Path) -> None:
    recipes = {"one": FULL + "colour: blue\n", "two": after("one")}
    jobs, faults = linked(tmp_path, recipes, "two")
    assert not jobs
    assert "colour: no such key" in faults["two"]
