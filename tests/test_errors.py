"""The exception tree is the one that its module draws; the command line prints what is raised."""

import inspect
from pathlib import Path

import pytest

from medbench import cli, errors
from medbench.errors import MedbenchError, MissingExtra

CLASSES = dict(inspect.getmembers(errors, inspect.isclass))


def drawn(kind: type, indent: str = "") -> list[tuple[str, str]]:
    """Draw the tree below a class: each line's start with the name, and the rest."""
    lines = []
    children: list[type] = kind.__subclasses__()
    for child in children:
        is_last = child is children[-1]
        summary = (child.__doc__ or "").removesuffix(".")
        text = summary[:1].lower() + summary[1:]
        lines.append((f"{indent}{'└' if is_last else '├'}── {child.__name__}", text))
        lines += drawn(child, indent + ("    " if is_last else "│   "))
    return lines


def test_tree() -> None:
    text = inspect.getdoc(errors)
    assert text
    tree = [line.rstrip() for line in text.split("\n\n")[1].splitlines()]
    assert tree[0] == MedbenchError.__name__
    for line, (start, summary) in zip(tree[1:], drawn(MedbenchError), strict=True):
        assert line.startswith(f"{start} ") and line.endswith(f" {summary}")
    assert {line.split()[-1] for line, _ in drawn(MedbenchError)} == set(CLASSES) - {
        "MedbenchError"
    }
    assert all(issubclass(kind, MedbenchError) for kind in CLASSES.values())


def test_missing_extra_tells_what_to_install() -> None:
    assert str(MissingExtra("vllm", "The vLLM backend")) == (
        "The vLLM backend needs one more install: pip install 'medbench[vllm]'"
    )


def test_the_command_line_prints_the_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["data", "pull", str(tmp_path / "new"), "--benchmarks", "medqa"])
    assert end.value.code == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("medbench: unknown benchmarks: medqa; there are careqa")
    assert err.count("\n") == 1
