"""Writes the generated parts of the documents: `python -m medbench.docs`, with --check in CI.

A generated part stands between `<!-- name:start -->` and `<!-- name:end -->`.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from medbench import paths
from medbench.errors import MedbenchError

__all__ = ["main", "stale", "update"]

ROOT = paths.folder("tasks").parent


def tasks() -> str:
    """The table of tasks."""
    from medbench.engine.task_table import task_table

    return task_table("github")


def board() -> str:
    """The tables of the measured results."""
    from medbench.report.table import table
    from medbench.results import read_results

    return table(read_results([paths.folder("leaderboard") / "measured"]), "markdown").rstrip()


def reported() -> str:
    """The published tables, and what does not add up in them."""
    from medbench.report.reported import reported_summary
    from medbench.reported import read_reported

    return reported_summary(read_reported(paths.folder("leaderboard") / "reported"))


def zoo() -> str:
    """The table of recipes."""
    from medbench.training.zoo import zoo_table

    return zoo_table()


def recipe() -> str:
    """The table of a recipe's settings."""
    from medbench.recipe.reference import reference

    return reference()


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "tasks": ("tasks/README.md", tasks),
    "board": ("README.md", board),
    "reported": ("leaderboard/reported/README.md", reported),
    "zoo": ("adapters/README.md", zoo),
    "recipe": ("adapters/README.md", recipe),
}


def update(document: str, name: str, content: str) -> str:
    """Return a document with one generated part replaced.

    Raises:
        MedbenchError: the document has no such part.
    """
    pattern = re.compile(f"(<!-- {name}:start -->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    if not pattern.search(document):
        raise MedbenchError(f"no part <!-- {name}:start --> … <!-- {name}:end --> in the document")
    return pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", document)


def stale() -> list[tuple[Path, str]]:
    """Return (path, new text) of every document that a command would write otherwise."""
    texts: dict[Path, str] = {}
    for name, (file, make) in PARTS.items():
        path = ROOT / file
        texts[path] = update(texts.get(path) or path.read_text(encoding="utf-8"), name, make())
    return [(path, new) for path, new in texts.items() if new != path.read_text(encoding="utf-8")]


def main() -> None:
    """Write the documents, or with --check name the stale ones and exit with 1."""
    changed = stale()
    if "--check" not in sys.argv:
        for path, text in changed:
            paths.write(path, text.encode())
        return
    for path, _ in changed:
        print(f"{path.relative_to(ROOT)} is stale: run `make docs`", file=sys.stderr)
    sys.exit(1 if changed else 0)


if __name__ == "__main__":
    main()
