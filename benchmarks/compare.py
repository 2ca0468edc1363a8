"""What the claims share: questions as requests, two sides timed in turn, what is printed.

Both sides run in one process on one loaded model. "ours" calls `MedbenchHF`'s methods, "stock"
those of lm-eval's `HFLM` on the same object, with the same requests.

Where stock would take hours it is timed in every round on a sample of the questions
(`--stock-items`; 0: all), spread evenly over their lengths, other ones in each round; its seconds
are multiplied by questions / sample. Neighbours in length stay together in batches, so that stock
pads no more than it would over all questions. The output says where that was done.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Generic, TypeVar

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from medbench.engine.generation import Encoded
from medbench.engine.hf import MedbenchHF
from medbench.engine.packed.scores import BATCH_TOKENS, STEP, Score
from medbench.engine.packed.trie import Branches, build, depth_first
from medbench.engine.plan import load_tasks, task_manager
from medbench.engine.smollm2 import smollm2

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Question = list[Encoded]
"""All requests of one question."""


OPTIONS: dict[str, dict[str, Any]] = {
    "tasks": {"default": "kormedmcqa-letters_doctor", "help": "names, commas between them"},
    "items": {"type": int, "default": 100, "help": "questions of each task"},
    "shots": {"type": int, "default": 0, "help": "examples before each question"},
    "rounds": {"type": int, "default": 5},
    "stock_items": {"type": int, "default": 0, "help": "hf's questions a round; 0: all"},
    "stock_batch_size": {"type": int, "default": 1, "help": "hf's rows of a pass"},
    "rows": {"type": int, "default": 32, "help": "texts at once, ours"},
    "batch_tokens": {"type": int, "default": BATCH_TOKENS, "help": "most tokens of a pass, ours"},
    "model": {"default": "", "help": "default: `medbench path smollm2`"},
    "dtype": {"default": "float32"},
    "device": {"default": "cpu"},
}
QUESTIONS = ("tasks", "items", "shots")
STOCK = ("stock_items", "stock_batch_size")


def options(doc: str, *names: str, **defaults: Any) -> argparse.ArgumentParser:
    """Describe a command line: these of `OPTIONS` and the model's, with a claim's own defaults."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name in (*names, "batch_tokens", "model", "dtype", "device"):
        parser.add_argument(f"--{name.replace('_', '-')}", **OPTIONS[name])
    parser.set_defaults(**defaults)
    return parser


def load_model(asked: argparse.Namespace, *, must_pack: bool = True, **more: Any) -> MedbenchHF:
    """Load the model and see whether it can be packed; that also chooses the kernels."""
    model = MedbenchHF(
        asked.model or str(smollm2()),
        dtype=asked.dtype,
        device=asked.device,
        batch_tokens=asked.batch_tokens,
        batch_size=vars(asked).get("stock_batch_size", 1),
        **more,
    )
    assert model.can_pack or not must_pack, (
        "this model takes lm-eval's path; there is nothing to compare"
    )
    return model


def instances(tasks: str, items: int, shots: int) -> list[list[Instance]]:
    """Return lm-eval's own requests of the first questions of each task, question by question."""
    found: dict[tuple[str, int], list[Instance]] = {}
    for name, task in load_tasks(tasks.split(","), task_manager()).items():
        task.set_config(key="num_fewshot", value=shots)
        task.build_all_requests(limit=items, rank=0, world_size=1)
        for one in task.instances:
            found.setdefault((name, one.doc_id), []).append(one)
    return list(found.values())


def encoded(model: MedbenchHF, members: Sequence[Instance]) -> Question:
    """Return a question's requests as tokens, split as lm-eval splits them."""
    return [(None, *model._encode_pair(*one.args)) for one in members]


@contextmanager
def batch_size(model: MedbenchHF, size: int) -> Iterator[None]:
    """Change the model's batch size: texts at once of either side, stock's rows of a pass."""
    before, model.batch_size_per_gpu = model.batch_size_per_gpu, size
    try:
        yield
    finally:
        model.batch_size_per_gpu = before


def score_with(side: type[HFLM], model: HFLM, questions: Sequence[Question]) -> list[list[Score]]:
    """Score all requests of some questions with a class's own method."""
    flat = [request for question in questions for request in question]
    scores = iter(side._loglikelihood_tokens(model, flat, disable_tqdm=True))
    return [[next(scores) for _ in question] for question in questions]


def limited(request: Instance, most: int) -> Instance:
    """Let a text have at most so many tokens."""
    context, settings = request.args
    arguments: Any = (context, {**settings, "max_gen_toks": most})
    return Instance(request.request_type, request.doc, arguments, request.idx)


def texts(side: type[HFLM], model: MedbenchHF, part: Sequence[Instance], rows: int) -> list[str]:
    """Generate with a class's own method."""
    with batch_size(model, rows):
        return list(map(str, side.generate_until(model, list(part), disable_tqdm=True)))


@dataclass(slots=True)
class Timings(Generic[Answer]):
    """What rounds gave."""

    ours: list[float] = field(default_factory=list)
    """Seconds of each round."""
    stock: list[float] = field(default_factory=list)
    """The same, multiplied where stock had a sample."""
    answers: dict[int, tuple[Answer, Answer]] = field(default_factory=dict)
    """For each question that stock had: our answer and stock's."""
    share: str = ""
    """What stock's seconds come from, if not from all questions."""

    def print_ratio(self, about: str) -> None:
        """Print the last line."""
        stock, ours = statistics.median(self.stock), statistics.median(self.ours)
        seconds = f"hf {stock:.1f} s / medbench-hf {ours:.1f} s"
        print(f"ratio {stock / ours:.2f} ({seconds}, {about}{self.share})")


