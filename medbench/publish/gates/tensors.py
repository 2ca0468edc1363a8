"""Gate `tensors`: every tensor is whole, finite, of the base's shape, and has a place; no pickle.

Shapes come from a skeleton: the model of the base's configuration, with the adapter on it, on
torch's meta device, which holds no numbers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from medbench.errors import MedbenchError, ModelError
from medbench.hub.files import is_pickle, names_of
from medbench.publish.candidate import Candidate
from medbench.publish.gates.finding import Finding
from medbench.training.adapted import resize_vocabulary
from medbench.training.model import first_line

__all__ = ["check"]

Shapes = dict[str, tuple[int, ...]]
SHOWN = 5
"""Faults of one kind that are told one by one."""


def check(candidate: Candidate) -> Finding:
    """Read every tensor, and compare names and shapes with the skeleton.

    Raises:
        ModelError: the Hub does not tell what lies beside what was downloaded.
    """
    folder = candidate.checkpoint.path
    faults = [
        f"{name} is a pickle, which runs code when it is loaded; save safetensors and remove it"
        for name in names(candidate)
        if is_pickle(Path(name).name)
    ]
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        faults.append("there are no safetensors")
    found: Shapes = {}
    for file in files:
        faults += read(file, found)
    numbers = sum(torch.Size(shape).numel() for shape in found.values())
    report = [f"{len(found):,} tensors in {len(files)} files, {numbers:,} numbers"]
    if files:
        try:
            faults += misplaced(candidate, found)
        except MedbenchError as error:
            faults.append(f"shapes could not be compared: {error}")
    if not faults:
        report.append("all finite, all of the base's shape, all in their places; no pickle")
    facts = {"tensors": len(found), "numbers": numbers, "faults": len(faults)}
    return Finding("tensors", not faults, "\n".join([*report, *shortened(faults)]), facts)


def names(candidate: Candidate) -> list[str]:
    """Return the paths of all files of a checkpoint, where it is published as where it lies.

    Raises:
        ModelError: the Hub does not tell.
    """
    folder = candidate.checkpoint.path
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*")}
    if candidate.repo:
        found.update(names_of(candidate.repo, folder.name))  # a snapshot is named by its commit
    return sorted(found)


def read(file: Path, found: Shapes) -> Iterator[str]:
    """Note every tensor's shape; yield those that hold nothing, or what is no number."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  (it is no mapping)
                if name in found:
                    yield f"{file.name}: {name} is in another file too"
                tensor = tensors.get_tensor(name)
                found[name] = tuple(tensor.shape)
                if not tensor.numel():
                    yield f"{file.name}: {name} is empty, of shape {list(tensor.shape)}"
                elif tensor.is_floating_point() and not is_finite(tensor):
                    yield f"{file.name}: {name} holds NaN or infinity"
    except (OSError, SafetensorError) as error:
        yield f"{file.name} cannot be read: {first_line(error)}"


def is_finite(tensor: torch.Tensor) -> bool:
    """Tell whether all numbers are; 8-bit floats have no arithmetic of their own."""
    wide = tensor.float() if tensor.element_size() == 1 else tensor
    return bool(torch.isfinite(wide).all())


def misplaced(candidate: Candidate, found: Shapes) -> Iterator[str]:
    """Yield tensors that the skeleton has no place for, that it misses, or of another shape.

    Raises:
        ModelError: there is no skeleton to compare with.
    """
    needed, allowed = expected(candidate, found)
    for name in sorted(set(needed) - set(found)):
        yield f"{name} is missing"
    for name in sorted(set(found) - set(allowed)):
        yield f"{name} has no place in the base"
    for name in sorted(set(found) & set(allowed)):
        if found[name] != allowed[name]:
            yield f"{name} is {list(found[name])}, its place is {list(allowed[name])}"


def expected(candidate: Candidate, found: Shapes) -> tuple[Shapes, Shapes]:
    """Return the tensors that a checkpoint must have, and those that it may have.

    Raises:
        ModelError: the base's configuration, or the adapter's, cannot be read.
    """
    checkpoint, base = candidate.checkpoint, candidate.checkpoint.provenance.base
    trust = candidate.runs_code
    if not checkpoint.is_adapter:
        model = skeleton(str(checkpoint.path), None, trust)
        whole = shapes(model.state_dict())
        tied = set(model.all_tied_weights_keys)
        return {name: shape for name, shape in whole.items() if name not in tied}, whole
    if candidate.base:
        model = skeleton(candidate.base, None, trust)
    else:
        model = skeleton(base.id, base.commit or base.revision, trust)
    return adapter_shapes(checkpoint.path, model, found)


def skeleton(name: str, revision: str | None, trust_remote_code: bool) -> Any:
    """Return a model without weights.

    Raises:
        ModelError: there is no configuration of one.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(
            name, revision=revision, trust_remote_code=trust_remote_code
        )
        vars(config).pop("quantization_config", None)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"{name} has no configuration to be had: {first_line(error)}") from error


def adapter_shapes(folder: Path, model: Any, found: Shapes) -> tuple[Shapes, Shapes]:
    """Return what PEFT would save of an adapter on a skeleton: without and with embeddings.

    Raises:
        ModelError: PEFT cannot put the adapter on this base.
    """
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict

    import medbench.molora  # noqa: F401  (PEFT knows MOLORA from here on)

    resize_vocabulary(model, found)
    try:
        config = PeftConfig.from_pretrained(str(folder))
        for start in ("init_lora_weights", "init_weights"):
            if start in vars(config):
                setattr(config, start, False)  # a start from the base's weights needs numbers
        config.inference_mode, config.base_model_name_or_path = False, None
        adapted = get_peft_model(model, config)
        if config.is_prompt_learning:
            return (vectors := {"prompt_embeddings": virtual_tokens(adapted)}), vectors
        least = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        most = get_peft_model_state_dict(adapted, save_embedding_layers=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"{folder.name} does not fit its base: {first_line(error)}") from error
    return shapes(least), shapes(most)


def virtual_tokens(adapted: Any) -> tuple[int, ...]:
    """Return the shape of what PEFT saves of vectors in front of the text."""
    (encoder,) = adapted.prompt_encoder.values()
    rows, width = encoder.embedding.weight.shape
    if vars(encoder).get("prefix_projection"):
        width = encoder.transform[-1].out_features  # saved behind the projection
    return rows, width


def shapes(tensors: Mapping[str, torch.Tensor]) -> Shapes:
    """Return name → shape."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def shortened(faults: list[str]) -> list[str]:
    """Return the first faults, and how many more there are."""
    rest = len(faults) - SHOWN
    return [*faults[:SHOWN], f"and {rest} more"] if rest > 0 else faults
