"""The scores in a card: with intervals, and with what training changed on the same questions."""

from collections.abc import Sequence
from dataclasses import dataclass

from medbench.beside import read_facts
from medbench.errors import PublishError, ResultError
from medbench.publish.asked import Asked, asked
from medbench.publish.candidate import Candidate
from medbench.report.compare.comparison import Contrast, compare_runs
from medbench.report.compare.samples import own_scores
from medbench.results import Score, read_results
from medbench.scoring.statistics import wilson

__all__ = ["Scored", "Scores", "scores_of"]


@dataclass(frozen=True, slots=True)
class Scored:
    """One task's accuracy."""

    score: Score
    """Value, n and settings."""
    low: float
    """Of the 95 % Wilson interval."""
    high: float
    source: str
    """Where the rows came from: Hub, bundle, sample; empty where the run does not say."""
    unread: float
    """Share of outputs in which no answer was found."""
    contrast: Contrast | None
    """The base (A) against this model (B); None: it was not compared."""
    how: Asked
    """How the questions were put."""

    @property
    def is_published(self) -> bool:
        """It was measured on the benchmark, rather than on questions for trying things."""
        return self.source != "sample" and self.score.n > 0


@dataclass(frozen=True, slots=True)
class Scores:
    """All that was measured."""

    rows: tuple[Scored, ...] = ()
    """By task."""
    overall: Contrast | None = None
    """All questions of all tasks alike; None: one task, or no comparison."""
    base: str = ""
    """The base's name in its results."""
    notes: tuple[str, ...] = ()
    """What a reader should know."""


def scores_of(candidate: Candidate) -> Scores:
    """Read a candidate's results, and compare them with its base's.

    Raises:
        ResultError: results cannot be read or compared.
        PublishError: they hold several models.
    """
    if not candidate.results:
        if candidate.base_results:
            raise PublishError("--base-results: there are no --results to compare them with")
        return Scores()
    results = read_results(candidate.results)
    models = sorted({score.model for score in results.scores})
    if len(models) > 1:
        raise PublishError(
            f"--results hold {len(models)} models ({', '.join(models)}): name those of one"
        )
    own = own_scores(results.scores)
    if not own:
        raise ResultError(f"{', '.join(map(str, candidate.results))}: no accuracies inside")
    unread = {(score.task, score.filter): score.value for score in results.scores
              if score.metric == "unparsed"}  # fmt: skip
    contrasts, overall, base, notes = against_base(candidate)
    rows = [
        Scored(
            score,
            *(wilson(round(score.value * score.n), score.n) if score.n else (0.0, 1.0)),
            source_of(score),
            unread.get((score.task, score.filter), 0.0),
            contrasts.get(score.task),
            how_asked(score),
        )
        for score in own
    ]
    return Scores(tuple(rows), overall, base, (*results.notes, *notes))


def against_base(
    candidate: Candidate,
) -> tuple[dict[str, Contrast], Contrast | None, str, Sequence[str]]:
    """Return each task's contrast with the base, the overall one, the base's name and notes."""
    if not candidate.base_results:
        return {}, None, "", ()
    if len(candidate.results) > 1 or len(candidate.base_results) > 1:
        raise PublishError(
            "to compare with --base-results, give one folder each: it may hold several result files"
        )
    found = compare_runs(candidate.base_results[0], candidate.results[0])
    contrasts = {one.task.task: one.contrast for one in found.tasks}
    return contrasts, found.overall, found.a.model, found.notes


def how_asked(score: Score) -> Asked:
    """Return how a task's questions were put.

    Raises:
        ResultError: its files do not say so.
    """
    try:
        return asked(score.source, read_facts(score.source), [score.task])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultError(
            f"{score.source} does not say how {score.task} was asked ({error!r}): score it again"
        ) from error


def source_of(score: Score) -> str:
    """Return where a task's rows came from, as `medbench eval` wrote beside the results."""
    facts = read_facts(score.source)
    return str(facts.get("tasks", {}).get(score.task, {}).get("source", ""))
