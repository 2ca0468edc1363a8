"""`medbench merge`: an adapter becomes part of its base, as a model that needs PEFT no longer.

The base is loaded in float32 from its own source, so weights that training held in 4 bits are
merged as they were before: a sum that were rounded to 4 bits again would lose most of the adapter.
A base that was saved by bitsandbytes in 4 or 8 bits is dequantised first. Of a mixture of experts
only what does not depend on the token is merged. Before anything is written, the merged model must
give the log-probabilities of base and adapter side by side.
"""

import json
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from medbench import paths
from medbench.checkpoint import CURVE, PROVENANCE, RECIPE, STATE, weight_digests
from medbench.errors import ModelError
from medbench.paths import sha256
from medbench.training.adapted import PARTS, Plan, missing_modules, resize_vocabulary
from medbench.training.model import first_line
from medbench.training.run import end_answers

__all__ = ["DTYPES", "Merged", "merge"]

DTYPES = ("float32", "bfloat16", "float16")
TOLERANCE = 1e-4
"""Of the largest log-probability; rounding in float32 stays below a tenth of it."""
TOKENS = 48
CARRIED = (RECIPE, STATE, f"{CURVE}.svg", f"{CURVE}.png")


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge left."""

    path: Path
    """The folder: a model like any other."""
    difference: float
    """The largest difference of a log-probability between merged and unmerged, in float32."""
    dtype: str
    """How the weights are saved."""
    dropped: str = ""
    """What of the adapter is not in it."""


def merge(
    checkpoint: Path,
    output: Path | None = None,
    dtype: str | None = None,
    *,
    only: str | None = None,
    trust_remote_code: bool = False,
) -> Merged:
    """Merge an adapter into its base.

    Args:
        checkpoint: a folder with `adapter_config.json`, made by `medbench train` or by PEFT itself.
        output: the folder to be; by default `<checkpoint>-merged`, or `<checkpoint>-<only>`.
        dtype: of `DTYPES`; None: as the base is saved.
        only: of `PARTS`, for a mixture of experts: what of it is merged.
        trust_remote_code: run code that comes with the base.

    Raises:
        ModelError: it cannot be merged, with everything that is in the way; or the merged model
            does not do what base and adapter do.
    """
    target = output or checkpoint.with_name(f"{checkpoint.resolve().name}-{only or 'merged'}")
    plan = Plan.of(checkpoint, target, only, trust_remote_code=trust_remote_code)
    model, tokenizer = plan.load(trust_remote_code=trust_remote_code)
    saved = dtype or plan.saved_dtype
    with warnings.catch_warnings():
        # PEFT's on tied embeddings, which are seen to below
        warnings.simplefilter("ignore", UserWarning)
        merged, difference = merged_model(plan, model)
    end_answers(merged, int(tokenizer.eos_token_id))
    merged.to(getattr(torch, saved))
    write(plan, target, merged, tokenizer, saved, difference)
    return Merged(target, difference, saved, PARTS[only] if only else "")


def merged_model(plan: Plan, base: Any) -> tuple[Any, float]:
    """Attach the adapter, switch off what is not wanted of it, merge it, and compare.

    Returns:
        The merged model, and the largest difference of a log-probability.

    Raises:
        ModelError: the adapter does not fit, or the merged model is another one.
    """
    from peft import PeftModel

    from medbench.molora import settle, silence

    resize_vocabulary(base, plan.weights)
    try:
        adapted = PeftModel.from_pretrained(base, plan.checkpoint, autocast_adapter_dtype=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split()[:40])
        raise ModelError(f"{plan.checkpoint} does not fit {plan.base}: {reason}") from error
    if lost := missing_modules(adapted, plan.weights):
        raise ModelError(
            f"{plan.checkpoint} has weights for {', '.join(lost[:3])}, which {plan.base} has not; "
            "it belongs to another base"
        )
    adapted.float().eval()
    if plan.only:
        silence(adapted, shared=plan.only == "attention")
    before = log_probabilities(adapted)
    settle(adapted)
    was_tied = untie(base)
    try:
        merged = adapted.merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{plan.checkpoint} cannot be merged: {error}") from error
    if was_tied:
        tie_again(merged)
    difference = float((log_probabilities(merged) - before).abs().max())
    if not difference <= TOLERANCE * float(before.abs().max()):  # NaN too
        raise ModelError(
            f"{plan.checkpoint}: the merged model's log-probabilities are off by {difference:.2g}; "
            "nothing was written. This adapter must be used beside its base"
        )
    return merged, difference


@torch.inference_mode()
def log_probabilities(model: Any) -> torch.Tensor:
    """Return (TOKENS, vocabulary) log-probabilities of some text that never changes."""
    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    rows = inner.get_input_embeddings().weight.shape[0]
    ids = torch.randint(rows, (1, TOKENS), generator=torch.Generator().manual_seed(0))
    logits = model(input_ids=ids, use_cache=False).logits[0]
    return torch.log_softmax(logits.float(), dim=-1)


def untie(model: Any) -> bool:
    """Give modules that share a weight one of their own: an adapter may change only one of them.

    Returns:
        Whether there were such modules.
    """
    seen: set[int] = set()
    is_tied = False
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and id(parameter) in seen:
                copy = torch.nn.Parameter(parameter.detach().clone(), requires_grad=False)
                module._parameters[name], is_tied = copy, True
            elif parameter is not None:
                seen.add(id(parameter))
    return is_tied


def tie_again(model: Any) -> None:
    """Share input and output embeddings again where they are still alike; else say they differ."""
    first, last = model.get_input_embeddings(), model.get_output_embeddings()
    is_alike = torch.equal(first.weight, last.weight)
    if is_alike:
        last.weight = first.weight
    for config in (model.config, model.config.get_text_config()):
        config.tie_word_embeddings = is_alike


def write(
    plan: Plan, target: Path, model: Any, tokenizer: Any, dtype: str, difference: float
) -> None:
    """Write everything into a folder beside the target, then rename it.

    Raises:
        ModelError: it cannot be written.
    """
    scratch = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".merged-", dir=target.parent))
        scratch.chmod(0o755)
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        for name in CARRIED:
            if (plan.checkpoint / name).is_file():
                shutil.copyfile(plan.checkpoint / name, scratch / name)
        describe(plan, scratch, model, dtype, difference)
        scratch.replace(target)
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_line(error)
        raise ModelError(f"{target} cannot be written: {reason or error}") from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def describe(plan: Plan, folder: Path, model: Any, dtype: str, difference: float) -> None:
    """Carry the provenance on, with what was merged."""
    file = plan.checkpoint / PROVENANCE
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    base = Path(plan.base)
    weights = sorted(base.glob("*.safetensors")) if base.is_dir() else []
    content["merged_from"] = {
        "adapter": str(plan.checkpoint),
        "adapter_sha256": {path.name: sha256(path) for path in plan.files},
        "base": plan.base,
        "base_revision": plan.revision,
        "base_commit": getattr(model.config, "_commit_hash", None),
        "base_sha256": {path.name: sha256(path) for path in weights},
        "weights_sha256": weight_digests(folder),
        "dtype": dtype,
        "largest_difference": difference,
        "only": plan.only,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    paths.write(folder / PROVENANCE, f"{text}\n".encode())
