"""What is to be published: a checkpoint, and the results that were measured with it."""

from dataclasses import dataclass
from pathlib import Path

from medbench.checkpoint import Checkpoint
from medbench.errors import ModelError
from medbench.recipe import load

__all__ = ["Candidate"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A checkpoint on its way to the Hub."""

    checkpoint: Checkpoint
    """Weights, recipe and provenance."""
    results: tuple[Path, ...] = ()
    """lm-eval's result files of the checkpoint, samples beside them."""
    base_results: tuple[Path, ...] = ()
    """The same of its base, for paired differences."""
    base: str = ""
    """A local folder to read the base from in place of the Hub; empty: the provenance's."""
    licence: str = ""
    """What its publisher states, by the Hub's name; empty: what base and data ask for."""
    trust_remote_code: bool = False
    """Run code that comes with a model; never taken from a recipe that came with it."""
    repo: str = ""
    """Where on the Hub it was downloaded from, without pickles; empty: it is a folder as it is."""
    adapter: Checkpoint | None = None
    """What the checkpoint was before it was merged into its base; None: nothing was, or is here."""

    @property
    def runs_code(self) -> bool:
        """Whether code that comes with the model is run.

        Raises:
            ModelError: training ran it, and nobody allowed it here.
        """
        if load(self.checkpoint.recipe).model.trust_remote_code and not self.trust_remote_code:
            raise ModelError(
                "the model needs code that comes with it (model.trust_remote_code in the recipe): "
                "--trust-remote-code runs it"
            )
        return self.trust_remote_code
