"""The command line: help, version, folders, the table of tasks."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medbench import __version__, paths
from medbench.cli import parser
from medbench.data import DATASETS
from medbench.engine.plan import task_manager
from medbench.paths import CONTENT_FOLDERS
from tests.command_line import medbench

COMMANDS = ("eval", "board", "compare", "ls", "data", "path")


def test_help_names_every_command(capsys: Any) -> None:
    code, out, err = medbench(capsys, "--help")
    assert (code, err) == (0, "")
    assert all(f"\n    {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, "data ls", "data pull"])
def test_help_of_a_command(capsys: Any, command: str) -> None:
    code, out, _ = medbench(capsys, *command.split(), "--help")
    assert code == 0
    assert out.startswith(f"usage: medbench {command}")


def test_every_option_of_eval_is_explained(capsys: Any) -> None:
    _, out, _ = medbench(capsys, "eval", "--help")
    commands = next(one for one in parser()._actions if one.dest == "command_name")
    assert isinstance(commands.choices, dict)
    for action in commands.choices["eval"]._actions:
        assert action.help
        assert all(name in out for name in action.option_strings)


def test_version(capsys: Any) -> None:
    assert medbench(capsys, "--version") == (0, f"medbench {__version__}\n", "")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("evaluate", "invalid choice: 'evaluate'"),
        ("eval", "the following arguments are required: MODEL, --tasks"),
        ("eval m --tasks usmle --backend tpu", "invalid choice: 'tpu'"),
        ("eval m --tasks usmle --engine own", "invalid choice: 'own'"),
        ("eval m --tasks usmle --limit few", "invalid int value: 'few'"),
        ("eval m --tasks usmle --batch-tokens few", "invalid int value: 'few'"),
        ("eval m --tasks usmle --quantization int3", "invalid choice: 'int3'"),
        ("data", "the following arguments are required: ACTION"),
        ("path nowhere", "invalid choice: 'nowhere'"),
        ("ls adapters", "invalid choice: 'adapters'"),
    ],
)
def test_wrong_usage(capsys: Any, line: str, part: str) -> None:
    code, out, err = medbench(capsys, *line.split())
    assert (code, out) == (2, "")
    assert part in err


@pytest.mark.parametrize("name", CONTENT_FOLDERS)
def test_path(capsys: Any, name: str) -> None:
    code, out, _ = medbench(capsys, "path", name)
    assert code == 0
    assert out == f"{paths.folder(name)}\n"
    assert Path(out.strip()).is_dir()


def test_ls_tasks(capsys: Any) -> None:
    code, out, _ = medbench(capsys, "ls", "tasks")
    assert (code, medbench(capsys, "ls")[1]) == (0, out)
    manager = task_manager()
    tasks, groups = out.strip().split("\n\n")
    rows = {row.split()[0]: row for row in tasks.splitlines()[2:]}
    assert set(rows) == set(manager.all_subtasks)
    assert {row.split()[0] for row in groups.splitlines()[2:]} == set(manager.all_groups)
    assert rows["usmle"].split() == ["usmle", "en", "1,273", "0,", "or", "any", "letters", "acc"]
    assert rows["kormedmcqa-cot_nurse"].split()[:5] == [
        "kormedmcqa-cot_nurse",
        "ko",
        "878",
        "5",
        "cot",
    ]
    assert "acc (extract, original), unparsed, truncated" in rows["usmle-flowertune"]
    assert rows["careqa-cot_es"].split()[3] == "0"


def test_data_ls(capsys: Any) -> None:
    code, out, _ = medbench(capsys, "data", "ls")
    assert code == 0
    assert all(one.benchmark in out for one in DATASETS.values())


def test_module_runs_the_same_command() -> None:
    command = [sys.executable, "-m", "medbench", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"medbench {__version__}\n", "")


def test_a_closed_pipe_is_no_traceback() -> None:
    """`medbench ls | head -1`."""
    command = [sys.executable, "-m", "medbench", "ls"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
