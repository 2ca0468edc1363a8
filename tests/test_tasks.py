"""Every YAML below tasks/: found by lm-eval, loadable on the sample, told apart from all others."""

import functools
import re
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import lm_eval.tasks
import pytest
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

from medbench import paths
from medbench.data import DATASETS
from medbench.engine.plan import load_tasks, resolve, task_manager
from medbench.errors import TaskError
from medbench.scoring.protocols import PROTOCOLS

FOLDER = paths.folder("tasks")
FILES = sorted(FOLDER.rglob("*.yaml"))
MANAGER = TaskManager(include_path=str(FOLDER), include_defaults=False)
TASKS, GROUPS = MANAGER.all_subtasks, MANAGER.all_groups
LANGUAGES = ("chinese", "english", "french", "japanese", "russian", "spanish")


def config(name: str) -> dict[str, Any]:
    read: dict[str, Any] = load_yaml(MANAGER.task_index[name].yaml_path, resolve_func=False)
    return read


@functools.cache
def task(name: str) -> Any:
    return task_manager().load([name])["tasks"][name]


def test_every_file_is_one_task_or_group() -> None:
    """lm-eval skips what it cannot parse, and names that it has seen, without a word."""
    indexed = {Path(entry.yaml_path) for entry in MANAGER.task_index.values() if entry.yaml_path}
    assert indexed == set(FILES)
    assert len(TASKS) + len(GROUPS) == len(FILES) == len(MANAGER.all_tasks)


def test_templates_are_included_by_something() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in FOLDER.rglob("*yaml")}
    used = {
        (path.parent / found[1]).resolve()
        for path, text in texts.items()
        if (found := re.search(r"^include: (\S+)$", text, re.MULTILINE))
    }
    assert used == set(texts) - set(FILES)


@functools.cache
def lm_eval_names() -> frozenset[str]:
    """Collect the names of all 14,000 files without parsing them."""
    one = re.compile(r"^(?:task|group|tag): *[\"']?([^\s\"'\[]+)", re.MULTILINE)
    several = re.compile(r"^(?:group|tag): *((?:\[.*\]|(?:\n *- *\S+)+))", re.MULTILINE)
    names: set[str] = set()
    for path in Path(lm_eval.tasks.__file__).parent.rglob("*yaml"):
        text = path.read_text(encoding="utf-8")
        names.update(one.findall(text))
        names.update(*(re.findall(r"[^\s,\[\]'\"]+", found) for found in several.findall(text)))
    return frozenset(names)


def test_no_name_is_taken() -> None:
    theirs = lm_eval_names()
    assert len(theirs) > 10_000
    assert {"medqa_4options", "kormedmcqa", "kormedmcqa_doctor", "careqa_en"} <= theirs
    assert not theirs & set(MANAGER.all_tasks)


def test_their_wildcards_do_not_reach_our_tasks() -> None:
    """`lm_eval --tasks 'kormedmcqa_*'` runs what it ran before."""
    patterns = {f"{name.split('_')[0]}_*" for name in lm_eval_names()}
    hit = {name for name in MANAGER.all_tasks for one in patterns if fnmatch(name, one)}
    assert not hit


def prefixes() -> list[str]:
    """Every beginning of one of our names that an underscore ends."""
    found = {name[: at.start()] for name in MANAGER.all_tasks for at in re.finditer("_", name)}
    return sorted(found)


@pytest.mark.parametrize("prefix", prefixes())
def test_wildcard_runs_in_plain_lm_eval(prefix: str) -> None:
    """lm-eval refuses a group together with its member; no `<prefix>_*` hits both."""
    matches = set(MANAGER.match_tasks([f"{prefix}_*"]))
    assert matches
    for group in matches & set(GROUPS):
        assert not matches & set(config(group)["task"])


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("mmedbench_*", [f"mmedbench_{language}" for language in LANGUAGES]),
        ("mmedbench-paper_*", [f"mmedbench-paper_{language}" for language in LANGUAGES]),
        ("mmedbench*", ["mmedbench", "mmedbench-paper", "mmedbench-rationale"]),
        ("usmle*", [name for name in TASKS if name.startswith("usmle") and "flower" not in name]),
        ("*-flowertune*", [name for name in TASKS if "flowertune" in name]),
        ("*", [*GROUPS, "medmcqa-cot", "medmcqa-letters", "pubmedqa-cot", "pubmedqa-letters"]),
    ],
)
def test_wildcards_of_medbench_eval(pattern: str, names: list[str]) -> None:
    """A group stands for its members there."""
    found = resolve([pattern], MANAGER)
    assert set(names) <= set(found)
    members = [name for group in found if group in GROUPS for name in config(group)["task"]]
    reached = [*members, *(name for name in found if name in TASKS)]
    assert max(Counter(reached).values()) == 1
    assert set(reached) >= {name for name in TASKS if fnmatch(name, pattern)}


