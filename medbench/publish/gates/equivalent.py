"""Gate `equivalent`: every form in which the checkpoint is served says the same.

The reference is the checkpoint in float32, an adapter through PEFT. Merged and read back, and
through vLLM, it must be the same model: a log-probability may move by a float32 sum's order, and
99.5 % of the letters stay. 4 bits make another model of any; there the question is whether they
cost the checkpoint more than they cost its base.

A model that is published merged is compared as it is saved with the adapter that it was. Saved in
float32 it must be the same model; bfloat16 and float16 round, and are judged as 4 bits are.
"""

from importlib.util import find_spec
from typing import NamedTuple

from medbench.errors import MissingExtra, ModelError
from medbench.publish.gates.finding import Finding
from medbench.publish.gates.forms import Form, Forms, Reading
from medbench.training.adapted import MERGEABLE, MIXTURE, VECTORS, WHY_NOT_WHOLE
from medbench.training.model import first_line

__all__ = ["LETTERS", "SAME", "check"]

SAME = 1e-3
"""Nats a token by which the same weights may differ in another order of sums; SmolLM2-135M with a
LoRA of rank 16 on all layers, on vLLM 0.32 and a CPU, differs by 1e-5."""
LETTERS = 0.995
"""Share of the packaged questions answered alike."""
FACTOR, SLACK = 2.0, 0.05
"""4 bits may move the checkpoint this often what they move its base, and so many nats a token. nf4
moved SmolLM2-135M by 0.39 nats a token on average, a LoRA of rank 16 on it by 0.27."""
ROUNDING = 0.01
"""Nats a token, in place of `SLACK`, where a merged model is saved in 16 bits. bfloat16 moved
SmolLM2-135M by 0.014 nats a token on average, with a LoRA of rank 16 merged into it by 0.023."""


class Report:
    """Lines and numbers of one finding."""

    def __init__(self, forms: Forms) -> None:
        self.forms = forms
        self.lines: list[str] = []
        self.facts: dict[str, object] = {}
        self.passed = True

    def add(self, form: str, line: str, passed: bool = True, **facts: object) -> None:
        """Keep what is known of a form."""
        self.lines.append(f"{form}: {line}")
        self.facts[form] = facts | {"passed": passed}
        self.passed &= passed

    def unchecked(self, form: str, reason: str) -> None:
        """Name a form that is not served, or cannot be looked at here."""
        self.lines.append(f"{form}: not checked, {reason}")
        self.facts[form] = {"not_checked": reason}


def check(forms: Forms) -> Finding:
    """Compare the forms one after another."""
    report = Report(forms)
    look_at_merged(report)
    look_at_vllm(report)
    look_at_4_bits(report)
    own = forms.read("own")
    head = f"{len(own.canaries)} canaries, {len(own.letters)} packaged questions, float32"
    return Finding("equivalent", report.passed, "\n".join([head, *report.lines]), report.facts)


def look_at_merged(report: Report) -> None:
    """Merge, read back, and compare; what is published merged is that already."""
    adapter = report.forms.adapter
    if report.forms.candidate.adapter is not None:
        try:
            look_at_saved(report)
        except ModelError as error:
            report.add("merged", str(error), passed=False)
    elif adapter is None:
        report.unchecked("merged", "a whole model has nothing to merge")
    elif adapter.kind in VECTORS:
        report.unchecked("merged", f"{adapter.kind} puts {VECTORS[adapter.kind]}, no weights")
    elif adapter.kind == MIXTURE:
        report.unchecked("merged", WHY_NOT_WHOLE)
    elif adapter.kind not in MERGEABLE:
        report.unchecked("merged", f"{adapter.kind} is none of {', '.join(MERGEABLE)}")
    else:
        look_at_copy(report, "merged", "merged")


def look_at_copy(report: Report, name: str, form: Form) -> None:
    """Judge a form that should be the same model; one that cannot be loaded is none."""
    try:
        same(report, name, report.forms.read(form))
    except ModelError as error:
        report.add(name, str(error), passed=False)


