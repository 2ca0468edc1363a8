"""Cost grows with distinct tokens: more questions, more examples, about the same seconds a token.

Only `medbench-hf` runs. Every combination of questions and shots is timed once a round.
"""

import statistics
from collections.abc import Iterator

from compare import (
    Question,
    computed,
    distinct,
    encoded,
    instances,
    load_model,
    options,
    score_with,
    scored_rows,
    timed,
)

from medbench.engine.hf import MedbenchHF


def main() -> None:
    """Time every combination, print the table and how far seconds a token are apart."""
    parser = options(__doc__, "tasks", "rounds")
    parser.add_argument("--items-of", default="8,16,32,64", help="numbers of questions")
    parser.add_argument("--shots-of", default="0,1,3,5", help="numbers of examples")
    asked = parser.parse_args()
    model = load_model(asked)
    numbers = [int(one) for one in asked.items_of.split(",")]
    shots = [int(one) for one in asked.shots_of.split(",")]
    cases = {
        (items, k): questions(model, asked.tasks, items, k) for k in shots for items in numbers
    }
    seconds: dict[tuple[int, int], list[float]] = {case: [] for case in cases}
    for number in range(asked.rounds):
        for case, asked_now in cases.items():
            spent, _ = timed(lambda part: score_with(MedbenchHF, model, part), asked_now)
            seconds[case].append(spent)
        print(f"round {number + 1}: {sum(one[-1] for one in seconds.values()):.1f} s", flush=True)
    medians = {case: statistics.median(spent) for case, spent in seconds.items()}
    rates = list(table(model, cases, medians))
    print(
        f"ratio {max(rates) / min(rates):.2f} (highest {max(rates):.2f} / lowest {min(rates):.2f} "
        f"seconds per 1,000 distinct tokens, {asked.tasks})"
    )


def questions(model: MedbenchHF, tasks: str, items: int, shots: int) -> list[Question]:
    """Return questions as tokens."""
    return [encoded(model, one) for one in instances(tasks, items, shots)]


def table(
    model: MedbenchHF,
    cases: dict[tuple[int, int], list[Question]],
    medians: dict[tuple[int, int], float],
) -> Iterator[float]:
    """Print one line a combination; yield its seconds per 1,000 distinct tokens."""
    print("| shots | questions | tokens in hf's rows | distinct | computed | seconds | per 1,000 |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for (items, shots), part in cases.items():
        requests = [request for question in part for request in question]
        rows = scored_rows(requests)
        unlike = distinct(rows)
        rate = medians[items, shots] / unlike * 1000
        print(
            f"| {shots} | {items} | {sum(map(len, rows)):,} | {unlike:,} | "
            f"{computed(model, requests):,} | {medians[items, shots]:.2f} | {rate:.2f} |"
        )
        yield rate


if __name__ == "__main__":
    main()
