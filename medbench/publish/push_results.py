"""`medbench push-results`: measured runs as a dataset, as `medbench add` keeps them."""

from collections.abc import Sequence
from pathlib import Path

from medbench import __version__
from medbench.errors import PublishError
from medbench.leaderboard.check import check
from medbench.leaderboard.measured import measured_runs
from medbench.publish.base import check_repo
from medbench.publish.card.markdown import escaped
from medbench.publish.content import Content, check_secrets
from medbench.report.table import table
from medbench.results import read_results

__all__ = ["results_content"]

TITLE = """# {name}

Results of [medbench](https://pypi.org/project/medbench/): lm-eval's files as they are, what
describes each run beside them (`medbench_*.json`), and the samples without the benchmarks' text.
`medbench board`, `medbench add` and `medbench check` read the folder as it is.

{table}
Made with medbench {version}. The benchmarks have licences of their own; none of their rows is here.
"""


def results_content(results: Sequence[Path], repo: str) -> tuple[Content, tuple[str, ...]]:
    """Return the files of a results dataset and what a reader should know about them.

    Raises:
        ResultError: the runs cannot be read.
        PublishError: the name is none, or the runs are not fit to stand beside each other.
    """
    from huggingface_hub import DatasetCardData, get_token

    check_repo(repo)
    runs = measured_runs(list(results))
    verdict = check(runs)
    if verdict.faults:
        told = "\n".join(f"  {fault}" for fault in verdict.faults)
        raise PublishError(f"nothing was published:\n{told}")
    content: Content = {}
    for run in runs:
        folder = run.model.replace("/", "__")
        if folder.startswith(".") or not folder.isprintable():
            raise PublishError(f"{run.path}: {folder!r} is no name for a folder")
        content |= {f"{folder}/{name}": file for name, file in run.files().items()}
    data = DatasetCardData(
        license="apache-2.0",
        pretty_name=repo.partition("/")[2],
        tags=["medbench", "evaluation-results", "medical"],
        task_categories=["question-answering"],
    )
    board = table(read_results(results), "markdown")
    text = TITLE.format(name=escaped(repo.partition("/")[2]), table=board, version=__version__)
    content["README.md"] = f"---\n{data.to_yaml()}\n---\n\n{text}".encode()
    check_secrets(content, get_token())
    return content, verdict.notes