def timed(run: Callable[[Sequence[Item]], Answer], items: Sequence[Item]) -> tuple[float, Answer]:
    """Return seconds and answers."""
    start = time.perf_counter()
    found = run(items)
    return time.perf_counter() - start, found


def alternate(
    items: Sequence[Item],
    size: Callable[[Item], int],
    ours: Callable[[Sequence[Item]], Sequence[Answer]],
    stock: Callable[[Sequence[Item]], Sequence[Answer]],
    asked: argparse.Namespace,
) -> Timings[Answer]:
    """Time both sides in turn and print each round; `size` is an item's length."""
    order = sorted(range(len(items)), key=lambda index: size(items[index]))
    found: Timings[Answer] = Timings()
    for number in range(asked.rounds):
        seconds, mine = timed(ours, items)
        chosen = sample(order, asked.stock_items, asked.stock_batch_size, number, asked.rounds)
        stock_seconds, theirs = timed(stock, [items[index] for index in chosen])
        whole = stock_seconds * len(items) / len(chosen)
        found.ours.append(seconds)
        found.stock.append(whole)
        found.answers |= {
            index: (mine[index], one) for index, one in zip(chosen, theirs, strict=True)
        }
        how = ""
        if len(chosen) < len(items):
            how = f" ({stock_seconds:.1f} s for {len(chosen)})"
            found.share = f", timed on {len(chosen)} questions a round and multiplied"
        print(f"round {number + 1}: medbench-hf {seconds:.1f} s, hf {whole:.1f} s{how}", flush=True)
    return found


def sample(order: Sequence[int], wanted: int, batch: int, number: int, rounds: int) -> list[int]:
    """Return about `wanted` of the items in order of length: whole batches, spread evenly."""
    if not 0 < wanted < len(order):
        return list(order)
    batch = min(batch, wanted)
    blocks = wanted // batch
    step = len(order) / blocks
    shift = (number + 0.5) / rounds * (step - batch)
    starts = [int(block * step + shift) for block in range(blocks)]
    return [index for start in starts for index in order[start : start + batch]]


def distinct(rows: Sequence[Sequence[int]]) -> int:
    """Count tokens, each beginning that rows share once."""
    order = sorted({tuple(row) for row in rows})
    total = sum(map(len, order))
    for one, other in pairwise(order):
        pairs = zip(one, other, strict=False)
        different = (at for at, (left, right) in enumerate(pairs) if left != right)
        total -= next(different, min(len(one), len(other)))
    return total


def computed(model: MedbenchHF, requests: Sequence[Encoded]) -> int:
    """Count the tokens that the packed engine computes; it shares in steps of `STEP`."""
    members = model.by_context(list(requests))
    questions = [
        Branches.of(context, [requests[index][2] for index in indices])
        for context, indices in members.items()
    ]
    roots, _ = build(questions, STEP, model.limits.tokens)
    return sum(len(block.tokens) for block in depth_first(roots))


def scored_rows(requests: Sequence[Encoded]) -> list[tuple[int, ...]]:
    """Return what stock feeds the model: equal rows once, without their last token."""
    return list({(*context, *end[:-1]) for _, context, end in requests})


def print_tokens(model: MedbenchHF, questions: Sequence[Question]) -> None:
    """Print the tokens of stock, the distinct ones, and ours."""
    requests = [request for question in questions for request in question]
    rows = scored_rows(requests)
    print(
        f"{len(questions)} questions, {len(requests)} requests; tokens: {sum(map(len, rows)):,} in "
        f"hf's rows (without padding), {distinct(rows):,} distinct, "
        f"{computed(model, requests):,} computed by medbench-hf"
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two sides' scores of the same questions are apart."""

    gap: float
    """The largest difference of log-probabilities."""
    chosen: int
    """Questions for which both choose the same continuation."""
    greedy: int
    """Questions whose greedy flags are all equal."""
    questions: int

    @classmethod
    def of(cls, pairs: Sequence[tuple[list[Score], list[Score]]]) -> "Agreement":
        """Compare question by question."""

        def best(scores: list[Score]) -> int:
            return max(range(len(scores)), key=lambda at: scores[at][0])

        gaps = [abs(a[0] - b[0]) for one, other in pairs for a, b in zip(one, other, strict=True)]
        assert all(map(math.isfinite, gaps))
        return cls(
            max(gaps, default=0.0),
            sum(best(one) == best(other) for one, other in pairs),
            sum([a[1] for a in one] == [b[1] for b in other] for one, other in pairs),
            len(pairs),
        )

    def __str__(self) -> str:
        return (
            f"largest difference of log-probabilities {self.gap:.2g}, answers equal "
            f"{self.chosen}/{self.questions}, greedy flags equal {self.greedy}/{self.questions}"
        )


def compare_scores(doc: str, **defaults: Any) -> None:
    """Run a claim about scores: load, time in turn, compare, print the ratio last."""
    asked = options(doc, *QUESTIONS, "rounds", *STOCK, **defaults).parse_args()
    model = load_model(asked)
    questions = [encoded(model, one) for one in instances(asked.tasks, asked.items, asked.shots)]
    print_tokens(model, questions)
    found = alternate(
        questions,
        lambda question: len(question[0][1]),
        lambda part: score_with(MedbenchHF, model, part),
        lambda part: score_with(HFLM, model, part),
        asked,
    )
    print(f"{Agreement.of(list(found.answers.values()))} ({asked.dtype})")
    found.print_ratio(
        f"{len(questions)} questions of {asked.tasks}, {asked.shots}-shot, "
        f"hf's batch size {asked.stock_batch_size}"
    )
