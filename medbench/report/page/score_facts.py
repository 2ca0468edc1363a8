"""What a score means: task, protocol, shots, rows, and how its mean was taken."""

from collections.abc import Iterator

from medbench.report.grid import SHARES, Cell, Column, Panel
from medbench.report.page.form import PageFacts
from medbench.report.page.runs import RunRecord
from medbench.results import Score

__all__ = ["score_facts"]


def score_facts(cell: Cell, column: Column, panel: Panel, run: RunRecord | None) -> PageFacts:
    """Describe how a score came about, its value aside: models asked alike share the facts."""
    pairs = [*_meant(cell, column, panel), *_asked(cell.score)]
    if run and not column.mean:
        pairs += _rows(cell.score, run)
    known = [(name, str(value)) for name, value in pairs if value not in (None, "")]
    return {"title": "Score", "pairs": known}


def _meant(cell: Cell, column: Column, panel: Panel) -> Iterator[tuple[str, object]]:
    score = cell.score
    is_mean = bool(column.mean)
    yield "task", "" if is_mean else score.task
    yield "mean", f"of the columns before, each {column.mean} alike" if is_mean else ""
    yield "metric", f"{score.metric}{' in %' if panel.scale == 100 else ''}"
    yield "answers read by", "" if score.filter == "none" else f"filter {score.filter}"
    if cell.interval:
        is_wilson = panel.metric in SHARES and column.mean != "set"
        yield "interval", f"95 %, {'Wilson' if is_wilson else 'normal'}"


def _asked(score: Score) -> Iterator[tuple[str, object]]:
    yield "n", f"{score.n:,}" if score.n else ""
    if score.limit:
        most = f"{score.limit:.0f}" if score.limit >= 1 else f"{100 * score.limit:g} %"
        yield "limit", f"only the first {most} items of each task"
    yield "protocol", score.protocol or "the benchmark's default"
    yield "few-shot", "" if score.num_fewshot is None else f"{score.num_fewshot} examples"
    yield "chat template", "on" if score.chat_template else "off"
    yield "task version", score.version


def _rows(score: Score, run: RunRecord) -> Iterator[tuple[str, object]]:
    facts = run.task(score.task)
    rows, known = facts.get("rows"), facts.get("known_rows")
    if isinstance(rows, int):
        of = f" of {known:,} known" if isinstance(known, int) and known != rows else ""
        yield "rows", f"{rows:,}{of}"
    yield "rows from", facts.get("source")
    yield "rows (SHA-256)", facts.get("sha256")
    yield "prompts cut to the model's context", facts.get("cut_prompts") or ""
    yield "prompts and targets (hash)", run.task_hash(score.task)
