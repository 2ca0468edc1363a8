"""MMedBench's leaderboard: two files of answers, two of metrics.

The form is that of SubmissionTutorial.md in MAGIC-AI4Med/MMedLM: answers as Language, ModelInput,
ModelOutput, GT_Answer, rationales only where a human passed the gold one; metrics in %, a column a
language. Accuracy is by the rule of that project's own code wherever a text was written.
"""

from collections.abc import Iterator, Mapping, Sequence

from medbench.errors import ResultError
from medbench.report.submission.asked import Asked, Submission, as_csv, read_asked, short_of
from medbench.results import Results, Score

__all__ = ["mmedbench"]

LANGUAGES = ("english", "chinese", "japanese", "french", "russian", "spanish")
PROTOCOLS = ("paper", "rationale", "letters")
"""Where answers may be taken from; the leaderboard's own prompts first."""
RATIONALE = "rationale"
READINGS = ("original", "none")
HEADERS = ("Language", "ModelInput", "ModelOutput", "GT_Answer")
SIMILARITIES = {"BLEU-1": "bleu1", "BLEU-2": "bleu2", "BLEU-3": "bleu3", "BLEU-4": "bleu4",
                "ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}  # fmt: skip
Tasks = Mapping[str, Score]
"""Language to the accuracy of its task."""


def mmedbench(results: Results) -> Submission:
    """Return the four files, or the two of answers where no rationales were asked for.

    Raises:
        ResultError: no protocol has all languages, or samples cannot be read.
        MissingExtra: rationales cannot be compared without the extra.
    """
    protocols = {name: _tasks(results, name) for name in PROTOCOLS}
    whole = [name for name in PROTOCOLS if len(protocols[name]) == len(LANGUAGES)]
    if not whole:
        raise ResultError(_missing(protocols))
    tasks = protocols[whole[0]]
    answers = {language: read_asked(tasks[language]) for language in LANGUAGES}
    files = {
        "multi_choice_results.csv": as_csv([HEADERS, *_choices(answers)]),
        "accuracy_metric.csv": as_csv([
            _names(), [f"{100 * tasks[language].value:.2f}" for language in LANGUAGES]
        ]),
    }  # fmt: skip
    notes = [f"answers are those of the protocol {whole[0]}", *short_of(tasks.values())]
    if RATIONALE in whole:
        own = protocols[RATIONALE]
        same = whole[0] == RATIONALE
        rationales = answers if same else {one: read_asked(own[one]) for one in LANGUAGES}
        checked = {language: [one for one in asked if one.item.question.rationale_checked]
                   for language, asked in rationales.items()}  # fmt: skip
        files["rationale_results.csv"] = as_csv([HEADERS, *_rationales(checked)])
        files["rationale_similarity_metric.csv"] = as_csv(_similarities(checked))
        notes += [f"{language}: no rationale that a human checked; its column is empty"
                  for language, asked in checked.items() if not asked]  # fmt: skip
        notes += () if same else short_of(own.values())
    else:
        told = f"{len(protocols[RATIONALE])} of {len(LANGUAGES)} languages have rationales"
        notes.append(f"no files of rationales, {told}: `medbench eval` with mmedbench-rationale_*")
    return Submission(files, tuple(notes))


def _tasks(results: Results, protocol: str) -> dict[str, Score]:
    """Return the accuracies of a protocol, in the leaderboard's order of languages."""
    found = {score.subset: score for score in results.scores
             if score.benchmark == "mmedbench" and (score.protocol or "letters") == protocol
             and score.metric == "acc" and score.filter in READINGS
             and not score.members}  # fmt: skip
    return {language: found[language] for language in LANGUAGES if language in found}


def _missing(protocols: Mapping[str, Tasks]) -> str:
    """Say what each protocol lacks, and what would fill it."""
    lines = [
        f"  {name} lacks {', '.join(one for one in LANGUAGES if one not in tasks)}"
        for name, tasks in protocols.items()
    ]
    return "\n".join([
        "MMedBench's leaderboard asks for six languages, and no protocol has them all:", *lines,
        "`medbench eval MODEL --tasks 'mmedbench-paper_*,mmedbench-rationale_*'` asks for them",
    ])  # fmt: skip


def _names() -> list[str]:
    return [language.capitalize() for language in LANGUAGES]


def _choices(answers: Mapping[str, Sequence[Asked]]) -> Iterator[tuple[str, ...]]:
    for language, asked in answers.items():
        for prompt, one in asked:
            yield language.capitalize(), prompt, one.said, ",".join(one.question.gold_letters)


def _rationales(checked: Mapping[str, Sequence[Asked]]) -> Iterator[tuple[str, ...]]:
    for language, asked in checked.items():
        for prompt, one in asked:
            yield language.capitalize(), prompt, one.said, one.question.rationale


def _similarities(checked: Mapping[str, Sequence[Asked]]) -> Iterator[Sequence[str]]:
    """Yield the table of metrics: their means over the questions of a language, in %."""
    from medbench.scoring.rationale import similarity, split_rationale

    names = tuple(SIMILARITIES.values())
    means: dict[str, dict[str, str]] = {}
    for language, asked in checked.items():
        found = [
            similarity(split_rationale(one.said), one.question.rationale,
                       one.question.language, names)
            for _, one in asked
        ]  # fmt: skip
        means[language] = {
            name: f"{100 * sum(one[name] for one in found) / len(found):.2f}" if found else ""
            for name in names
        }
    yield ["Metric", *_names()]
    for label, name in SIMILARITIES.items():
        yield [label, *(means[language][name] for language in LANGUAGES)]
