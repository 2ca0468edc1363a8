"""What the task YAML under `tasks/` names with `!function`: rows, few-shots, filters, grades.

A document carries its prompt, continuations and gold answer ready-made, so that the YAML says
`doc_to_text: prompt`, and the samples that lm-eval writes show all that a question was.
"""

import functools
import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import datasets
from lm_eval.api.samplers import ContextSampler

from medbench import data
from medbench.engine.generation import finish_reason
from medbench.errors import ModelError, TaskError
from medbench.question import Question
from medbench.scoring.extract import extract
from medbench.scoring.protocols import protocol

if TYPE_CHECKING:
    from medbench.scoring.rationale import BertScorer

__all__ = [
    "FirstShots",
    "extract_answer",
    "extract_rationale",
    "grade",
    "grade_rationale",
    "load",
    "original_answer",
    "with_rationale",
]

log = logging.getLogger(__name__)
Doc = dict[str, Any]


def load(benchmark: str, subset: str, protocol: str, **_: object) -> dict[str, Any]:
    """Return {"test": documents, "few_shot": [where the examples are]}.

    lm-eval passes a task's whole metadata, model arguments included; only ours are read. The
    examples are a pointer that `FirstShots` follows when a run asks for shots: MedMCQA's 182,822
    training rows are not read for a zero-shot run.

    Raises:
        DataError: the rows cannot be found or read.
        TaskError: the benchmark has no such protocol.
    """
    rows = data.load(benchmark, subset, "test")
    docs = [document(question, protocol) for question in rows.questions]
    names = {"benchmark": benchmark, "subset": subset, "protocol": protocol}
    pointer = {**names, "split": rows.dataset.shots}
    return {"test": datasets.Dataset.from_list(docs), "few_shot": [pointer]}


def with_rationale(**metadata: Any) -> dict[str, Any]:
    """Load a task whose rationales are scored; what cannot be scored is told before the run.

    Raises:
        MissingExtra: the rationale metrics are not installed.
    """
    from medbench.scoring.rationale import similarity

    loaded = load(**metadata)
    similarity("a", "a", loaded["test"][0]["language"])
    bert_scorer()
    return loaded


@functools.cache
def bert_scorer() -> "BertScorer | None":
    """Load BERTScore's model once; warn where it is not to be had: the metric is then missing."""
    from medbench.scoring.rationale import bert_scorer_from_environment

    try:
        return bert_scorer_from_environment()
    except ModelError as error:
        log.warning("BERTScore will be missing: %s", error)
        return None


def document(question: Question, name: str) -> Doc:
    """Render a question under a protocol."""
    how = protocol(question.benchmark, name)
    choices = how.choices(question) if how.choices else []
    return {
        **question.to_doc(),
        "protocol": name,
        "prompt": how.prompt(question),
        "choices": choices,
        "target": how.gold_choice(question) if choices else ", ".join(question.gold_letters),
        "answer": how.answer(question),
        "prompt_tokens": how.prompt_tokens,
    }


class FirstShots(ContextSampler):  # type: ignore[misc]
    """The first n examples in their own order, the same for every question.

    Every prompt of a task then begins with the same tokens. Where examples come from the test
    split itself (CareQA has no other), the question that is asked is never among them.
    """

    def sample(
        self,
        n: int,
        eval_doc: Doc | None = None,
        df: Sequence[Doc] | None = None,
        **_: object,
    ) -> list[Doc]:
        """Return n documents other than `eval_doc`.

        Raises:
            TaskError: there are fewer than n.
        """
        if n == 0:
            return []
        asked = eval_doc["id"] if eval_doc else None
        shots = [doc for doc in self.examples() if doc["id"] != asked][:n]
        if len(shots) < n:
            raise TaskError(f"{n} few-shot examples are asked for, there are {len(shots)}")
        return shots

    def examples(self) -> Sequence[Doc]:
        """Follow the pointer that `load` left, once."""
        docs: list[Doc] = list(self.df)  # type: ignore[has-type]
        if len(docs) == 1 and "split" in docs[0]:
            where = docs[0]
            rows = data.load(where["benchmark"], where["subset"], where["split"])
            docs = [document(question, where["protocol"]) for question in rows.questions]
            self.df = docs
        return docs


def read_answers(resps: Sequence[Sequence[str]], docs: Sequence[Doc]) -> list[Doc]:
    """Read each document's first output with our extractor."""
    answers = []
    for responses, doc in zip(resps, docs, strict=True):
        question, reason = Question.from_doc(doc), finish_reason(responses[0])
        found = extract(
            responses[0],
            question.options,
            language=question.language,
            several=question.several,
            finish_reason=reason,
        )
        answers.append(
            {
                "letters": sorted(found.letters),
                "outcome": found.outcome,
                "rule": found.rule,
                "finish_reason": reason,
            }
        )
    return answers


def as_json(answers: Sequence[Doc]) -> list[str]:
    """Write answers as JSON: lm-eval turns all that it logs of a filter into strings."""
    return [json.dumps(answer, ensure_ascii=False) for answer in answers]


def extract_answer(resps: Sequence[Sequence[str]], docs: Sequence[Doc]) -> list[str]:
    """Filter: each output → JSON of letters, outcome, rule and finish_reason."""
    return as_json(read_answers(resps, docs))


def original_answer(resps: Sequence[Sequence[str]], docs: Sequence[Doc]) -> list[str]:
    """Filter: the letters by the original's own rule; what it cannot read it grades as wrong."""
    answers = []
    for responses, doc in zip(resps, docs, strict=True):
        question = Question.from_doc(doc)
        rule = protocol(question.benchmark, doc["protocol"]).rule
        assert rule is not None, f"{question.benchmark} {doc['protocol']} has no rule of its own"
        answers.append({"letters": sorted(rule(responses[0], question))})
    return as_json(answers)


def grade(doc: Doc, results: Sequence[str]) -> dict[str, float]:
    """Exact-set accuracy; for our own extractor also the shares unparsed and truncated."""
    answer = json.loads(results[0])
    scores = {"acc": float(set(answer["letters"]) == set(doc["gold"]))}
    if "outcome" in answer:
        scores["unparsed"] = float(answer["outcome"] == "unparsed")
        scores["truncated"] = float(answer["outcome"] == "truncated")
    return scores


def extract_rationale(resps: Sequence[Sequence[str]], docs: Sequence[Doc]) -> list[str]:
    """Filter: `extract_answer` plus the rationale and, on human-checked rows, its similarity."""
    from medbench.scoring.rationale import similarity, split_rationale

    answers = read_answers(resps, docs)
    checked = []
    for answer, responses, doc in zip(answers, resps, docs, strict=True):
        answer["rationale"] = split_rationale(responses[0])
        if doc["rationale_checked"]:
            answer["similarity"] = similarity(
                answer["rationale"], doc["rationale"], doc["language"]
            )
            checked.append((answer, doc["rationale"]))
    if checked and (scorer := bert_scorer()):
        texts = scorer.score(
            [one["rationale"] for one, _ in checked], [gold for _, gold in checked]
        )
        for (answer, _), value in zip(checked, texts, strict=True):
            answer["similarity"]["bertscore"] = value
    return as_json(answers)


def grade_rationale(doc: Doc, results: Sequence[str]) -> dict[str, float]:
    """`grade` plus rationale similarities, only for rows whose human check passed."""
    similarities: dict[str, float] = json.loads(results[0]).get("similarity", {})
    return grade(doc, results) | similarities
