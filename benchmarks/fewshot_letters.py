"""Few-shot letters: `medbench-hf` against lm-eval's `hf` on the same questions.

    MEDBENCH_DATA=BUNDLE python benchmarks/fewshot_letters.py --items 32 --shots 5 --rounds 5

Prints seconds of each round, medians, the largest difference of log-probabilities, the tokens that
each side computes, and last `ratio <stock seconds / ours> …`.
"""

import argparse
import statistics
import time
from typing import Any

from lm_eval.models.huggingface import HFLM

from medbench.engine.hf import MedbenchHF
from medbench.engine.plan import load_tasks, task_manager
from medbench.engine.shared_prefix import groups
from medbench.engine.smollm2 import smollm2


def main() -> None:
    """Measure in turn and report."""
    options = arguments()
    task = load_tasks([options.task], task_manager())[options.task]
    task.set_config(key="num_fewshot", value=options.shots)
    task.build_all_requests(limit=options.items, rank=0, world_size=1)
    lm = MedbenchHF(
        options.model or str(smollm2()),
        dtype=options.dtype,
        device=options.device,
        batch_size=options.batch_size,
    )
    assert lm.can_score_trees, "this model takes lm-eval's path; there is nothing to compare"
    requests = [(None, *lm._encode_pair(*one.args)) for one in task.instances]
    report_tokens(requests)
    ours, stock, difference = [], [], 0.0
    for number in range(options.rounds):
        seconds, found = timed(MedbenchHF._loglikelihood_tokens, lm, requests)
        stock_seconds, wanted = timed(HFLM._loglikelihood_tokens, lm, requests)
        ours.append(seconds)
        stock.append(stock_seconds)
        gaps = [abs(a[0] - b[0]) for a, b in zip(found, wanted, strict=True)]
        difference = max(difference, *gaps)
        print(
            f"round {number + 1}: medbench-hf {seconds:.1f} s, hf {stock_seconds:.1f} s", flush=True
        )
    print(f"largest difference of log-probabilities: {difference:.2g} ({options.dtype})")
    ratio = statistics.median(stock) / statistics.median(ours)
    print(
        f"ratio {ratio:.2f} (hf {statistics.median(stock):.1f} s / medbench-hf "
        f"{statistics.median(ours):.1f} s, {options.items} items, {options.shots}-shot)"
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="kormedmcqa-letters_doctor")
    parser.add_argument("--items", type=int, default=32)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=4)
    return parser.parse_args()


def timed(score: Any, lm: Any, requests: list[Any]) -> tuple[float, list[tuple[float, bool]]]:
    """Return seconds and scores."""
    start = time.perf_counter()
    found = score(lm, requests, disable_tqdm=True)
    return time.perf_counter() - start, found


def report_tokens(requests: list[Any]) -> None:
    """Print how many context tokens there are, and how many once shared ones count once."""
    contexts = list({tuple(context) for _, context, _ in requests})
    total = sum(map(len, contexts))
    distinct = sum(
        length + sum(len(one) - length for one in members) for length, members in groups(contexts)
    )
    print(f"context tokens: {total:,} in all, {distinct:,} with shared beginnings once")


if __name__ == "__main__":
    main()
