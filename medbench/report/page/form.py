"""The form of the page's data: what Python writes as JSON, and `table.js` and `dialog.js` read."""

from typing import NotRequired, TypedDict

__all__ = [
    "PageCell",
    "PageColumn",
    "PageDocument",
    "PageFacts",
    "PageItem",
    "PageItems",
    "PageRow",
    "PageTable",
]


class PageColumn(TypedDict):
    """One task, a mean of several, or one column of a published table."""

    group: str
    """The panel: what the columns beside it share."""
    label: str
    """English, Doctor, Avg, …"""
    benchmark: str
    """As the filter shows it; what is not measured by itself has its own name."""
    language: str
    """ISO 639-1; empty where it is unknown or mixed."""
    detail: str
    """What stands small below the label: n, or how a mean is taken."""
    higher_is_better: bool
    """Whether the first click on the header puts large numbers first."""
    ends: NotRequired[tuple[float, float]]
    """Where bars begin and end; missing where none are drawn."""
    ranks: NotRequired[str]
    """What ranks were taken from; missing where there are none."""


class PageRow(TypedDict):
    """One model."""

    name: str
    """On one line."""
    detail: str
    """What stands small below the name: size and method, or the method as printed."""
    method: str
    """no adapter, LoRA, …; empty where it is unknown."""
    parameters: int | None
    """None where it is unknown."""


class PageCell(TypedDict):
    """One number."""

    text: str
    """As shown."""
    interval: NotRequired[tuple[str, str]]
    """Of 95 %, as shown."""
    rank: NotRequired[tuple[int, int]]
    """Every place that the model may have in this column, from 1."""
    rates: NotRequired[dict[str, str]]
    """Outputs that were unparsed or truncated, in %, where reported."""
    is_marked: NotRequired[bool]
    """More of them than `MARKED`, or a published number that does not add up."""
    reasons: NotRequired[list[str]]
    """What does not add up."""
    facts: list[int]
    """Places in the document's `facts`."""
    items: NotRequired[int]
    """Place in the document's `items`."""


class PageTable(TypedDict):
    """One ranking, or one published table, which has no ranks."""

    title: str
    columns: list[PageColumn]
    rows: list[PageRow]
    cells: list[list[PageCell | None]]
    """By row, then by column; None: not run."""
    notes: list[str]
    """What to know about the numbers."""


class PageFacts(TypedDict):
    """What is known about a score, its run, its recipe, or its source."""

    title: str
    pairs: list[tuple[str, str]]
    """Name, then value."""


class PageItem(TypedDict):
    """One question as one model answered it."""

    id: str
    """The question's number in the task's rows."""
    prompt: NotRequired[int]
    """Place in the document's `prompts`; missing where the text was left out."""
    hashes: NotRequired[str]
    """lm-eval's, where the text was left out."""
    gold: NotRequired[str]
    output: str
    """What was chosen or written."""
    read: NotRequired[str]
    """The answer found in it, where it had to be looked for."""
    verdict: str
    """right, wrong, or the grade."""


class PageItems(TypedDict):
    """Some questions of one task."""

    shown: list[PageItem]
    note: str
    """How many of how many, and why not more."""
    language: str
    """ISO 639-1, for the choice of fonts."""


class PageDocument(TypedDict):
    """All that the page shows."""

    version: str
    """medbench's."""
    measured: PageTable
    reported: list[PageTable]
    facts: list[PageFacts]
    prompts: list[str]
    items: list[PageItems]
