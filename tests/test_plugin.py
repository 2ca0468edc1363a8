"""Plain `lm_eval` beside an installed wheel: our tasks and models are there, all else is as before.

Every environment is a fresh one that holds the wheel and sees the packages of the running one.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import NamedTuple

import lm_eval
import pytest
from lm_eval.tasks import TaskManager

from medbench import paths

pytestmark = pytest.mark.xdist_group("plugin")

ROOT = paths.folder("tasks").parent
OURS = TaskManager(include_path=str(paths.folder("tasks")), include_defaults=False).all_tasks
KEPT_TASKS = ("medqa", "kormedmcqa")
DISCOVERY = '''

def discover_plugin_task_paths():
    """As upstream pull request 4015 reads the entry points."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    found = []
    for one in entry_points(group="lm_eval.tasks"):
        try:
            found += map(Path, find_spec(one.value).submodule_search_locations)
        except ModuleNotFoundError:
            continue  # it only warns
    return found
'''


class Environment(NamedTuple):
    """A virtual environment."""

    folder: Path

    @property
    def packages(self) -> Path:
        return next(self.folder.glob("lib/python*/site-packages"))

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        inherited = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
        return subprocess.Popen(
            [self.folder / "bin/python", *arguments],
            env={**inherited, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> str:
        out, err = self.start(*arguments, **variables).communicate(timeout=300)
        assert "Traceback" not in err, err
        return out

    def index(self, arguments: str = "", **variables: str) -> dict[str, str]:
        """Return lm-eval's index as name: path."""
        code = (
            f"from lm_eval.tasks import TaskManager\nindex = TaskManager({arguments})._index\n"
            "for name, entry in index.items(): print(name, entry.yaml_path)"
        )
        return dict(line.split(" ", 1) for line in self.run("-c", code, **variables).splitlines())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def make_environment(folder: Path, wheel: Path, *places: Path) -> Environment:
    """Install the wheel, then let further places and the running environment be seen behind it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    made = Environment(folder)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = ["install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, "--python", folder / "bin/python", *install], check=True)
    seen = [*places, Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))]
    lines = "".join(f"{place}\n" for place in dict.fromkeys(seen))
    (made.packages / "others.pth").write_text(lines, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel beside the lm-eval of the running environment."""
    return make_environment(tmp_path_factory.mktemp("venv") / "installed", wheel)


def copy_lm_eval(folder: Path) -> Path:
    """Copy lm-eval with three task folders only: it is indexed in a moment."""
    source = Path(lm_eval.__file__).parent

    def skipped(place: str, names: list[str]) -> list[str]:
        in_tasks = Path(place) == source / "tasks"
        return [
            name
            for name in names
            if name == "__pycache__"
            or (in_tasks and Path(place, name).is_dir() and name not in KEPT_TASKS)
        ]

    shutil.copytree(source, folder / "lm_eval", ignore=skipped)
    return folder


@pytest.fixture(scope="module")
def editable(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel beside an lm-eval that lies outside site-packages, as an editable one does."""
    source = copy_lm_eval(tmp_path_factory.mktemp("checkout"))
    return make_environment(tmp_path_factory.mktemp("venv") / "editable", wheel, source)


def test_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in paths.CONTENT_FOLDERS:
        files = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
        compiled = set((ROOT / folder).rglob("*.pyc"))
        assert {f"medbench/_data/{one.relative_to(ROOT)}" for one in files - compiled} <= names
    assert {str(path.relative_to(ROOT)) for path in paths.sample().rglob("*.json*")} <= names
    assert {"medbench_lm_eval.pth", "medbench_lm_eval_hook.py", "medbench/py.typed"} <= names
    assert "medbench/data/pubmedqa_test_ids.txt" in names
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"medbench", "medbench_lm_eval.pth", "medbench_lm_eval_hook.py"}
    assert not [name for name in names if re.search(r"startup|__pycache__|test_\w+\.py", name)]


class Listings(NamedTuple):
    """What plain lm-eval prints, with the plugin and without."""

    on: dict[str, str]
    off: dict[str, str]
    run: str


@pytest.fixture(scope="module")
def plain(installed: Environment) -> Listings:
    """Three commands at once, as each parses 14,000 files."""
    ls = ("-m", "lm_eval", "ls", "tasks")
    run = ("-m", "lm_eval", "--model", "dummy", "--tasks", "mmedbench_*", "--limit", "2")
    started = [
        installed.start(*ls),
        installed.start(*ls, MEDBENCH_LM_EVAL_PLUGIN="off"),
        installed.start(*run),
    ]
    on, off, table = (process.communicate(timeout=500)[0] for process in started)
    assert [process.returncode for process in started] == [0, 0, 0]
    rows = re.compile(r"^\|([^| ]+) *\| *([^| ]+\.yaml|---)? *\|", re.MULTILINE)
    return Listings(dict(rows.findall(on)), dict(rows.findall(off)), table)


def test_our_tasks_are_listed(plain: Listings, installed: Environment) -> None:
    assert set(OURS) <= set(plain.on)
    folder = installed.packages / "medbench/_data/tasks"
    assert plain.on["mmedbench_french"] == str(folder / "mmedbench/french.yaml")
    assert all(plain.on[name].startswith(str(folder)) for name in OURS)


def test_their_tasks_are_as_before(plain: Listings) -> None:
    assert len(plain.off) > 10_000
    assert not set(OURS) & set(plain.off)
    assert {name: place for name, place in plain.on.items() if name not in OURS} == plain.off


def test_wildcard_runs_the_six_languages(plain: Listings) -> None:
    rows = re.findall(r"^\|(mmedbench\S*) *\| *(\S+?)\|none", plain.run, re.MULTILINE)
    languages = ("chinese", "english", "french", "japanese", "russian", "spanish")
    assert [name for name, _ in rows] == [f"mmedbench_{language}" for language in languages]
    assert {float(version) for _, version in rows} == {1.0}


def test_wheel_comes_first(installed: Environment) -> None:
    code = "import medbench, medbench_lm_eval_hook as h; print(medbench.__file__, h.__file__)"
    places = [
        Path(place).relative_to(installed.packages) for place in installed.run("-c", code).split()
    ]
    assert places == [Path("medbench/__init__.py"), Path("medbench_lm_eval_hook.py")]


def test_commands_of_the_wheel(installed: Environment) -> None:
    for name in ("tasks", "train"):
        folder = installed.run("-m", "medbench", "path", name).strip()
        assert folder == str(installed.packages / "medbench/_data" / name)
    assert "mmedbench_french" in installed.run("-m", "medbench", "ls")


def test_editable_lm_eval(editable: Environment) -> None:
    found = editable.index()
    assert set(OURS) < set(found)
    assert {"medqa_4options", "kormedmcqa", "kormedmcqa_doctor"} <= set(found)
    assert "site-packages" not in found["medqa_4options"]


@pytest.mark.parametrize("value", ["off", "OFF", "0", "false", "no"])
def test_switch(editable: Environment, value: str) -> None:
    found = editable.index(MEDBENCH_LM_EVAL_PLUGIN=value)
    assert "medqa_4options" in found
    assert not set(OURS) & set(found)


def test_include_path_wins(editable: Environment, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("task: mmedbench_french\ndataset_path: x\n", encoding="utf-8")
    for argument in (f"include_path='{tmp_path}'", f"None, ['{tmp_path}']"):
        found = editable.index(argument)
        assert found["mmedbench_french"] == str(mine)
        assert set(OURS) < set(found)


def test_our_folder_given_by_hand(editable: Environment) -> None:
    """`--include_path $(medbench path tasks)`, the documented way, indexes nothing twice."""
    folder = editable.packages / "medbench/_data/tasks"
    code = "import logging; logging.basicConfig(); from lm_eval.tasks import TaskManager as T"
    process = editable.start("-c", f"{code}; T(include_path='{folder}')")
    assert process.communicate(timeout=300) == ("", "")  # no "overrides existing task"
    assert set(editable.index(f"include_path='{folder}', include_defaults=False")) == set(OURS)
    assert not set(OURS) & set(editable.index("include_defaults=False"))


@pytest.mark.parametrize("is_checkout", [False, True])
def test_newer_lm_eval_finds_us_by_itself(wheel: Path, tmp_path: Path, is_checkout: bool) -> None:
    """All but a checkout: there the entry point leads nowhere, and the hook steps in."""
    source = copy_lm_eval(tmp_path / "checkout")
    manager = source / "lm_eval/tasks/manager.py"
    text = manager.read_text(encoding="utf-8")
    before = "        if include_path:\n"
    assert text.count(before) == 1
    text = text.replace(before, f"        all_paths += discover_plugin_task_paths()\n{before}")
    manager.write_text(text + DISCOVERY, encoding="utf-8")
    newer = make_environment(tmp_path / "newer", wheel, source)
    if is_checkout:
        shutil.move(newer.packages / "medbench/_data/tasks", newer.packages / "tasks")
        shutil.rmtree(newer.packages / "medbench/_data")
        (newer.packages / "pyproject.toml").touch()
    assert set(OURS) < set(newer.index())
    code = "from lm_eval.tasks import TaskManager as T; print(hasattr(T.__init__, '__wrapped__'))"
    assert newer.run("-c", code) == f"{is_checkout}\n"


def test_models(editable: Environment) -> None:
    code = (
        "import lm_eval.models; from lm_eval.api.registry import model_registry as r\n"
        "print({'hf', 'dummy', 'medbench-hf', 'medbench-vllm', 'medbench-openai'} <= set(r))"
    )
    assert editable.run("-c", code) == "True\n"
    code = "from lm_eval.api.registry import get_model as g; print(g('medbench-hf'), g('hf'))"
    assert editable.run("-c", code).split("'")[1::2] == [
        "medbench.engine.hf.MedbenchHF",
        "lm_eval.models.huggingface.HFLM",
    ]


def test_start_costs_next_to_nothing(installed: Environment) -> None:
    costs = []
    for _ in range(5):
        _, lines = installed.start("-X", "importtime", "-c", "pass").communicate(timeout=60)
        found = re.search(r"\| +(\d+) \| +medbench_lm_eval_hook$", lines, re.MULTILINE)
        assert found
        costs.append(int(found[1]))
    assert statistics.median(costs) < 2000  # microseconds
    loaded = installed.run("-c", "import sys; print([m for m in sys.modules if 'medbench' in m])")
    assert loaded == "['medbench_lm_eval_hook']\n"


def test_leftovers_do_no_harm(wheel: Path, tmp_path: Path) -> None:
    """The hook without medbench, and the line in the `.pth` without the hook."""
    source = copy_lm_eval(tmp_path / "checkout")
    broken = make_environment(tmp_path / "broken", wheel, source)
    shutil.rmtree(broken.packages / "medbench")
    assert "medqa_4options" in broken.index()
    assert broken.run("-c", "import lm_eval.models; print(1)") == "1\n"
    (broken.packages / "medbench_lm_eval_hook.py").unlink()
    (broken.packages / "others.pth").unlink()
    assert broken.start("-c", "pass").communicate(timeout=60) == ("", "")


def test_uninstalled_without_a_trace(wheel: Path, tmp_path: Path) -> None:
    gone = make_environment(tmp_path / "gone", wheel)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    uninstall = ["uninstall", "--yes", "medbench"]
    subprocess.run([*pip, "--python", gone.folder / "bin/python", *uninstall], check=True)
    assert not list(gone.packages.glob("*medbench*"))
