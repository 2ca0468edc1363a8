"""Imports go one way, from the command line down to the errors; heavy libraries have a home."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import medbench

PACKAGE = Path(medbench.__file__).parent
ROWS = [
    {"__main__", "docs"},
    {"cli"},
    {"publish"},
    {"pipeline", "leaderboard", "federated"},
    {"report", "engine", "training"},
    {"scoring", "data", "drawing", "molora"},
    {"recipe", "checkpoint", "results", "reported", "question"},
    {"beside", "hub", "model_names"},
    {"errors", "paths", "__version__"},
]
RANK = {part: rank for rank, row in enumerate(ROWS) for part in row}
RUNS_MODELS = ("engine/", "training/", "federated/", "publish/gates/", "molora.py")
HOMES = {
    **dict.fromkeys(("torch", "transformers"), (*RUNS_MODELS, "scoring/rationale.py")),
    **dict.fromkeys(("peft", "accelerate", "bitsandbytes"), RUNS_MODELS),
    **dict.fromkeys(("lm_eval", "vllm"), ("engine/", "pipeline/steps.py")),
    **dict.fromkeys(("flwr", "flwr_datasets", "ray"), "federated/"),
    "matplotlib": ("report/", "drawing.py", "training/curve.py"),
    "huggingface_hub": ("data/", "hub/", "publish/"),
}


def imports(path: Path) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield (node, dotted name) of every import; a relative one starts with a dot."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                yield from ((node, alias.name) for alias in names)
            case ast.ImportFrom(module, names, level):
                yield from ((node, f"{'.' * level}{module or ''}.{one.name}") for one in names)
            case ast.Call(ast.Name("import_module" | "__import__"), [ast.Constant(str(name)), *_]):
                yield node, name


def wrong(path: Path) -> Iterator[str]:
    inside = path.relative_to(PACKAGE)
    part = inside.parts[0].removesuffix(".py")
    for node, name in imports(path):
        line = node.lineno
        root, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        downward = target == part or RANK.get(target, -1) > RANK.get(part, 99)
        if not root or (root == "medbench" and not downward):
            yield f"{inside}:{line}: {part} imports {name}"
        if not str(inside).startswith(HOMES.get(root, "")):
            yield f"{inside}:{line}: {root} has no home here, only in {', '.join(HOMES[root])}"
        elif root in HOMES and not str(inside).startswith(RUNS_MODELS) and node.col_offset == 0:
            yield f"{inside}:{line}: {root} belongs inside the function that needs it"


def test_imports_go_one_way() -> None:
    assert [fault for path in sorted(PACKAGE.rglob("*.py")) for fault in wrong(path)] == []
    assert list(imports(PACKAGE / "__init__.py")) == []


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "ls",
        "board nowhere",
        "compare nowhere nowhere",
        "data ls",
        "path tasks",
        "export nowhere --format mmedbench --output nowhere",
    ],
)
def test_light_commands(command: str) -> None:
    code = f"""
import sys
from medbench.cli import main
try:
    main({command.split()!r})
except SystemExit as end:
    assert end.code in (None, 0, 1), end.code
assert not {{"torch", "transformers", "peft", "vllm"}} & set(sys.modules), "heavy imports"
"""
    client = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert client.returncode == 0, client.stderr
    assert client.stdout or "nowhere" in command
