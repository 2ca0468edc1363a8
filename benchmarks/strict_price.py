"""What strict answers cost: strict mode's seconds over those of the normal mode.

Strict scores must be the same to the last bit whatever the order of the questions and the tokens of
a pass; how far normal ones move is shown beside them.
"""

import hashlib
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from compare import (
    QUESTIONS,
    Agreement,
    Question,
    encoded,
    instances,
    load_model,
    options,
    print_tokens,
    score_with,
    timed,
)

from medbench.engine.hf import MedbenchHF
from medbench.engine.packed.scores import Limits, Score

Scores = list[list[Score]]


def main() -> None:
    """Time both modes in turn, then score again in other surroundings."""
    parser = options(__doc__, *QUESTIONS, "rounds", shots=5)
    parser.add_argument("--other-tokens", default="512,4096", help="other --batch-tokens to try")
    asked = parser.parse_args()
    model = load_model(asked)
    questions = [encoded(model, one) for one in instances(asked.tasks, asked.items, asked.shots)]
    print_tokens(model, questions)
    modes = {name: replace(model.limits, strict=name == "strict") for name in ("normal", "strict")}
    seconds: dict[str, list[float]] = {name: [] for name in modes}
    first: dict[str, Scores] = {}
    for number in range(asked.rounds):
        for name, limits in modes.items():
            spent, found = timed(partial(score, model, limits), questions)
            seconds[name].append(spent)
            first.setdefault(name, found)
        print(f"round {number + 1}: {', '.join(f'{k} {v[-1]:.1f} s' for k, v in seconds.items())}")
    others = [int(one) for one in asked.other_tokens.split(",")]
    for name, limits in modes.items():
        print(f"{name}: sha256 {digest(first[name])}")
        report(
            name,
            model,
            questions,
            first[name],
            [limits, *(Limits(n, limits.strict) for n in others)],
        )
    strict, normal = statistics.median(seconds["strict"]), statistics.median(seconds["normal"])
    print(
        f"ratio {strict / normal:.2f} (strict {strict:.1f} s / normal {normal:.1f} s, "
        f"{len(questions)} questions of {asked.tasks}, {asked.shots}-shot)"
    )


def score(model: MedbenchHF, limits: Limits, questions: Sequence[Question]) -> Scores:
    """Score with these limits."""
    before, model.limits = model.limits, limits
    try:
        return score_with(MedbenchHF, model, questions)
    finally:
        model.limits = before


def report(
    name: str,
    model: MedbenchHF,
    questions: Sequence[Question],
    first: Scores,
    surroundings: Sequence[Limits],
) -> None:
    """Score in shuffled order with each limit, and every other question alone; compare.

    Raises:
        SystemExit: strict scores moved.
    """
    moved = False
    for seed, limits in enumerate(surroundings):
        order = random.Random(seed).sample(range(len(questions)), len(questions))
        half = order[: len(order) // 2]
        for what, part in (("all, shuffled", order), ("half of them, shuffled", half)):
            again = score(model, limits, [questions[index] for index in part])
            pairs = [(first[index], one) for index, one in zip(part, again, strict=True)]
            flat = [(a, b) for one, other in pairs for a, b in zip(one, other, strict=True)]
            changed = sum(a != b for a, b in flat)
            moved = moved or changed > 0
            print(
                f"{name}, {what}, {limits.tokens} tokens a pass: {changed}/{len(flat)} scores "
                f"changed; {Agreement.of(pairs)}"
            )
    if moved and name == "strict":
        raise SystemExit("strict scores depend on their surroundings")


def digest(scores: Scores) -> str:
    """Return one hash of all scores, to the last bit."""
    lines = (f"{value.hex()} {greedy}" for one in scores for value, greedy in one)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    main()
