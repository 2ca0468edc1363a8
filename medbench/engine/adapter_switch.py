"""PEFT adapters put on and taken off one loaded lm-eval `HFLM`, each as if it alone were loaded.

An adapter is not kept beside the next one: kinds may differ, and what lm-eval writes about a model
(its parameters) stays what a run of its own would write. Taking it off puts the base's modules and
parameters back where they were. PEFT's own `unload` would leave behind what an adapter saves whole
(`modules_to_save`).
"""

import functools
from collections.abc import Iterator
from typing import Any

from safetensors import SafetensorError

from medbench.errors import ModelError
from medbench.results import one_line

__all__ = ["AdapterSwitch"]


class AdapterSwitch:
    """Changes the adapter of a model that was loaded without one and has not been used yet.

    lm-eval makes the vocabulary of every model with an adapter as large as its tokenizer, and so
    does this, for good: use the base before the first adapter.
    """

    def __init__(self, lm: Any) -> None:
        self.lm = lm
        self.quantised = list(quantised(lm.model))
        self.base: Any = None
        self.parts: list[tuple[Any, dict[str, Any], dict[str, Any]]] = []
        """Each module of the base with its children and its parameters."""

    def use(self, path: str | None) -> None:
        """Put an adapter on, after taking off what is there; None: the base alone.

        Raises:
            ModelError: PEFT cannot put it on this model.
        """
        self.take_off()
        for parameter, values, state in self.quantised:
            parameter.data = values
            vars(parameter.quant_state).clear()
            vars(parameter.quant_state).update(state)
        if path is not None:
            try:
                self.put_on(path)
            except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
                reason = one_line("\n".join(str(error).splitlines()[:2]))
                raise ModelError(f"adapter {path} could not be loaded: {reason}") from error
        self.lm.peft = path
        forget(self.lm)

    def take_off(self) -> None:
        """Make the base what it was before its adapter."""
        if self.base is None:
            return
        for module, children, parameters in self.parts:
            module._modules, module._parameters = children, parameters
        if hasattr(self.base, "peft_config"):
            del self.base.peft_config
        self.lm._model, self.base, self.parts = self.base, None, []

    def put_on(self, path: str) -> None:
        """Load an adapter as lm-eval does."""
        from peft import PeftModel

        import medbench.molora  # noqa: F401  (PEFT knows MOLORA from here on)

        base = self.lm.model
        fit_vocabulary(base, len(self.lm.tokenizer))
        self.parts = [
            (module, dict(module._modules), dict(module._parameters)) for module in base.modules()
        ]
        self.base = base
        self.lm._model = PeftModel.from_pretrained(base, path, revision=self.lm.revision)
        self.lm._model.eval()
        self.lm._model.tie_weights()


def quantised(model: Any) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    """Yield bitsandbytes' 4-bit parameters with their values and their state, by reference.

    On a CPU, bitsandbytes 0.50 packs them anew at their first use and unpacks them, with a loss,
    whenever a model's weights are listed, which PEFT does for every adapter.
    """
    for parameter in model.parameters():
        if (state := getattr(parameter, "quant_state", None)) is not None:
            yield parameter, parameter.data, dict(vars(state))


def fit_vocabulary(model: Any, size: int) -> None:
    """Make the embedding as large as the tokenizer, as lm-eval does under an adapter."""
    config = getattr(model.config, "text_config", model.config)
    if config.vocab_size != size:
        model.resize_token_embeddings(size)


def forget(lm: Any) -> None:
    """Drop what an object found out about its model: batch sizes and cached properties."""
    lm.batch_sizes = {}
    for name in list(vars(lm)):
        if isinstance(getattr(type(lm), name, None), functools.cached_property):
            delattr(lm, name)
