"""Five-shot chains of thought: `medbench-hf` against lm-eval's `hf`, greedy, on the same questions.

lm-eval computes the five written-out examples for every question and holds a batch until its last
text has ended; the packed engine computes them once and fills a finished text's place. Both stop at
the task's stop strings or after `--max-new-tokens`. Stock is timed on whole batches of its own,
other questions each round, and multiplied.
"""

from compare import (
    QUESTIONS,
    STOCK,
    alternate,
    distinct,
    instances,
    limited,
    load_model,
    options,
    texts,
)
from lm_eval.models.huggingface import HFLM

from medbench.engine.hf import MedbenchHF


def main() -> None:
    """Generate in turn, compare the texts."""
    parser = options(
        __doc__,
        *(*QUESTIONS, "rounds", *STOCK, "rows"),
        tasks="kormedmcqa-cot_doctor",
        shots=5,
        items=64,
        stock_items=8,
        stock_batch_size=8,
    )
    parser.add_argument("--max-new-tokens", type=int, default=256)
    asked = parser.parse_args()
    model = load_model(asked)
    groups = instances(asked.tasks, asked.items, asked.shots)
    requests = [limited(one, asked.max_new_tokens) for [one] in groups]
    prompts = {id(one): model.tok_encode(one.args[0]) for one in requests}
    print_tokens(list(prompts.values()))
    found = alternate(
        requests,
        lambda one: len(prompts[id(one)]),
        lambda part: texts(MedbenchHF, model, part, asked.rows),
        lambda part: texts(HFLM, model, part, asked.stock_batch_size),
        asked,
    )
    same = sum(one == other for one, other in found.answers.values())
    lengths = [len(model.tok_encode(text)) for text, _ in found.answers.values()]
    print(f"texts of {min(lengths)} to {max(lengths)} tokens")
    print(f"identical texts {same}/{len(lengths)} ({same / len(lengths):.1%}, {asked.dtype})")
    found.print_ratio(
        f"{len(requests)} questions of {asked.tasks}, {asked.shots}-shot, up to "
        f"{asked.max_new_tokens} new tokens, {asked.rows} texts at once, hf's batch size "
        f"{asked.stock_batch_size}"
    )


def print_tokens(prompts: list[list[int]]) -> None:
    """Print the prompts' tokens."""
    print(
        f"{len(prompts)} prompts; tokens: {sum(map(len, prompts)):,} in all (without padding), "
        f"{distinct(prompts):,} distinct"
    )


if __name__ == "__main__":
    main()
