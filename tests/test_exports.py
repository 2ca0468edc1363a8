"""Every module says what it offers, and no file or function is longer than one can read."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import medbench

ROOT = Path(medbench.__file__).parents[1]
FILES = sorted(path for part in ("medbench", "tests") for path in (ROOT / part).rglob("*.py"))
STARTUP = ROOT / "medbench/engine/startup"  # copied into site-packages, not imported from here
MODULES = [path for path in FILES if path.is_relative_to(ROOT / "medbench")]
MODULES = [path for path in MODULES if not path.is_relative_to(STARTUP)]
OPTIONAL = {"vllm", "bitsandbytes", "matplotlib", "gguf", "jieba", "janome", "nltk", "bert_score",
            "flwr", "flwr_datasets"}  # fmt: skip
FILE_LINES, FUNCTION_LINES = 300, 60


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def order(exported: str) -> tuple[int, str]:
    """Sort as ruff does: CONSTANTS, Classes, functions."""
    return (0 if exported.isupper() else 1 if exported[0].isupper() else 2, exported)


def definitions(tree: ast.Module) -> Iterator[str]:
    """Yield what a module binds at its top, imports aside."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_all(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name == "__main__.py" or (path.name == "__init__.py" and not list(definitions(tree))):
        return  # a program; a package that offers its modules only
    try:
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"{error.name} is not installed")
    exported = module.__all__
    assert exported == sorted(set(exported), key=order)
    assert [one for one in exported if not hasattr(module, one)] == []
    if path.name != "__init__.py":
        assert set(exported) <= set(definitions(tree)), "a module exports only what it defines"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_first_words(path: Path) -> None:
    """A module opens with what it is, and is not called after nothing."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert path.stem not in ("utils", "util", "helpers", "common", "misc")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_lengths(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= FILE_LINES
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            assert node.end_lineno - node.lineno < FUNCTION_LINES, f"{node.name} is too long"
