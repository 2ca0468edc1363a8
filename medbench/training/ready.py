"""Everything that can be wrong with a training, looked at before any weight loads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from medbench.errors import MedbenchError, MissingExtra, RecipeError, TrainingError
from medbench.recipe import Recipe
from medbench.training.corpus.read import Pretraining, glance, read_corpus
from medbench.training.examples import Example, build_examples
from medbench.training.launch import check_launch
from medbench.training.layout import Layout, choose
from medbench.training.model import load_config, load_tokenizer
from medbench.training.modules import module_faults, skeleton
from medbench.training.stop import stop_token
from medbench.training.tracking import check_services

__all__ = ["Ready", "prepare"]

STEP_SHARDS = ("adamw", "sgd")
BY_BITSANDBYTES = ("adamw_8bit", "paged_adamw", "paged_adamw_8bit")
HOLDERS = {"awq": "gptqmodel", "gptq": "gptqmodel"}
"""What runs weights that their makers quantised."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A recipe that can be trained, and what was read on the way."""

    recipe: Recipe
    """What is trained."""
    tokenizer: Any
    """Its padding token is set; its end of text is the token that answers learn to end with."""
    examples: Sequence[Example]
    """Of an epoch; of a corpus, the windows of the first one."""
    held_out: Sequence[Example] | None
    """What the held-out loss is measured on."""
    layout: Layout
    """How batches are laid out."""
    corpus: Pretraining | None = None
    """Of a continued pre-training."""


def prepare(recipe: Recipe, *, reads_rows: bool = True) -> Ready:
    """Check a recipe against this machine, its model and its data, and read the examples.

    Args:
        recipe: what is trained.
        reads_rows: no examples without; they are others' then.

    Raises:
        MedbenchError: everything that is wrong.
    """
    check_start(recipe)
    faults: list[MedbenchError] = []
    for look in (check_services, check_launch, check_machine, check_settings, glance):
        attempt(faults, look, recipe)
    layout = attempt(faults, check_model, recipe)
    tokenizer = attempt(faults, load_tokenizer, recipe)
    found: list[Any] = [()]
    if tokenizer is not None and recipe.kind == "sft" and reads_rows:
        found = [
            attempt(faults, build_examples, recipe, tokenizer, part)
            for part in ("mixture", *(["validation"] if recipe.data.validation else []))
        ]
    elif tokenizer is not None:
        attempt(faults, stop_token, tokenizer, recipe)
    if faults:
        raise together(faults)
    corpus = read_corpus(recipe, tokenizer) if recipe.kind == "pretrain" else None
    if corpus is not None:
        found = [corpus.windows, corpus.held_out]
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(stop_token(tokenizer, recipe))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    held_out = found[1] if len(found) > 1 else None
    return Ready(recipe, tokenizer, found[0], held_out, layout, corpus)


