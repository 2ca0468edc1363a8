"""One hash for all answers of a run: equal hashes, equal answers.

The hash is SHA-256 over one line for each question, sorted by task and number:

    task <tab> doc_id <tab> answer <newline>

An answer is what was scored, not how sure the model was: the chosen option or option set; the
letters that our extractor read from a generated text, with the rationale where that is scored too;
the text itself where no extractor reads it. Line breaks, tabs, quotes and backslashes in an answer
are written as in JSON.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["answer", "answers_sha256"]

Sample = Mapping[str, Any]
"""One question as lm-eval logs it, before or after it was written to a file."""
OTHER_RULE = "original"
"""The filter that reads the same text once more, by the original's own rule."""


def answers_sha256(samples: Mapping[str, Sequence[Sample]]) -> str:
    """Hash all answers of lm-eval's samples, which are given by task."""
    answers = {
        (task, int(sample["doc_id"])): answer(sample)
        for task, logged in samples.items()
        for sample in logged
        if sample["filter"] != OTHER_RULE
    }
    digest = hashlib.sha256()
    for task, number in sorted(answers):
        escaped = json.dumps(answers[task, number], ensure_ascii=False)[1:-1]
        digest.update(f"{task}\t{number}\t{escaped}\n".encode())
    return digest.hexdigest()


def answer(sample: Sample) -> str:
    """Return one question's answer; of equally likely options the first, as lm-eval scores them."""
    choices, outputs = sample["doc"]["choices"], sample["filtered_resps"]
    if choices:
        log_probs = [float(log_prob) for log_prob, _ in outputs]
        return str(choices[log_probs.index(max(log_probs))])
    text = str(outputs[0])
    try:
        read = json.loads(text)
    except ValueError:
        return text
    if not isinstance(read, dict) or "letters" not in read:
        return text
    letters = ", ".join(read["letters"])
    return f"{letters}\n{read['rationale']}" if "rationale" in read else letters