def test_mmedbench_wildcard_is_exactly_the_six_languages() -> None:
    assert MANAGER.match_tasks(["mmedbench_*"]) == [f"mmedbench_{one}" for one in LANGUAGES]


def test_unknown_names_are_told_together() -> None:
    with pytest.raises(TaskError) as error:
        resolve(["mmedbench_frensh", "usmle", "xyzzy"], MANAGER)
    assert "'mmedbench_frensh' (did you mean mmedbench_french" in str(error.value)
    assert "'xyzzy'." in str(error.value)


@pytest.mark.parametrize("name", GROUPS)
def test_group(name: str) -> None:
    group = config(name)
    assert set(group) == {"group", "task", "aggregate_metric_list", "metadata"}
    assert group["metadata"]["version"]
    assert set(group["task"]) <= set(TASKS)
    for metric in group["aggregate_metric_list"]:
        for member in map(config, group["task"]):
            filters = [one["name"] for one in member.get("filter_list", [{"name": "none"}])]
            assert metric["metric"] in [one["metric"] for one in member["metric_list"]]
            assert set(metric["filter_list"]) <= set(filters)


@pytest.mark.parametrize(
    ("group", "weighted", "size"),
    [("mmedbench", False, 6), ("kormedmcqa-letters", True, 4), ("flowertune", False, 4)],
)
def test_means(group: str, weighted: bool, size: int) -> None:
    content = config(group)
    assert len(content["task"]) == size
    assert {one["weight_by_size"] for one in content["aggregate_metric_list"]} == {weighted}


def test_every_benchmark_and_protocol_is_asked() -> None:
    asked = {
        (one["metadata"]["benchmark"], one["metadata"]["protocol"]) for one in map(config, TASKS)
    }
    assert asked == {(name, how) for name, protocols in PROTOCOLS.items() for how in protocols}


@pytest.mark.parametrize("name", TASKS)
def test_task(name: str) -> None:
    loaded, written = task(name), config(name)
    metadata = written["metadata"]
    assert metadata["version"]
    assert (metadata["benchmark"], written["dataset_kwargs"]["subset"]) in DATASETS
    assert FOLDER / metadata["benchmark"] == Path(MANAGER.task_index[name].yaml_path).parent
    docs = list(loaded.test_docs())
    texts = [loaded.doc_to_text(doc) for doc in docs]
    assert len(docs) >= 6
    assert all(isinstance(text, str) and text for text in texts)
    assert len(set(texts)) == len(texts)
    if loaded.config.target_delimiter.isspace():  # upstream's rule for new tasks
        assert all(text == text.rstrip() for text in texts)
    else:
        assert loaded.config.target_delimiter == ""


@pytest.mark.parametrize("name", TASKS)
def test_answers(name: str) -> None:
    loaded = task(name)
    generates = loaded.OUTPUT_TYPE == "generate_until"
    for doc in loaded.test_docs():
        if generates:
            assert loaded.doc_to_target(doc) == ", ".join(doc["gold"])
            assert doc["choices"] == []
        else:
            choices, gold = loaded.doc_to_choice(doc), loaded.doc_to_target(doc)
            assert len(choices) == len(set(choices)) >= 2
            assert isinstance(gold, int)
            assert choices[gold] == doc["answer"]
    if generates:
        assert {"</s>", "<|im_end|>"} <= set(loaded.config.generation_kwargs["until"])
        assert loaded.config.generation_kwargs["do_sample"] is False


@pytest.mark.parametrize("name", TASKS)
def test_shots_come_from_elsewhere(name: str) -> None:
    """No prompt holds its own question as an example."""
    loaded = task(name)
    if loaded.config.num_fewshot == 0:
        return
    for doc in loaded.test_docs():
        prompt = loaded.fewshot_context(doc, num_fewshot=2)
        assert prompt.count(doc["prompt"]) == 1


def test_all_load_together() -> None:
    """As `medbench eval --tasks '*'` does it."""
    assert set(load_tasks(resolve(["*"], MANAGER), MANAGER)) == set(TASKS)
