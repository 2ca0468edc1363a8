"""What a merge needs: an adapter's own description, its base, and whether the two fit."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from medbench.checkpoint import ADAPTER, WEIGHTS, base_revision, read_adapter_config
from medbench.errors import ModelError
from medbench.training.model import first_line

__all__ = [
    "MERGEABLE",
    "MIXTURE",
    "PARTS",
    "VECTORS",
    "WHY_NOT_WHOLE",
    "Plan",
    "missing_modules",
    "resize_vocabulary",
]

log = logging.getLogger(__name__)
MERGEABLE = ("LORA", "LOHA", "LOKR", "IA3")
VECTORS = {
    "PREFIX_TUNING": "keys and values in front of the text",
    "PROMPT_TUNING": "vectors in front of the text",
    "P_TUNING": "vectors in front of the text",
    "MULTITASK_PROMPT_TUNING": "vectors in front of the text",
    "ADAPTION_PROMPT": "keys and values beside the text",
}
"""PEFT's types that add no weights to weights."""
PARTS = {
    "attention": "all experts are dropped",
    "shared": "routed experts are dropped, as which of them count depends on the token",
}
"""What of a mixture of experts can be merged, and what that leaves out."""
MIXTURE = "MOLORA"
WHY_NOT_WHOLE = (
    f"the router of {MIXTURE} picks other experts for each token, so no weights do the same"
)
OF_PEFT = "base_model.model."
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Plan:
    """An adapter that can be merged, and its base."""

    checkpoint: Path
    """The adapter's folder."""
    base: str
    """Hub id or folder."""
    revision: str | None
    """The Hub's commit, branch or tag; None: a folder."""
    weights: Shapes
    """The adapter's tensors: name to shape, as they are saved."""
    config: Any
    """The base's configuration."""
    only: str | None = None
    """Of `PARTS`: what of a mixture is merged; None: all of the adapter."""

    @classmethod
    def of(
        cls,
        checkpoint: Path,
        target: Path,
        only: str | None = None,
        *,
        trust_remote_code: bool = False,
    ) -> Self:
        """Check all that can be checked before weights are loaded.

        Raises:
            ModelError: everything that is in the way.
        """
        content = read_adapter_config(checkpoint)
        faults = list(adapter_faults(checkpoint, content, only))
        if target.exists():
            faults.append(f"{target} is there already; name another with --output, or remove it")
        if faults:
            raise ModelError("\n".join(faults))
        base, revision = base_of(checkpoint, content)
        config = base_config(base, revision, trust_remote_code=trust_remote_code)
        return cls(checkpoint, base, revision, shapes(checkpoint / WEIGHTS), config, only)

    @property
    def files(self) -> tuple[Path, Path]:
        """The adapter's configuration and weights."""
        return self.checkpoint / ADAPTER, self.checkpoint / WEIGHTS

    @property
    def saved_dtype(self) -> str:
        """How the base's weights are saved: float32, bfloat16, float16."""
        return str(self.config.dtype or torch.float32).removeprefix("torch.")

    def load(self, *, trust_remote_code: bool) -> tuple[Any, Any]:
        """Load the base in float32, and the tokenizer: the adapter's own, else the base's.

        Raises:
            ModelError: one of them cannot be loaded.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        where = {"revision": self.revision, "trust_remote_code": trust_remote_code}
        own = any(self.checkpoint.glob("tokenizer*"))
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                self.checkpoint if own else self.base, **({} if own else where)
            )
            model: Any = AutoModelForCausalLM.from_pretrained(
                self.base, dtype=torch.float32, device_map="cpu", **where
            )
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise ModelError(f"{self.base} could not be loaded: {first_line(error)}") from error
        if getattr(self.config, "quantization_config", None):
            log.warning("%s is saved quantised; it is dequantised before the merge", self.base)
            model = dequantised(model, trust_remote_code=trust_remote_code)
        rows = model.get_input_embeddings().weight.shape[0]
        rows = max(rows, *(shape[0] for _, shape in embeddings(model, self.weights)), 0)
        if len(tokenizer) > rows:
            raise ModelError(
                f"the tokenizer has {len(tokenizer)} tokens and {self.base} {rows} embeddings; "
                f"{self.checkpoint} saved none of its own"
            )
        return model, tokenizer


def adapter_faults(checkpoint: Path, content: dict[str, Any], only: str | None) -> Iterator[str]:
    """Yield why an adapter, or a part of it, cannot be merged."""
    kind = str(content.get("peft_type"))
    if kind == MIXTURE:
        yield from mixture_faults(checkpoint, content, only)
    elif only:
        yield f"--only {only}: {checkpoint} is a {kind} adapter; only {MIXTURE} has such parts"
    elif kind in VECTORS:
        yield (
            f"{checkpoint}: {kind} puts {VECTORS[kind]}, which are no part of any weight, so there "
            "is nothing to merge; `medbench eval` takes the checkpoint as it is"
        )
    elif kind not in MERGEABLE:
        yield f"{checkpoint}: {kind} is none of the types that are merged: {', '.join(MERGEABLE)}"
    if content.get("layer_replication"):
        yield f"{checkpoint}: layer_replication uses one layer several times; it cannot be merged"
    if not (checkpoint / WEIGHTS).is_file():
        yield f"{checkpoint} has no {WEIGHTS} (pickled weights are not loaded)"
    if not content.get("base_model_name_or_path"):
        yield f"{checkpoint / ADAPTER} names no base: set base_model_name_or_path there"


def mixture_faults(checkpoint: Path, content: dict[str, Any], only: str | None) -> Iterator[str]:
    """Yield why a mixture of experts cannot be merged."""
    if only is None:
        yield (
            f"{checkpoint}: {WHY_NOT_WHOLE}. --only shared merges attention and the shared experts "
            "exactly and drops routed ones, --only attention drops all experts; `medbench eval` "
            "takes the checkpoint as it is"
        )
    elif only == "shared" and not content.get("shared_experts"):
        yield f"--only shared: {checkpoint} has no shared experts; --only attention merges the rest"


def base_of(checkpoint: Path, content: dict[str, Any]) -> tuple[str, str | None]:
    """Return the base, and the commit that training used where it is known."""
    base = str(content["base_model_name_or_path"])
    if Path(base).is_dir():
        return base, None
    return base, base_revision(checkpoint, base, content.get("revision"))


def base_config(base: str, revision: str | None, *, trust_remote_code: bool) -> Any:
    """Return the base's configuration.

    Raises:
        ModelError: there is none, or its weights are in a form that nothing can be added to.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(
            base, revision=revision, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the base, {base}, is not to be had: {first_line(error)}; base_model_name_or_path in "
            f"{ADAPTER} says where it is"
        ) from error
    quantized = getattr(config, "quantization_config", None) or {}
    method = quantized.get("quant_method") if isinstance(quantized, dict) else quantized
    if quantized and method != "bitsandbytes":
        raise ModelError(
            f"the base, {base}, is saved as {method}, whose rounding a merge would have to repeat; "
            f"set base_model_name_or_path in {ADAPTER} to the model that it was made from"
        )
    return config


