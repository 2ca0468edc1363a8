"""The card's tables of scores and of the gates."""

import json
from collections.abc import Iterator, Sequence

from medbench.publish.card.markdown import block, escaped, line, table, without_folders
from medbench.publish.card.subject import Subject
from medbench.publish.scores import Scored
from medbench.report.compare.comparison import LEVEL, Contrast
from medbench.scoring.statistics import Estimate

__all__ = ["certificate", "score_notes", "score_table"]

NONE = "—"


def score_table(subject: Subject) -> str:
    """Return accuracies with intervals, and what training changed where the base was scored too."""
    rows, overall = subject.scores.rows, subject.scores.overall
    if not any(row.contrast for row in rows):
        cells = [(*named(row), accuracy(row), share(row.unread)) for row in rows]
        names = ("task", "protocol", "shots", "n", "accuracy", "no answer")
        return table(names, cells, right=names[2:])
    headers = ("task", "protocol", "shots", "n", "base", "this model", "difference", "p")
    drawn = [(*named(row), *compared(row.contrast, accuracy(row))) for row in rows]
    if overall:
        drawn.append(("all", "", "", str(overall.paired.n), *compared(overall, "")))
    return table(headers, drawn, right=headers[2:])


def named(row: Scored) -> tuple[str, str, str, str]:
    """Return a row's first cells."""
    score = row.score
    shots = NONE if score.num_fewshot is None else str(score.num_fewshot)
    mark = "" if row.is_published else " †"
    return f"{escaped(score.task)}{mark}", escaped(score.protocol or "letters"), shots, f"{score.n}"


def compared(one: Contrast | None, own: str) -> tuple[str, str, str, str]:
    """Return base, model, difference and p; the difference is bold where it is shown."""
    if one is None:
        return NONE, own, NONE, NONE
    gap = one.paired.difference
    told = f"{100 * gap.value:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
    p = f"{one.p:.3f}" if one.p >= 0.001 else "<0.001"
    return estimate(one.a), estimate(one.b), f"**{told}**" if one.p < LEVEL else told, p


def accuracy(row: Scored) -> str:
    """Return a score in % with its interval."""
    if not row.score.n:
        return share(row.score.value)
    return f"{share(row.score.value)} [{share(row.low)}, {share(row.high)}]"


def estimate(one: Estimate) -> str:
    """Return an accuracy in % with its interval."""
    return f"{share(one.value)} [{share(one.low)}, {share(one.high)}]"


def share(value: float) -> str:
    """Return a share in %."""
    return f"{100 * value:.1f}"


def score_notes(subject: Subject) -> Iterator[str]:
    """Yield what must be known to read the table."""
    scores = subject.scores
    yield "Accuracy in %, with 95 % Wilson intervals."
    if any(row.contrast for row in scores.rows):
        tested = len([row for row in scores.rows if row.contrast])
        holm = f", after Holm over the {tested} tasks" if tested > 1 else ""
        yield (
            f"Difference in points on the same questions, with Bonett and Price's interval; p: "
            f"McNemar's exact test{holm}; bold: below {LEVEL:g}. "
            f"The base is {escaped(scores.base)}."
        )
        unseen = [row.contrast for row in scores.rows if row.contrast and row.contrast.p >= LEVEL]
        told = [f"{escaped(one.label)} {100 * one.detectable:.1f}" for one in unseen
                if one.detectable < 1]  # fmt: skip
        if told:
            yield f"Smaller differences than these points would often go unseen: {', '.join(told)}."
    chat = {row.score.chat_template for row in scores.rows}
    how = "on" if chat == {True} else "off" if chat == {False} else "on for some tasks only"
    yield f"Chat template: {how}."
    yield from loading_notes(scores.rows)
    limits = {row.score.limit for row in scores.rows if row.score.limit}
    if limits:
        first = " or ".join(f"{one:g}" for one in sorted(limits))
        yield f"Only the first {first} items were asked."
    if not all(row.is_published for row in scores.rows):
        yield (
            "† Asked on questions that medbench brings along for trying things: no score of the "
            "benchmark, and in no leaderboard."
        )
    yield from (line(without_folders(one)) for one in scores.notes)


def loading_notes(rows: Sequence[Scored]) -> Iterator[str]:
    """Yield each way of loading and generating that is not the usual one, and its tasks."""
    ways: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for row in rows:
        ways.setdefault(tuple(row.how.changed.items()), []).append(row.score.task)
    for changed, tasks in ways.items():
        if changed:
            told = ", ".join(f"{escaped(name)} {escaped(value)}" for name, value in changed)
            which = "All scores" if len(ways) == 1 else ", ".join(map(escaped, tasks))
            yield f"{which}: {told}."
    if any(row.how.quantization for row in rows):
        yield (
            "Scores of weights that were quantised at load are not those of the weights as they "
            "are: the code below quantises nothing."
        )


def certificate(subject: Subject) -> str:
    """Return what the gates found, each with its report; skipped ones are named as such."""
    if not subject.findings:
        return "No gates were run."
    rows = [
        (escaped(one.gate), "passed" if one.passed else
         "**not passed**, overridden" if one.gate in subject.skipped else "**not passed**")
        for one in subject.findings
    ]  # fmt: skip
    texts = [table(("gate", "verdict"), rows)]
    for one in subject.findings:
        facts = json.dumps(dict(one.facts), indent=2, ensure_ascii=False, sort_keys=True)
        told = block(without_folders(one.report), "text")
        more = f"\n\n{block(without_folders(facts), 'json')}" if one.facts else ""
        name = escaped(one.gate)
        texts.append(f"<details><summary>{name}</summary>\n\n{told}{more}\n\n</details>")
    return "\n\n".join(texts)
