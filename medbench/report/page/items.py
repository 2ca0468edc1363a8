"""The first questions of a task as a model answered them, from lm-eval's samples.

Samples in a leaderboard have lost the benchmark's text; what stays of them are hashes and answers.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from medbench.beside import sample_lines, samples_path
from medbench.errors import ResultError
from medbench.report.grid import SHARES
from medbench.report.page.form import PageItem, PageItems
from medbench.results import Score

__all__ = ["ItemCollection"]

SHOWN = 3
"""Questions of each score."""
PROMPT_ENDS = (400, 800)
"""Characters kept of a prompt's beginning and end: the question itself is last."""
OUTPUT_ENDS = (300, 300)
"""The same of an output."""
MOST_CHARACTERS = 2_000_000
"""Of all texts together; later scores show none."""
LICENSED = "Texts are left out, as the benchmark's licence asks; hashes and answers stay."


@dataclass(slots=True)
class ItemCollection:
    """Questions of many scores; models that were given one prompt share its text."""

    prompts: list[str] = field(default_factory=list)
    """Each once."""
    items: list[PageItems] = field(default_factory=list)
    """By score."""
    characters: int = 0
    """Kept so far."""
    _places: dict[str, int] = field(default_factory=dict)

    def add(self, score: Score) -> int | None:
        """Keep the first questions of a score, and return their place; None without samples.

        Raises:
            ResultError: the samples cannot be read.
        """
        path = samples_path(score.source, score.task)
        if path is None:
            return None
        items: PageItems = {"shown": [], "note": "", "language": score.language}
        if self.characters >= MOST_CHARACTERS:
            items["note"] = "Items are left out: the page holds as many texts as it may."
        else:
            samples = list(islice(_of_filter(path, score.filter), SHOWN))
            items["shown"] = [self._item(sample, score.metric) for sample in samples]
            of = f" of {score.n:,}" if score.n else ""
            items["note"] = f"The first {len(samples)}{of} items."
            if any("hashes" in item for item in items["shown"]):
                items["note"] += f" {LICENSED}"
        self.items.append(items)
        return len(self.items) - 1

    def _item(self, sample: Mapping[str, Any], metric: str) -> PageItem:
        doc = sample.get("doc")
        doc = doc if isinstance(doc, dict) else {}
        output, read = _output(sample, doc)
        item: PageItem = {
            "id": str(sample.get("doc_id", "")),
            "output": self._kept(output, OUTPUT_ENDS),
            "verdict": _verdict(sample.get(metric), metric),
        }
        if read:
            item["read"] = read
        if prompt := _prompt(sample, doc):
            item["prompt"] = self._place(_clipped(prompt, PROMPT_ENDS))
            gold = doc.get("answer", sample.get("target", ""))
            item["gold"] = self._kept(str(gold), OUTPUT_ENDS)
        else:
            hashes = ((name, str(sample.get(f"{name}_hash") or "")) for name in ("doc", "prompt"))
            item["hashes"] = ", ".join(f"{name} {value[:16]}" for name, value in hashes if value)
        return item

    def _place(self, prompt: str) -> int:
        if prompt not in self._places:
            self._places[prompt] = len(self.prompts)
            self.prompts.append(self._kept(prompt))
        return self._places[prompt]

    def _kept(self, text: str, ends: tuple[int, int] | None = None) -> str:
        kept = _clipped(text, ends) if ends else text
        self.characters += len(kept)
        return kept


def _of_filter(path: Path, filter: str) -> Iterator[dict[str, Any]]:
    """Yield samples as they are read: three of a thousand do not cost a thousand."""
    for number, line in sample_lines(path):
        try:
            sample = json.loads(line)
        except ValueError as error:
            raise ResultError(f"{path}, line {number}: cannot be read ({error})") from error
        if not isinstance(sample, dict):
            raise ResultError(f"{path}, line {number}: not a sample of lm-eval")
        if sample.get("filter") == filter:
            yield sample


def _prompt(sample: Mapping[str, Any], doc: Mapping[str, Any]) -> str:
    """Return the text that the model was given, chat template and examples included."""
    match sample.get("arguments"):
        case {"gen_args_0": {"arg_0": text}} | [[text, *_], *_]:  # the list: older lm-eval
            pass
        case _:
            text = doc.get("prompt", "")
    return text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)


def _output(sample: Mapping[str, Any], doc: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a model chose or wrote, and the answer that was read in it, if it was."""
    outputs = sample.get("filtered_resps")
    if not isinstance(outputs, list) or not outputs:
        return "", ""
    if isinstance(outputs[0], list):
        return _chosen(outputs, doc.get("choices")), ""
    written = sample.get("resps")
    while isinstance(written, list):
        written = written[0] if written else ""
    return str(written or ""), _read(str(outputs[0]))


def _chosen(outputs: Sequence[Sequence[Any]], choices: object) -> str:
    """Return the likeliest choice: of equals the first, as lm-eval scores them."""
    log_probs = [float(output[0]) for output in outputs]
    place = log_probs.index(max(log_probs))
    is_named = isinstance(choices, list) and len(choices) == len(outputs)
    return str(choices[place]) if is_named and isinstance(choices, list) else f"choice {place + 1}"


def _read(output: str) -> str:
    """Return `B`, or why nothing was found; what our extractor did not write is left as it is."""
    try:
        found = json.loads(output)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("letters"), list):
        return _clipped(output, OUTPUT_ENDS)
    return ", ".join(map(str, found["letters"])) or str(found.get("outcome", ""))


def _verdict(grade: object, metric: str) -> str:
    if not isinstance(grade, int | float):
        return "not graded"
    if metric not in SHARES:
        return f"{grade:.3g}"
    return {1.0: "right", 0.0: "wrong"}.get(float(grade), f"{grade:.3g}")


def _clipped(text: str, ends: tuple[int, int]) -> str:
    """Return a text, or its beginning and end with how much is missing between them."""
    start, end = ends
    missing = len(text) - start - end
    return f"{text[:start]} … [{missing:,} characters] … {text[-end:]}" if missing > 40 else text
