"""How near the machine's matrix-multiply limit the linear layers run, and where time goes.

The limit is the faster of a plain `torch.matmul` and oneDNN's product on weights in its own layout,
of each layer's own shape with as many rows as a pass has tokens, weighted as the layers are used; a
large square product is shown beside it. The layers'
seconds are taken around each `nn.Linear` while `medbench-hf` scores; so are the attention's.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from compare import QUESTIONS, encoded, instances, load_model, options, print_tokens, score_with

from medbench.engine.hf import MedbenchHF
from medbench.engine.packed import linears, passes, scores

Shape = tuple[int, int]
"""Inputs and outputs of a layer."""
SQUARE = 2048


@dataclass(slots=True)
class Use:
    """What was done in layers of one shape."""

    names: set[str] = field(default_factory=set)
    calls: int = 0
    rows: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Watch:
    """Seconds by place, and layers by shape."""

    seconds: dict[str, float] = field(default_factory=dict)
    layers: dict[Shape, Use] = field(default_factory=dict)
    started: float = 0.0

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with its seconds added up."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                spent = time.perf_counter() - start
                self.seconds[name] = self.seconds.get(name, 0.0) + spent

        return watched

    def before(self, *_: Any) -> None:
        """Start a layer's clock."""
        self.started = time.perf_counter()

    def after(self, name: str) -> Callable[..., None]:
        """Return a hook that stops the clock and counts a layer's rows."""

        def hook(layer: torch.nn.Linear, inputs: tuple[torch.Tensor, ...], _: Any) -> None:
            use = self.layers.setdefault((layer.in_features, layer.out_features), Use())
            use.seconds += time.perf_counter() - self.started
            use.names.add(name)
            use.calls += 1
            use.rows += inputs[0].numel() // layer.in_features

        return hook


@contextmanager
def watching(model: torch.nn.Module) -> Iterator[Watch]:
    """Watch the linear layers, the forward passes, the attention and its kernels."""
    watch = Watch()
    with ExitStack() as stack:
        for path, module in model.named_modules():
            if isinstance(module, torch.nn.Linear):
                hook = watch.after(path.rpartition(".")[2])
                stack.callback(module.register_forward_pre_hook(watch.before).remove)
                stack.callback(module.register_forward_hook(hook).remove)
        for place, name, label in (
            (scores, "forward", "forward passes"),
            (passes.PackPlan, "attend", "attention"),
            (passes, "attend", "kernels"),
        ):
            around = watch.around(label, getattr(place, name))
            stack.enter_context(patch.object(place, name, around))
        yield watch


def main() -> None:
    """Measure the limit and the run in turn; print the tables and the ratio of medians."""
    parser = options(__doc__, *QUESTIONS, "rounds", items=64, shots=5)
    asked = parser.parse_args()
    model = load_model(asked)
    questions = [encoded(model, one) for one in instances(asked.tasks, asked.items, asked.shots)]
    print_tokens(model, questions)
    rates, limits, squares = [], [], []
    for number in range(asked.rounds):
        with watching(model.model) as watch:
            whole = watch.around("whole", lambda: score_with(MedbenchHF, model, questions))
            whole()
        plain = {shape: product(asked.batch_tokens, *shape, model) for shape in watch.layers}
        squares.append(product(SQUARE, SQUARE, SQUARE, model))
        work = {shape: 2e-9 * use.rows * shape[0] * shape[1] for shape, use in watch.layers.items()}
        rates.append(sum(work.values()) / sum(use.seconds for use in watch.layers.values()))
        limits.append(sum(work.values()) / sum(work[shape] / plain[shape] for shape in work))
        print(
            f"round {number + 1}: layers {rates[-1]:.0f} GFLOP/s, products alone {limits[-1]:.0f}"
        )
    print_layers(watch, plain)
    print_places(watch)
    layers, limit = statistics.median(rates), statistics.median(limits)
    print(
        f"ratio {layers / limit:.2f} (linear layers {layers:.0f} GFLOP/s / products alone of their "
        f"shapes {limit:.0f} GFLOP/s; {SQUARE}³: {statistics.median(squares):.0f} GFLOP/s; "
        f"{len(questions)} questions of {asked.tasks}, {asked.shots}-shot, {asked.dtype})"
    )


def product(rows: int, inputs: int, outputs: int, model: MedbenchHF) -> float:
    """Return the most GFLOP/s of (rows, inputs) · (inputs, outputs); medians of seven."""
    kind = {"dtype": model.model.dtype, "device": model.device}
    left, right = torch.randn(rows, inputs, **kind), torch.randn(outputs, inputs, **kind)
    out = torch.empty(rows, outputs, **kind)
    ways: list[Callable[[], object]] = [lambda: torch.matmul(left, right.T, out=out)]
    if left.is_cpu and left.dtype == torch.float32 and linears.worthwhile():
        ready = torch.ops.mkldnn._reorder_linear_weight(right, rows)
        ways.append(lambda: linears.product(ready, None, left))
    return 2e-9 * rows * inputs * outputs / min(map(seconds, ways))


def seconds(run: Callable[[], object]) -> float:
    """Return the median of seven runs."""
    spent = []
    for _ in range(8):
        start = time.perf_counter()
        run()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent[1:])


def print_layers(watch: Watch, plain: dict[Shape, float]) -> None:
    """Print the last round's layers."""
    print("| layers | inputs × outputs | calls | rows a call | seconds | GFLOP/s | alone | share |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for shape, use in watch.layers.items():
        rate = 2e-9 * use.rows * shape[0] * shape[1] / use.seconds
        print(
            f"| {', '.join(sorted(use.names))} | {shape[0]} × {shape[1]} | {use.calls} | "
            f"{use.rows / use.calls:.0f} | {use.seconds:.2f} | {rate:.0f} | {plain[shape]:.0f} | "
            f"{rate / plain[shape]:.0%} |"
        )


def print_places(watch: Watch) -> None:
    """Print where the last round's time went."""
    spent = watch.seconds
    linear = sum(use.seconds for use in watch.layers.values())
    places = {
        "linear layers": linear,
        "attention kernels": spent["kernels"],
        "attention: parts joined, keys kept": spent["attention"] - spent["kernels"],
        "rest of the forward passes": spent["forward passes"] - spent["attention"] - linear,
        "tree, logits read": spent["whole"] - spent["forward passes"],
    }
    print("| where time goes | seconds | share |")
    print("|---|--:|--:|")
    for place, seconds in places.items():
        print(f"| {place} | {seconds:.2f} | {seconds / spent['whole']:.0%} |")


if __name__ == "__main__":
    main()
