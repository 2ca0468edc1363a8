"""Terms of the loss that layers compute from their own weights or activations.

A layer hands its term in where it computes anyway: there, sharded weights are whole, whatever
shards them. Nothing is stored for later, so that gradients cannot be lost on the way: the term
becomes part of the graph of the layer's output, and is differentiated when that output is. Its
factor is whatever the loss was multiplied with since (accumulation, processes, a gradient scaler):
the node that adds the terms to the loss notes the gradient that it receives.
"""

from typing import Any, Self
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd import Function

from medbench.errors import TrainingError
from medbench.molora import Mixture, mixtures
from medbench.training.layout import base_model

__all__ = ["Penalties", "balance", "watch"]

known: "WeakKeyDictionary[nn.Module, Penalties]" = WeakKeyDictionary()


class Penalties:
    """The terms of one model's forward pass."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        """Their sum in this pass, a scalar; None: no layer has handed one in."""
        self.joined: Tensor | None = None
        """Their sum in the last loss; recomputed layers hand theirs in again after it."""
        self.factor: Tensor | None = None
        """What their gradient is multiplied with."""

    @classmethod
    def on(cls, model: Any) -> Self:
        """Return penalties of a model, which start anew with each of its passes."""
        penalties, base = cls(), base_model(model)
        # PEFT calls the model's forward method itself, past the model's own hooks
        base.get_input_embeddings().register_forward_pre_hook(penalties.begin)
        known[base] = penalties
        return penalties

    @staticmethod
    def of(model: Any) -> "Penalties | None":
        """Return the penalties of a model, or None where it has none."""
        return known.get(base_model(model))

    def begin(self, *_: Any) -> None:
        """Forget the last pass."""
        self.total = self.factor = None

    def add(self, output: Tensor, term: Tensor) -> Tensor:
        """Hand a term (a scalar) in with a layer's output, which is returned as it was."""
        handed: Tensor = HandIn.apply(output, term, self)  # type: ignore[no-untyped-call]
        return handed

    def join(self, loss: Tensor, share: float) -> Tensor:
        """Return the loss with this share of the terms.

        Raises:
            TrainingError: no layer has handed a term in.
        """
        if self.total is None:
            raise TrainingError("the method has a term in the loss, and no layer computed it")
        self.joined = self.total
        joined: Tensor = Join.apply(loss, self, share)  # type: ignore[no-untyped-call]
        return joined


class HandIn(Function):
    """Keeps a term with an output."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, term: Tensor, penalties: Penalties) -> Tensor:
        """Note the term's value."""
        ctx.penalties, ctx.device = penalties, term.device
        before = penalties.total
        penalties.total = term.detach() if before is None else before + term.to(before.device)
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor, None]:
        """Give the output its gradient, and the term the loss's factor."""
        factor = ctx.penalties.factor
        assert factor is not None, "the loss was not joined with its terms"
        return gradients[0], factor.to(ctx.device), None


class Join(Function):
    """Adds a share of the terms to the loss."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, penalties: Penalties, share: float) -> Tensor:
        """Add them up."""
        assert penalties.total is not None
        ctx.penalties, ctx.share = penalties, share
        return loss + share * penalties.total.to(loss)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None]:
        """Note the factor before any layer asks for it."""
        ctx.penalties.factor = gradients[0].detach().float() * ctx.share
        return gradients[0], None, None


def balance(logits: Tensor, chosen: Tensor) -> Tensor:
    """Return a layer's load balance: 1 where tokens are spread evenly, more where they are not.

    E · Σ f_e P_e (Switch, arXiv 2101.03961, equations 4 to 6): f_e is the share of choices that
    fall on expert e, P_e its mean probability. MedCare's paper names such a term, its code has
    none.

    Args:
        logits: of the router, (…, E).
        chosen: experts of each token, (…, K).
    """
    experts = logits.shape[-1]
    chances = logits.flatten(0, -2).float().softmax(-1).mean(0)
    counts = torch.bincount(chosen.flatten(), minlength=experts).to(chances)
    return experts * (counts / chosen.numel() * chances).sum()


def watch(model: Any, weight: float, penalties: Penalties) -> None:
    """Let every mixture hand its load balance in; the mean over layers counts `weight` times.

    It is computed over all tokens of a device's batch, padding included.
    """
    found: list[Mixture] = [mixture for _, _, mixture in mixtures(model)]

    def see(inner: Tensor, logits: Tensor, chosen: Tensor) -> Tensor:
        return penalties.add(inner, balance(logits, chosen) * (weight / len(found)))

    for mixture in found:
        mixture.watch = see