def look_at_vllm(report: Report) -> None:
    """Compare with vLLM, where it is and can run the adapter."""
    adapter = report.forms.adapter
    try:
        if adapter is not None:
            adapter.check_vllm()
    except ModelError as error:
        report.unchecked("vLLM", str(error).replace(str(report.forms.folder), "this adapter"))
        return
    if find_spec("vllm") is None:
        report.unchecked("vLLM", "it is not installed here")
    else:
        look_at_copy(report, "vLLM", "vllm")


def same(report: Report, form: str, reading: Reading, reference: Form = "own") -> None:
    """Judge a form that should be the same model."""
    own = report.forms.read(reference)
    off = distance(reading, own)
    share = alike(reading, own)
    passed = off <= SAME and share >= LETTERS
    line = (
        f"log-probabilities within {off:.2g} nats a token (up to {SAME:g}), "
        f"{share:.1%} of {len(reading.letters)} letters (at least {LETTERS:.1%})"
    )
    if not passed:
        line += ". It is not the model that was trained; publish the checkpoint as it is"
    asked = len(reading.letters)
    report.add(form, line, passed, distance=off, letters=share, questions=asked)


def look_at_4_bits(report: Report) -> None:
    """Compare what nf4 costs the checkpoint with what it costs the base."""
    readings: dict[Form, Reading] = {}
    for form in ("4-bit", "4-bit base"):
        try:
            readings[form] = report.forms.read(form)
        except (MissingExtra, ModelError, RuntimeError) as error:
            # bitsandbytes' kernels refuse layers narrower than a block when they are used
            report.unchecked("4-bit", first_line(error))
            return
    own = Rounded(readings["4-bit"], report.forms.read("own"))
    base = Rounded(readings["4-bit base"], report.forms.read("base"))
    way_out = "What was learnt does not survive 4 bits: say so on the card, or skip this gate"
    judge(report, "4-bit", "nf4", own, base, SLACK, way_out)


def look_at_saved(report: Report) -> None:
    """Compare a merged model, loaded as it is saved, with adapter and base side by side."""
    read = report.forms.read
    merged_from = report.forms.candidate.checkpoint.provenance.merged_from or {}
    dtype = str(merged_from.get("dtype"))
    if dtype == "float32":
        same(report, "merged", read("as saved"), "adapter")
        return
    own = Rounded(read("as saved"), read("adapter"))
    base = Rounded(read("base as saved"), read("base"))
    way_out = (
        f"What was learnt does not survive {dtype}: publish the adapter as it is, or what "
        "`medbench merge --dtype float32` makes of it"
    )
    judge(report, "merged", f"{dtype}, in which it is saved,", own, base, ROUNDING, way_out)


class Rounded(NamedTuple):
    """What a form with fewer bits says, and the same weights in float32."""

    reading: Reading
    exact: Reading

    @property
    def cost(self) -> float:
        """The mean difference, in nats a token."""
        pairs = zip(self.reading.canaries, self.exact.canaries, strict=True)
        found = [abs(x - y) for x, y in pairs]
        return sum(found) / len(found)


def judge(
    report: Report, form: str, what: str, own: Rounded, base: Rounded, slack: float, way_out: str
) -> None:
    """Judge what fewer bits cost the checkpoint by what they cost its base."""
    cost, bound = own.cost, FACTOR * base.cost + slack
    share, asked = alike(*own), len(own.reading.letters)
    line = (
        f"{what} moves log-probabilities by {cost:.2g} nats a token on average, the base's by "
        f"{base.cost:.2g} (up to {FACTOR:g} times that and {slack:g}, {bound:.2g}); "
        f"{share:.1%} of {asked} letters stay"
    )
    passed = cost <= bound
    if not passed:
        line += f". {way_out}"
    facts = {"cost": cost, "base": base.cost, "bound": bound, "letters": share, "questions": asked}
    report.add(form, line, passed, **facts)


def distance(a: Reading, b: Reading) -> float:
    """Return the largest difference, in nats a token."""
    return max(abs(x - y) for x, y in zip(a.canaries, b.canaries, strict=True))


def alike(a: Reading, b: Reading) -> float:
    """Return the share of equal letters, of the questions that both were asked."""
    both = a.letters.keys() & b.letters.keys()
    return sum(a.letters[number] == b.letters[number] for number in both) / len(both)
