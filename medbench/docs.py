"""Writes the generated parts of the documents: `python -m medbench.docs`, with --check in CI.

A generated part stands between `<!-- name:start -->` and `<!-- name:end -->`. The check also looks
at the pictures of the leaderboard: each keeps a digest of what it shows.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from medbench import paths
from medbench.errors import MedbenchError

__all__ = ["main", "stale", "stale_pictures", "update"]

ROOT = paths.folder("tasks").parent
PICTURE = re.compile(r"leaderboard/[\w./-]+\.(?:svg|png)")
SHOWN = "mmedbench_accuracy"
"""The published table that the README shows, as pictures."""


def tasks() -> str:
    """The table of tasks."""
    from medbench.engine.task_table import task_table

    return task_table("github")


def board() -> str:
    """The tables of the measured results, and pictures of the published ones."""
    from medbench.report.table import table
    from medbench.reported import read_reported
    from medbench.results import read_results

    folder = paths.folder("leaderboard")
    measured = table(read_results([folder / "measured"]), "markdown").rstrip()
    published = {one.name: one for one in read_reported(folder / "reported")}
    numbers = sum(len(list(one.numbers())) for one in published.values())
    title, stem = published[SHOWN].title, f"leaderboard/reported/{SHOWN}"
    return f"""{measured}

### Reported elsewhere, and measured here

![{title}, as reported; measured rows apart]({stem}_heatmap.svg)

<img src="{stem}_radar.svg" width="49%" alt="{title} by language, as reported">
<img src="{stem}_pareto.svg" width="49%" alt="{title} by size, as reported">

Other benchmarks: [all {numbers:,} numbers](leaderboard/reported/README.md), as printed, and what \
does not add up in them."""


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


def stale_pictures() -> list[Path]:
    """Return every picture of the leaderboard that is missing, or that is to look otherwise.

    These are the files in its folder and those that the README shows.
    """
    from medbench.report.pictures import is_current, pictures
    from medbench.report.reported import on_benchmarks
    from medbench.reported import read_reported
    from medbench.results import read_results

    folder = ROOT / "leaderboard"
    found = {ROOT / link for link in PICTURE.findall((ROOT / "README.md").read_text("utf-8"))}
    for place in (folder, folder / "reported"):
        found |= {file for ending in ("svg", "png") for file in place.glob(f"*.{ending}")}
    if not found:
        return []
    results = read_results([folder / "measured"])
    measured = {score.benchmark for score in results.scores}
    published = on_benchmarks(read_reported(folder / "reported"), measured)
    drawn = {folder / one.name: one for one in pictures(results, published).drawn}
    return [
        file
        for file in sorted(found)
        if (picture := drawn.get(file.with_suffix(""))) is None or not is_current(picture, file)
    ]


def main() -> None:
    """Write the documents, or with --check name the stale ones and exit with 1."""
    changed = stale()
    if "--check" not in sys.argv:
        for path, text in changed:
            paths.write(path, text.encode())
        return
    undrawn = stale_pictures()
    for path, _ in changed:
        print(f"{path.relative_to(ROOT)} is stale: run `make docs`", file=sys.stderr)
    for path in undrawn:
        print(f"{path.relative_to(ROOT)} is stale: run `make board`", file=sys.stderr)
    sys.exit(1 if changed or undrawn else 0)


if __name__ == "__main__":
    main()
