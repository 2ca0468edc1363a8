"""FedProx on the client: arXiv 1812.06127.

A turn minimises F(w) + μ/2·‖w − w_t‖², w_t being the adapter that the round began with. Flower's
strategy sends μ and leaves the term to the client.
"""

from collections.abc import Sequence
from typing import Any

import torch

from medbench.training.loop import Supervised

__all__ = ["Proximal", "proximal_term"]


def proximal_term(
    weights: Sequence[torch.Tensor], start: Sequence[torch.Tensor], mu: float
) -> torch.Tensor:
    """Return μ/2 times the squared distance, a scalar with a gradient."""
    distances = [(w - s).square().sum() for w, s in zip(weights, start, strict=True)]
    return mu / 2 * torch.stack(distances).sum()


class Proximal(Supervised):
    """A Trainer that stays near the weights which it begins with.

    Args:
        mu: how near; 0 changes nothing at all.
        settings: `Supervised`'s.
    """

    def __init__(self, *, mu: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.mu = mu
        model: Any = self.model
        self.learnt = [one for one in model.parameters() if one.requires_grad]
        self.begun = [one.detach().clone() for one in self.learnt]

    def compute_loss(self, *arguments: Any, **settings: Any) -> Any:
        """Return the loss, with the term's gradient behind it.

        Each batch that a step adds up brings its share. What is logged is the loss on the rows.
        """
        loss = super().compute_loss(*arguments, **settings)
        if not self.mu or not torch.is_grad_enabled():
            return loss
        term = proximal_term(self.learnt, self.begun, self.mu)
        share = term / self.current_gradient_accumulation_steps
        return loss + (share - share.detach())

    @torch.no_grad()
    def distance(self) -> float:
        """Return how far the weights have gone, in all of them together."""
        return (2 * proximal_term(self.learnt, self.begun, 1.0)).sqrt().item()