def attempt(faults: list[MedbenchError], look: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a look finds; what it raises goes to the others."""
    try:
        return look(*arguments)
    except MedbenchError as error:
        faults.append(error)
        return None


def together(faults: Sequence[MedbenchError]) -> MedbenchError:
    """Return one error of many."""
    if len(faults) == 1:
        return faults[0]
    lines = dict.fromkeys(line for one in faults for line in str(one).splitlines())
    return TrainingError("\n".join(lines))


def check_start(recipe: Recipe) -> None:
    """Refuse to train on another recipe's checkpoint before that is made.

    Raises:
        RecipeError: it is not known where it lies, or it is no whole model.
    """
    made = recipe.model.start
    if made and made.folder is None:
        raise RecipeError(
            f"{recipe.name} starts from what {made.recipe} leaves: `medbench run` makes both; "
            "model.start.folder=DIR names weights that are there already"
        )
    if made and not (Path(str(made.folder)) / "config.json").is_file():
        raise RecipeError(
            f"model.start.folder: {made.folder} holds no whole model; `medbench merge` makes one "
            "of an adapter"
        )


def check_machine(recipe: Recipe) -> None:
    """Look whether this machine has what the recipe asks for.

    Raises:
        RecipeError: it has not.
    """
    faults, launch, precision = [], recipe.launch, recipe.training.precision
    cards = torch.cuda.device_count()
    if cards and launch.devices > cards:
        faults.append(f"launch.devices: {launch.devices}, and this machine has {cards}")
    if not cards and launch.strategy == "single" and launch.devices > 1:
        faults.append(f"launch.devices: {launch.devices} to spread layers over, and no GPU here")
    if launch.strategy == "fsdp" and launch.offload != "none" and not cards:
        faults.append("launch.offload: there is no GPU here to take weights off")
    if precision == "float16" and not torch.accelerator.is_available():
        faults.append("training.precision: float16 needs a GPU; bfloat16 runs on a processor")
    if recipe.training.optimizer.startswith("paged") and not cards:
        faults.append(
            f"training.optimizer: {recipe.training.optimizer} pages the memory of a GPU, and "
            f"there is none here; {recipe.training.optimizer.removeprefix('paged_')} has no pages"
        )
    if precision.endswith("bfloat16") and cards and not torch.cuda.is_bf16_supported():
        faults.append(f"training.precision: {precision} needs a newer GPU; float16 runs on this")
    if faults:
        raise RecipeError("\n".join(faults))


def check_settings(recipe: Recipe) -> None:
    """Look for settings that the libraries underneath cannot follow together.

    Raises:
        RecipeError: there are some.
        MissingExtra: bitsandbytes is not installed.
    """
    faults, training, strategy = [], recipe.training, recipe.launch.strategy
    needs = training.optimizer in BY_BITSANDBYTES or recipe.quantization.load in (
        "nf4",
        "fp4",
        "int8",
    )
    if needs and find_spec("bitsandbytes") is None:
        raise MissingExtra("train", "8-bit optimisers and quantisation at load")
    if strategy == "fsdp" and training.optimizer not in STEP_SHARDS:
        faults.append(
            f"training.optimizer: {training.optimizer} cannot step weights that FSDP has cut; "
            f"{', '.join(STEP_SHARDS)} can"
        )
    saves, measures = recipe.tracking.save_every, recipe.tracking.validate_every
    if recipe.tracking.keep_best and measures and not is_multiple(saves, measures):
        faults.append(
            f"tracking.keep_best: each saved state must be measured, so save_every {saves:g} must "
            f"be a multiple of validate_every {measures:g}"
        )
    if faults:
        raise RecipeError("\n".join(faults))


def is_multiple(saves: float, measures: float) -> bool:
    """Tell whether states are saved only where the loss is measured."""
    if (saves < 1) != (measures < 1):
        return False  # a share of all steps against a number of steps
    ratio = saves / measures
    return abs(ratio - round(ratio)) < 1e-6 and round(ratio) >= 1


def check_model(recipe: Recipe) -> Layout:
    """Look whether the model has the parts that the recipe names; return how it reads batches.

    Raises:
        ModelError, RecipeError: it cannot be found, or it has not.
    """
    config = load_config(recipe)
    faults, stated = [], recipe.quantization.load
    held = (getattr(config, "quantization_config", None) or {}).get("quant_method", "none")
    if held != "none" and stated != held:
        faults.append(
            f"quantization.load: {stated}; the weights of {recipe.model.weights} are {held}"
        )
    if stated in HOLDERS and held == "none":
        faults.append(
            f"quantization.load: {stated}; those of {recipe.model.weights} are not quantised"
        )
    if stated in HOLDERS and find_spec(HOLDERS[stated]) is None:
        faults.append(f"training beside {stated} weights needs: pip install {HOLDERS[stated]}")
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    if recipe.kind == "pretrain" and context and recipe.data.sequence_length > context:
        faults.append(
            f"data.sequence_length: windows of {recipe.data.sequence_length} tokens, and "
            f"{recipe.model.id} reads {context}"
        )
    model = skeleton(config, trust_remote_code=recipe.model.trust_remote_code)
    faults += module_faults(model, recipe)
    layout = choose(model, recipe)
    if recipe.training.neftune_alpha and layout.packing:
        faults.append(
            "training.neftune_alpha: the noise depends on the length of a text; "
            "it needs data.packing: false"
        )
    if faults:
        raise RecipeError("\n".join(faults))
    return layout
