"""What a card is about, gathered in one place."""

from dataclasses import dataclass

from medbench.checkpoint import Trained
from medbench.data.datasets import DATASETS, Dataset
from medbench.publish.base import HubBase
from medbench.publish.candidate import Candidate
from medbench.publish.gates import Finding
from medbench.publish.gates.licence import binding
from medbench.publish.licences import Terms, terms
from medbench.publish.scores import Scores
from medbench.recipe import Recipe

__all__ = ["Subject", "terms_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A checkpoint on its way to a repository."""

    repo: str
    """owner/name."""
    candidate: Candidate
    base: HubBase
    recipe: Recipe
    """As it is published."""
    recipe_text: str
    """The same, as YAML."""
    is_adapter: bool
    """False: whole weights, be they trained or merged."""
    is_merged: bool
    """An adapter was merged into its base."""
    scores: Scores
    findings: tuple[Finding, ...] = ()
    """Of the gates."""
    skipped: tuple[str, ...] = ()
    """Gates that the publisher overrode."""
    has_curve: bool = False
    """The picture of the loss goes along."""

    @property
    def name(self) -> str:
        """The repository without its owner."""
        return self.repo.partition("/")[2]

    @property
    def mixture(self) -> tuple[Trained, ...]:
        """What was trained on."""
        data = self.candidate.checkpoint.provenance.learnt_from
        return tuple(one for one in data if one.use == "mixture")

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets of the mixture that medbench knows."""
        keys = [(one.benchmark, one.subset) for one in self.mixture]
        return tuple(DATASETS[key] for key in keys if key in DATASETS)

    @property
    def is_on_sample(self) -> bool:
        """It was trained on questions for trying things."""
        return any(one.source == "sample" for one in self.mixture)

    @property
    def terms(self) -> Terms:
        """The licences that bind it."""
        return terms_of(self.candidate)


def terms_of(candidate: Candidate) -> Terms:
    """Return the licences that bind a model: its base's, and those of what it was trained on."""
    base, *data = binding(candidate).values()
    return terms(base, data)
