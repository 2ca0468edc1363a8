"""What one sees of a training: one line that moves; in a file, a line for each log entry."""

import math
import sys
import time
from importlib.util import find_spec
from typing import Any, TextIO

from tqdm import tqdm
from transformers import TrainerCallback

from medbench.errors import MissingExtra, TrainingError
from medbench.recipe import Recipe
from medbench.training.forgetting import perplexity_line

__all__ = ["Meter", "check_services"]


def check_services(recipe: Recipe) -> None:
    """Look for the services that get the log too.

    Raises:
        MissingExtra: one is not installed.
    """
    for name in recipe.tracking.report_to:
        if find_spec(name) is None:
            raise MissingExtra(name, f"tracking.report_to {name}")


class Meter(TrainerCallback):
    """Shows step, loss, learning rate, tokens a second and the time left; stops at a loss of NaN.

    Args:
        output: where lines go; a terminal gets one line that moves.
        perplexity: what is held out is text, so say how likely it is.
    """

    def __init__(self, output: TextIO | None = None, *, perplexity: bool = False) -> None:
        self.perplexity = perplexity
        self.output = output or sys.stderr
        self.bar: Any = None
        self.first = (0, 0)
        self.started = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self.first = (state.global_step, state.num_input_tokens_seen)
        self.started = time.monotonic()
        if state.is_world_process_zero and self.output.isatty():
            self.bar = tqdm(
                total=state.max_steps,
                initial=state.global_step,
                file=self.output,
                dynamic_ncols=True,
                bar_format="{n_fmt}/{total_fmt} {bar:20}{postfix}",
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on."""
        if self.bar is not None:
            self.bar.update(1)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show a log entry.

        Raises:
            TrainingError: the loss is no number any more.
        """
        logs: dict[str, float] = kwargs["logs"]
        loss = logs.get("loss", 0.0)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {state.global_step}; a lower "
                "training.learning_rate or training.precision bfloat16 may help"
            )
        if not state.is_world_process_zero:
            return
        if "loss" in logs:
            self.show(state, self.line(state, logs))
        elif "eval_loss" in logs:
            mean = f"held-out loss {logs['eval_loss']:.4f}"
            said = perplexity_line(logs) if self.perplexity else mean
            self.say(f"step {state.global_step} · {said}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the line as it is."""
        if self.bar is not None:
            self.bar.close()

    def line(self, state: Any, logs: dict[str, float]) -> str:
        """Say how it goes."""
        step, tokens = self.first
        seconds = max(time.monotonic() - self.started, 1e-9)
        speed = (logs["tokens"] - tokens) / seconds
        left = seconds / max(state.global_step - step, 1) * (state.max_steps - state.global_step)
        return (
            f"loss {logs['loss']:.4f} · lr {logs['learning_rate']:.2e} · "
            f"{speed:,.0f} tokens/s · {clock(left)} left"
        )

    def show(self, state: Any, line: str) -> None:
        """Put a line behind the bar, or under the last one."""
        if self.bar is None:
            self.say(f"{state.global_step}/{state.max_steps} · {line}")
        else:
            self.bar.set_postfix_str(line)

    def say(self, line: str) -> None:
        """Write a line of its own."""
        if self.bar is None:
            print(line, file=self.output, flush=True)
        else:
            self.bar.write(line, file=self.output)


def clock(seconds: float) -> str:
    """Return a time as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
