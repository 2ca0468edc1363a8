"""The forgetting meter: perplexity on held-out text, before, while and after a model learns other.

Perplexity is e to the mean loss a token. Two kinds of text are measured: the corpus's own, which
should become likelier, and general text, which should not become unlikelier.
"""

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from transformers import TrainerCallback

__all__ = ["NAMES", "Bookends", "perplexities", "perplexity_line"]

NAMES = {"eval_loss": "sources", "eval_general_loss": "general"}
"""Key in the Trainer's log → part of the corpus."""


class Bookends(TrainerCallback):
    """Measures once more before the first step and after the last one.

    Args:
        trainer: what measures.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure the model as it came; a resumed run has done so."""
        if state.global_step == 0:
            self.trainer.evaluate()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for a measurement at the end."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = True


def perplexities(
    log: Sequence[Mapping[str, float]], *, kept: int | None
) -> dict[str, dict[str, float]]:
    """Return the perplexity on each kind of held-out text before and after.

    Args:
        log: the Trainer's `log_history`.
        kept: the step whose state was kept; None: the last one.
    """
    lines = [line for line in log if "eval_loss" in line]
    if not lines:
        return {}
    after = [line for line in lines if kept is None or line["step"] == kept][-1]
    return {
        name: {"before": exp(lines[0][key]), "after": exp(after[key])}
        for key, name in NAMES.items()
        if key in after
    }


def perplexity_line(logs: Mapping[str, float]) -> str:
    """Say what was measured."""
    found = [f"{name} {exp(logs[key]):.4g}" for key, name in NAMES.items() if key in logs]
    return f"perplexity on held-out text: {', '.join(found)}"