def dequantised(model: Any, *, trust_remote_code: bool) -> Any:
    """Return a model's weights in float32; transformers does not save the model itself any more."""
    from transformers import AutoModelForCausalLM

    weights = model.dequantize().float().state_dict()
    config = model.config
    vars(config).pop("quantization_config", None)
    whole: Any = AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, trust_remote_code=trust_remote_code
    )
    whole.load_state_dict(weights)
    whole.generation_config = model.generation_config
    return whole


def shapes(file: Path) -> Shapes:
    """Return the tensors of a safetensors file, without reading them.

    Raises:
        ModelError: it is cut off, or none.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            names = tensors.keys()
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{file} cannot be read: {first_line(error)}") from error


def embeddings(model: Any, weights: Shapes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield (name, shape) of whole embeddings that an adapter brings."""
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    names = [name for name, module in model.named_modules() if any(module is end for end in ends)]
    for name, shape in weights.items():
        own = any(name.startswith(f"{OF_PEFT}{one}.") for one in names)
        if own and name.endswith(".weight") and ".lora_" not in name and len(shape) == 2:
            yield name, shape


def resize_vocabulary(model: Any, weights: Shapes) -> None:
    """Make the base's embeddings as large as those that the adapter brings."""
    rows = {shape[0] for _, shape in embeddings(model, weights)}
    if rows and rows != {model.get_input_embeddings().weight.shape[0]}:
        model.resize_token_embeddings(max(rows), mean_resizing=False)


def missing_modules(adapted: Any, weights: Shapes) -> list[str]:
    """Return the adapter's tensors that found no place; PEFT passes over them."""
    from peft import get_peft_model_state_dict

    placed = get_peft_model_state_dict(adapted, save_embedding_layers=True)
    return sorted(set(weights) - set(placed))
