"""Training steps of a mixture of experts: ours, a loop over the experts, plain LoRA.

A few decoder layers of Qwen1.5-0.5B's widths (or others) with random weights and a small vocabulary
read the same random tokens; a step is forward, backward and AdamW. `loop` computes one expert after
another and gathers those that count, as the original does; `lora` puts plain LoRA of the shared
experts' rank where the others have experts, and the same LoRA on attention. Then the experts of one
layer alone are timed, forward and backward, without the layer that they stand beside. Sides take
turns in one process; mixture and loop must give the same loss.

    python benchmarks/mixture_step.py --tokens 1024 --rounds 5
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Qwen2Config

from medbench.molora import Mixture, MoloraConfig, mixtures

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
FEED_FORWARD = ["gate_proj", "up_proj", "down_proj"]
EVERYWHERE = {"target_modules": [*ATTENTION, *FEED_FORWARD], "task_type": "CAUSAL_LM"}
SIDES = ("mixture", "loop", "lora")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
WORDS = 1000
Step = Callable[[], float]
RANK, SHARED = 16, 2


class Loop(Mixture):
    """One expert after another; then those that each token is sent to are gathered."""

    def forward(
        self,
        module: Any,
        active_adapter: str,
        x: torch.Tensor,
        result: torch.Tensor,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Add what the experts say of x."""
        down, up = module.lora_A[active_adapter].weight, module.lora_B[active_adapter].weight
        scale, ranks = module.scaling[active_adapter], [self.rank] * self.experts
        downs, ups = down.split([self.shared_rank, *ranks]), up.split([self.shared_rank, *ranks], 1)
        chances = module.lora_router[active_adapter](x).softmax(-1)
        top, chosen = chances.topk(self.experts_per_token)
        gates = top / top.sum(-1, keepdim=True)  # (…, K)
        shared, *said = (x @ a.T @ b.T * scale for a, b in zip(downs, ups, strict=True))
        places = chosen[..., None].expand(*chosen.shape, up.shape[0])  # (…, K, O)
        routed = torch.stack(said, dim=-2).gather(-2, places)
        return result + shared + (routed * gates[..., None]).sum(-2)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--hidden", type=int, default=1024, help="width between layers")
    add("--inner", type=int, default=2816, help="width inside a feed-forward block")
    add("--layers", type=int, default=2)
    add("--experts", type=int, default=8)
    add("--experts-per-token", type=int, default=2)
    add("--tokens", type=int, default=1024, help="of a step")
    add("--rounds", type=int, default=5)
    add("--clock", choices=tuple(CLOCKS), default="wall", help="cpu: where others use it too")
    return parser.parse_args()


def build(side: str, asked: argparse.Namespace) -> Any:
    """Return a model with random weights and one side's adapter."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=WORDS,
        hidden_size=asked.hidden,
        intermediate_size=asked.inner,
        num_hidden_layers=asked.layers,
        num_attention_heads=asked.hidden // 64,
        num_key_value_heads=asked.hidden // 64,
    )
    model: Any = AutoModelForCausalLM.from_config(config)
    if side == "lora":
        ranks = dict.fromkeys(FEED_FORWARD, RANK * SHARED)
        return get_peft_model(model, LoraConfig(r=RANK, rank_pattern=ranks, **EVERYWHERE))
    experts = MoloraConfig(
        r=RANK,
        expert_modules=FEED_FORWARD,
        experts=asked.experts,
        experts_per_token=asked.experts_per_token,
        shared_experts=SHARED,
        **EVERYWHERE,
    )
    adapted = get_peft_model(model, experts)
    if side == "loop":
        for layer, adapter, _ in list(mixtures(adapted)):
            layer.lora_variant[adapter] = Loop(experts)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    return adapted


def tokens(asked: argparse.Namespace) -> torch.Tensor:
    """Return the tokens of a step."""
    return torch.randint(WORDS, (1, asked.tokens), generator=torch.Generator().manual_seed(1))


def stepper(model: Any, asked: argparse.Namespace) -> Step:
    """Return a training step, which returns its loss."""
    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer, ids = torch.optim.AdamW(trained, lr=0.0), tokens(asked)

    def step() -> float:
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step


def alone(model: Any, asked: argparse.Namespace) -> Step:
    """Return forward and backward of one layer's experts."""
    layer, adapter, mixture = next(mixtures(model))
    x = torch.randn(1, asked.tokens, layer.in_features, requires_grad=True)
    result = torch.zeros(1, asked.tokens, layer.out_features)

    def run() -> float:
        mixture.forward(layer, adapter, x, result).sum().backward()
        model.zero_grad()
        return 0.0

    return run


def take_turns(steps: dict[str, Step], asked: argparse.Namespace) -> dict[str, float]:
    """Run the sides in turn; return the median seconds of each."""
    clock = CLOCKS[asked.clock]
    seconds: dict[str, list[float]] = {side: [] for side in steps}
    for number in range(asked.rounds + 1):  # the first one is not counted
        for side, step in steps.items():
            start = clock()
            step()
            seconds[side].append(clock() - start)
        shown = ", ".join(f"{side} {spent[-1]:.4f} s" for side, spent in seconds.items())
        print(f"round {number}: {shown}", flush=True)
    return {side: statistics.median(spent[1:]) for side, spent in seconds.items()}


def main() -> None:
    """Time whole steps, then experts alone; print the medians' ratios last."""
    asked = options()
    models = {side: build(side, asked).train() for side in SIDES}
    steps = {side: stepper(model, asked) for side, model in models.items()}
    print(f"difference of losses {abs(steps['mixture']() - steps['loop']()):.2g} (mixture, loop)")
    step = take_turns(steps, asked)
    experts = take_turns({side: alone(models[side], asked) for side in SIDES[:2]}, asked)
    print(
        f"ratio {experts['loop'] / experts['mixture']:.2f} (experts alone: loop / mixture), "
        f"{step['loop'] / step['mixture']:.2f} (steps: loop / mixture), "
        f"{step['mixture'] / step['lora']:.2f} (steps: mixture / LoRA of rank {RANK * SHARED}); "
        f"{asked.experts_per_token} of {asked.experts} experts, {asked.tokens} tokens a step, "
        f"{asked.hidden} × {asked.inner}, {asked.layers} layers, {asked.clock} time"
    )


if __name__ == "__main__":
    main()
