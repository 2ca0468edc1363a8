"""A recipe in the words of transformers' `TrainingArguments`."""

from pathlib import Path
from typing import Any

import torch

from medbench.recipe import Recipe

__all__ = ["OPTIMIZERS", "SCHEDULES", "on_cpu", "training_arguments"]

OPTIMIZERS = {
    "adamw": "adamw_torch",
    "adamw_8bit": "adamw_bnb_8bit",
    "paged_adamw": "paged_adamw_32bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
    "adafactor": "adafactor",
    "sgd": "sgd",
}
SCHEDULES = {"cosine_with_min": "cosine_with_min_lr"}
"""Where their name is not ours."""


def on_cpu() -> bool:
    """Tell whether this machine trains on its processor, as it has nothing else."""
    return not torch.accelerator.is_available()


def training_arguments(recipe: Recipe, folder: Path) -> Any:
    """Return the arguments of a run whose states are saved in a folder.

    Making them joins the process group, and tells transformers of ZeRO-3, before a model loads.
    """
    from transformers import TrainingArguments

    training, precision = recipe.training, recipe.training.precision
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=training.per_device_batch,
        per_device_eval_batch_size=training.per_device_batch,
        gradient_accumulation_steps=recipe.accumulation,
        **course(recipe),
        learning_rate=training.learning_rate,
        lr_scheduler_type=SCHEDULES.get(training.schedule, training.schedule),
        lr_scheduler_kwargs=schedule_settings(recipe),
        warmup_steps=0.0 if training.schedule == "constant" else training.warmup,
        optim=OPTIMIZERS[training.optimizer],
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm or 0.0,
        bf16=precision == "bfloat16",
        fp16=precision == "float16",
        gradient_checkpointing=training.gradient_checkpointing and recipe.launch.strategy != "fsdp",
        gradient_checkpointing_kwargs={"use_reentrant": False},
        neftune_noise_alpha=training.neftune_alpha,
        use_cache=True,  # of the saved configuration; training itself keeps no cache
        seed=training.seed,
        data_seed=training.seed,
        use_cpu=on_cpu(),
        dataloader_pin_memory=not on_cpu(),
        ddp_find_unused_parameters=False,
        remove_unused_columns=False,
        **tracking(recipe),
    )
    if recipe.launch.strategy == "single":
        arguments._n_gpu = min(arguments.n_gpu, 1)  # or the Trainer would copy the model to all
    return arguments


def course(recipe: Recipe) -> dict[str, Any]:
    """Return how long it trains, and who shuffles; a corpus's draws do so, and know the end."""
    if recipe.kind == "pretrain":
        return {"num_train_epochs": 1.0, "train_sampling_strategy": "sequential"}
    training = recipe.training
    return {"num_train_epochs": training.epochs or 1.0, "max_steps": training.max_steps or -1}


def schedule_settings(recipe: Recipe) -> dict[str, float]:
    """Return what a schedule needs besides its name."""
    if recipe.training.schedule != "cosine_with_min":
        return {}
    return {"min_lr": recipe.training.min_learning_rate or 0.0}


def tracking(recipe: Recipe) -> dict[str, Any]:
    """Return when something is logged, measured and saved."""
    settings: dict[str, Any] = {
        "logging_steps": recipe.tracking.log_every,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # it would hide that the loss is no number any more
        "report_to": list(recipe.tracking.report_to),
        "run_name": recipe.name,
        "project": "medbench",
        "disable_tqdm": True,
        "save_strategy": "steps",
        "save_steps": recipe.tracking.save_every,
        "eval_strategy": "no",
    }
    if recipe.measures:
        settings["eval_strategy"] = "steps"
        settings["eval_steps"] = recipe.tracking.validate_every or recipe.tracking.save_every
        settings["load_best_model_at_end"] = recipe.tracking.keep_best
    return settings
