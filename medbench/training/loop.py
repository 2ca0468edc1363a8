"""transformers' Trainer with the loss at supervised positions, and states that are always whole.

The loop, accumulation, precision, launchers and resuming are the Trainer's. Ours are: the loss
(`medbench.training.loss`), divided by the supervised tokens of the whole optimiser step over all
processes; a held-out loss that is a mean over tokens instead of over batches; a mark on each saved
state that is whole, before an older one is removed; and the count of tokens and seconds.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import CheckpointWrapper
from transformers import Trainer, TrainerCallback

from medbench import paths
from medbench.training.loss import supervised_loss
from medbench.training.penalties import Penalties
from medbench.training.states import Progress, mark_complete, prune

__all__ = ["MeasuresSaved", "Supervised"]

IGNORED = -100
"""The label of a token that no loss is taken on."""


class MeasuresSaved(TrainerCallback):
    """Measures every state that is saved: shares of all steps are rounded up one by one."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for a measurement before a state is saved."""
        control.should_evaluate = control.should_evaluate or control.should_save


class Supervised(Trainer):
    """A Trainer of supervised examples.

    Args:
        keep: saved states that stay on the disk, besides the best one.
        general: other held-out examples, which are measured too.
        done: what earlier sessions of this run did.
        saved_as: the type of a whole model's weights in the checkpoint; states keep their own.
        settings: the Trainer's own.
    """

    def __init__(
        self,
        *,
        keep: int,
        done: Progress,
        saved_as: torch.dtype,
        general: Any = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.keep = keep
        self.done = done
        self.general = general
        self.saved_as = saved_as
        self.is_final = False
        self.penalties = Penalties.of(self.model)
        self.batches = 1
        """Of this step, on this process."""
        self.model_accepts_loss_kwargs = True  # so that it counts the labels of a whole step
        self.loss_is_scaled_for_ga = True
        self.counted = torch.zeros(2, dtype=torch.int64, device=self.args.device)
        self.started = time.monotonic()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return a batch's share of the mean loss over the step's supervised tokens.

        Processes average their gradients, so each one's share counts as often as there are some. A
        term of the method's own is in each batch's loss in part, and so once in the step's.
        """
        assert not return_outputs and num_items_in_batch is not None
        loss = supervised_loss(model, inputs, num_items_in_batch)
        loss = loss * self.accelerator.num_processes
        return loss if self.penalties is None else self.penalties.join(loss, 1 / self.batches)

    def _get_num_items_in_batch(
        self, batch_samples: list[Any], device: torch.device
    ) -> torch.Tensor | int | None:
        """Count the supervised tokens of a step over all processes, and remember what was read."""
        if not batch_samples:
            return None
        self.batches = len(batch_samples)
        items = torch.stack([supervised(batch) for batch in batch_samples]).sum().to(device)
        self.counted[0] += sum(batch["input_ids"].numel() for batch in batch_samples)
        self.counted[1] += items
        return torch.as_tensor(self.accelerator.reduce(items))

    def add_up(self) -> Progress:
        """Return what the run has done; all processes must call it together."""
        tokens, learnt = self.accelerator.reduce(self.counted).tolist()
        return Progress(
            tokens=self.done.tokens + tokens,
            supervised_tokens=self.done.supervised_tokens + learnt,
            seconds=self.done.seconds + time.monotonic() - self.started,
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the number of tokens so far, and what of a loss is the method's own term."""
        done = self.add_up()
        if "loss" in logs and self.penalties is not None and self.penalties.joined is not None:
            logs = {**logs, "penalty": float(self.penalties.joined)}
        self.state.num_input_tokens_seen = done.tokens
        super().log({**logs, "tokens": done.tokens}, start_time)

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Return the held-out losses."""
        metrics = {f"{metric_key_prefix}_loss": self.mean_loss(eval_dataset)}
        if self.general is not None:
            metrics[f"{metric_key_prefix}_general_loss"] = self.mean_loss(self.general)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """Let only a state that is saved be the best: no other could be loaded at the end."""
        return self.control.should_save and super()._determine_best_metric(metrics, trial)

    def mean_loss(self, dataset: Any) -> float:
        """Return the mean loss over all supervised tokens of some examples; None: the usual."""
        model = self.model_wrapped
        model.eval()
        total = torch.zeros(2, device=self.args.device)
        for batch in self.get_eval_dataloader(dataset):
            inputs = self._prepare_inputs(batch)
            with torch.no_grad():
                loss = supervised_loss(model, inputs, 1)
            total += torch.stack([loss.float(), supervised(inputs).float()])
        summed, items = self.accelerator.reduce(total).tolist()
        return float(summed / items)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save a state; it counts when every process is done with it."""
        done = self.add_up()
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            folder, best = Path(str(self.args.output_dir)), self.state.best_model_checkpoint
            mark_complete(folder / f"checkpoint-{self.state.global_step}", done)
            prune(folder, self.keep, Path(best) if best else None)

    def save_final(self, folder: Path) -> None:
        """Save what was learnt; all processes must call it together, and train no more."""
        self.is_final = True
        unwrap_recomputed(self.model)
        self.save_model(str(folder), _internal_call=True)
        self.is_final = False

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Save a state's weights, or the checkpoint's."""
        if not self.is_final or hasattr(self.accelerator.unwrap_model(self.model), "peft_config"):
            super()._save(output_dir, state_dict)
            return
        weights = state_dict or self.accelerator.unwrap_model(self.model).state_dict()
        super()._save(output_dir, cast(weights, self.saved_as))
        state_the_type(Path(str(output_dir)), self.saved_as)


def unwrap_recomputed(model: Any) -> None:
    """Take FSDP's activation checkpointing off.

    PEFT looks its layers up by names that the wrappers are part of, and would save nothing.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, CheckpointWrapper):
                setattr(module, name, child._checkpoint_wrapped_module)


def cast(weights: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return weights in another type; tied ones stay tied."""
    done: dict[int, torch.Tensor] = {}
    for one in weights.values():
        if one.is_floating_point():
            done.setdefault(one.data_ptr(), one.to(dtype))
    return {name: done.get(one.data_ptr(), one) for name, one in weights.items()}


def state_the_type(folder: Path, dtype: torch.dtype) -> None:
    """Write into config.json how weights are saved; transformers writes how they were held."""
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["dtype"] = str(dtype).removeprefix("torch.")
    paths.write(file, f"{json.dumps(config, indent=2, sort_keys=True)}\n".encode())


def supervised(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Count the tokens of a batch that a loss is taken on."""
    return (batch["labels"] != IGNORED).sum()
