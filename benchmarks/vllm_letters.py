"""Options on vLLM: `medbench-vllm` against lm-eval's `vllm` on the same engine and questions.

    MEDBENCH_DATA=BUNDLE python benchmarks/vllm_letters.py --kind sets --shots 0 --items 32

`letters` are single tokens, `sets` the 31 option sets of a French question, `text` the options'
own words. Both sides run in turn in one process on one engine, its prefix cache emptied before
each; the scores compared are those of the last round. Where lm-eval would take hours it is timed
on the first `--stock-items` questions, and its seconds are multiplied.

Prints what each side asks and computes, seconds of each round, the largest difference of
log-probabilities, and last `ratio <lm-eval's seconds / ours> …`.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from medbench.engine.generation import Encoded
from medbench.engine.next_tokens import Score
from medbench.engine.smollm2 import smollm2

TASKS = {
    "letters": "kormedmcqa-letters_doctor",
    "sets": "mmedbench_french",
    "text": "kormedmcqa-letters_doctor",
}


def main() -> None:
    """Measure in turn and report."""
    asked = arguments()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    from lm_eval.models.vllm_causallms import VLLM

    from medbench.engine.vllm import MedbenchVLLM

    lm = load(asked)
    questions = encoded(lm, asked)
    sample = questions[: asked.stock_items or None]
    print_tokens(lm, questions)
    ours, stock = [], []
    for number in range(asked.rounds):
        seconds, found = timed(MedbenchVLLM._loglikelihood_tokens, lm, questions)
        stock_seconds, wanted = timed(VLLM._loglikelihood_tokens, lm, sample)
        ours.append(seconds)
        stock.append(stock_seconds * len(questions) / len(sample))
        print(
            f"round {number + 1}: medbench-vllm {seconds:.1f} s, vllm {stock[-1]:.1f} s", flush=True
        )
    gap = max(abs(a[0] - b[0]) for a, b in zip(found, wanted, strict=False))
    print(f"largest difference of log-probabilities: {gap:.2g} ({asked.dtype})")
    stock_median, median = statistics.median(stock), statistics.median(ours)
    how = f", vllm timed on {len(sample)} and multiplied" if len(sample) < len(questions) else ""
    print(
        f"ratio {stock_median / median:.2f} (vllm {stock_median:.1f} s / medbench-vllm "
        f"{median:.1f} s, {asked.kind}, {len(questions)} questions, {asked.shots}-shot{how})"
    )
    lm.model.llm_engine.engine_core.shutdown()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--kind", choices=tuple(TASKS), default="letters")
    add("--task", default="", help="default: a KorMedMCQA exam; for sets: MMedBench French")
    add("--items", type=int, default=32)
    add("--stock-items", type=int, default=0, help="time lm-eval on so many; 0: all")
    add("--shots", type=int, default=5)
    add("--rounds", type=int, default=5)
    add("--model", default="", help="default: `medbench path smollm2`")
    add("--dtype", default="float32")
    add("--block-size", type=int, default=0, help="of vLLM's cache; default: medbench-vllm's")
    return parser.parse_args()


def load(asked: argparse.Namespace) -> Any:
    """Load the engine; it is `medbench-vllm`'s for both sides."""
    from medbench.engine.vllm import MedbenchVLLM

    more = {"block_size": asked.block_size} if asked.block_size else {}
    model = asked.model or str(smollm2())
    return MedbenchVLLM(model, dtype=asked.dtype, enforce_eager=True, **more)


def encoded(lm: Any, asked: argparse.Namespace) -> list[list[Encoded]]:
    """Return the requests of each question as tokens."""
    from medbench.engine.plan import load_tasks, task_manager

    name = asked.task or TASKS[asked.kind]
    task = load_tasks([name], task_manager())[name]
    task.set_config(key="num_fewshot", value=asked.shots)
    task.build_all_requests(limit=asked.items, rank=0, world_size=1)
    pairs: dict[int, list[tuple[str, str]]] = {}
    for one in task.instances:
        pairs.setdefault(one.doc_id, []).append(one.args)
        if asked.kind == "text":
            options = one.doc["options"]
            pairs[one.doc_id] = [(one.args[0], f" {option}") for option in options]
    return [[(None, *lm._encode_pair(*pair)) for pair in question] for question in pairs.values()]


def timed(
    score: Callable[..., list[Score]], lm: Any, questions: Sequence[Sequence[Encoded]]
) -> tuple[float, list[Score]]:
    """Return seconds and scores, from an empty cache."""
    lm.model.reset_prefix_cache()
    requests = [request for question in questions for request in question]
    start = time.perf_counter()
    found = score(lm, requests, disable_tqdm=True)
    return time.perf_counter() - start, found


def print_tokens(lm: Any, questions: Sequence[Sequence[Encoded]]) -> None:
    """Print what lm-eval computes, and what the trees ask for and leave to compute."""
    from medbench.engine.next_tokens import cheap_tree, computed_tokens

    rows = [len(context) + len(option) for one in questions for _, context, option in one]
    nodes, computed, others = 0, 0, 0
    for question in questions:
        length = len(question[0][1])
        tree = cheap_tree(length, [option for _, _, option in question], lm.cache_block)
        others += not tree
        nodes += len(tree or ())
        computed += computed_tokens((length + len(one) for one in tree or [()]), lm.cache_block)
    print(
        f"{len(questions)} questions; vllm computes {sum(rows):,} tokens in {len(rows)} requests, "
        f"medbench-vllm at most {computed:,} in {nodes}, and {others} questions as vllm does"
    )


if __name__ == "__main__":
    main()
