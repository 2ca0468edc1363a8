"""The command line, run in the test's own process."""

from typing import Any

from medbench.cli import main

__all__ = ["medbench"]


def medbench(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    """Run `medbench`; return its exit code, output and errors."""
    code = 0
    try:
        main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err
