"""Examples as the model sees them, and what became of the rows: `medbench train --show N`."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any, Protocol

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from medbench.training.examples import IGNORED, Count, Example
from medbench.training.stop import special_tokens

__all__ = ["colored", "counts_table", "show"]

LEARNT = "bold green"
SPECIAL = "reverse"


class Counted(Protocol):
    """Examples of an epoch, and what became of each part's rows."""

    @property
    def counts(self) -> tuple[Count, ...]:
        """Of each part, in its order."""

    def __getitem__(self, index: int, /) -> Example: ...


def show(examples: Counted, tokenizer: Any, number: int, console: Console | None = None) -> None:
    """Print some examples, from each part of the mixture in turn, and the counts of the parts."""
    console = console or Console()
    for place in places([count.kept for count in examples.counts], number):
        one = examples[place]
        learnt = sum(label != IGNORED for label in one.labels)
        console.rule(
            f"{one.source}  {len(one.input_ids)} tokens, [{LEARNT}]{learnt} learnt[/{LEARNT}]"
        )
        console.print(colored(one, tokenizer))
    console.print(counts_table(examples.counts))


def places(sizes: Sequence[int], number: int) -> list[int]:
    """Return which examples stand for parts of these sizes: the first of each, then the second."""
    starts = [end - size for end, size in zip(accumulate(sizes), sizes, strict=True)]
    turns = [
        (turn, start + turn)
        for start, size in zip(starts, sizes, strict=True)
        for turn in range(min(size, number))
    ]
    return [place for _, place in sorted(turns)[:number]]


def colored(example: Example, tokenizer: Any) -> Text:
    """Decode an example: what is learnt is green, special tokens are inverted."""
    text = Text()
    for (is_learnt, is_special), tokens in runs(example, special_tokens(tokenizer)):
        styles = [LEARNT] * is_learnt + [SPECIAL] * is_special
        text.append(tokenizer.decode(tokens), style=" ".join(styles))
    return text


def runs(example: Example, special: set[int]) -> Iterator[tuple[tuple[bool, bool], list[int]]]:
    """Yield ((learnt, special), tokens) of neighbours that are alike; letters stay whole so."""
    pairs = zip(example.input_ids, example.labels, strict=True)
    for kind, members in groupby(pairs, key=lambda pair: (pair[1] != IGNORED, pair[0] in special)):
        yield kind, [token for token, _ in members]


def counts_table(counts: Sequence[Count]) -> Table:
    """Return what became of each part's rows."""
    names = ("part", "rows", "no answer", "too long", "cut", "kept", "tokens", "learnt")
    table = Table(*names, title="Examples of an epoch", box=SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    rows = [(c.rows, c.unusable, c.too_long, c.cut, c.kept, c.tokens, c.supervised) for c in counts]
    for count, row in zip(counts, rows, strict=True):
        table.add_row(count.part, *(f"{number:,}" for number in row))
    if len(rows) > 1:
        table.add_section()
        table.add_row("all", *(f"{sum(column):,}" for column in zip(*rows, strict=True)))
    return table
