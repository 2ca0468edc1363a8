"""`medbench eval --dry-run`: every request rendered and counted, the first prompt shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from medbench.engine.two_passes import Letter
from medbench.scoring.chat import encode, render_chat

__all__ = ["Preview", "preview", "show"]


@dataclass(frozen=True, slots=True)
class Preview:
    """One task of a dry run."""

    task: str
    documents: int
    requests: int
    tokens: int
    """All tokens of all requests, continuations included, generated ones and what follows not."""
    shots: int
    prompt: list[int]
    """The first document's prompt as token ids."""
    continuations: list[str]
    """What is scored after it; empty for generated answers."""


def preview(
    tasks: dict[str, Any],
    tokenizer: Any,
    *,
    chat: bool,
    limit: int | None,
    num_fewshot: int | None,
) -> Iterator[Preview]:
    """Render every request of every task as a run would.

    Raises:
        ModelError: a prompt begins with two BOS tokens.
    """

    def render(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return render_chat(tokenizer, messages, add_generation_prompt)

    for name, task in tasks.items():
        default = task.get_config("num_fewshot")
        shots = (default or 0) if num_fewshot is None or default == 0 else num_fewshot
        task.set_config(key="num_fewshot", value=shots)
        task.build_all_requests(
            limit=limit,
            rank=0,
            world_size=1,
            apply_chat_template=chat,
            fewshot_as_multiturn=True,
            chat_template=render if chat else None,
            tokenizer_name="",
        )
        known = [one for one in task.instances if not isinstance(one, Letter)]
        first = [one for one in known if one.doc_id == known[0].doc_id]
        choices = [str(one.args[1]) for one in first if one.request_type == "loglikelihood"]
        yield Preview(
            task=name,
            documents=len({one.doc_id for one in task.instances}),
            requests=len(task.instances),
            tokens=count_tokens(tokenizer, known),
            shots=shots,
            prompt=encode(tokenizer, first[0].args[0]),
            continuations=choices,
        )


def count_tokens(tokenizer: Any, instances: Sequence[Any]) -> int:
    """Count the tokens of all requests; a prompt that several requests share is encoded once."""
    lengths: dict[str, int] = {}
    total = 0
    for instance in instances:
        context = instance.args[0]
        continuation = instance.args[1] if instance.request_type == "loglikelihood" else ""
        for text in (context, continuation):
            if text not in lengths:
                lengths[text] = len(tokenizer.encode(text, add_special_tokens=False))
            total += lengths[text]
    return total


def show(previews: Sequence[Preview], tokenizer: Any) -> None:
    """Print each task's first prompt, special tokens coloured, and the totals."""
    console = Console()
    for one in previews:
        console.rule(f"[bold]{one.task}[/bold]  first prompt: {len(one.prompt)} tokens")
        console.print(visible(one.prompt, tokenizer))
        if one.continuations:
            shown = " │ ".join(repr(text) for text in one.continuations[:5])
            more = f" … {len(one.continuations)} in all" if len(one.continuations) > 5 else ""
            console.print(Text(f"scored after it: {shown}{more}", style="dim"))
    table = Table("task", "questions", "shots", "requests", "prompt tokens", title="Dry run")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in previews:
        numbers = (one.documents, one.shots, one.requests, one.tokens)
        table.add_row(one.task, *(f"{number:,}" for number in numbers))
    total = [sum(one.documents for one in previews), sum(one.requests for one in previews)]
    tokens = sum(one.tokens for one in previews)
    table.add_section()
    table.add_row("all", f"{total[0]:,}", "", f"{total[1]:,}", f"{tokens:,}")
    console.print(table)


def visible(ids: Sequence[int], tokenizer: Any) -> Text:
    """Decode a prompt; special tokens stand out, and a newline at the very end is marked."""
    special = set(tokenizer.all_special_ids)
    text = Text()
    plain: list[int] = []
    for token in [*ids, None]:
        if token is not None and token not in special:
            plain.append(token)
            continue
        text.append(tokenizer.decode(plain))
        plain.clear()
        if token is not None:
            text.append(tokenizer.decode([token]), style="bold reverse")
    if text.plain.endswith("\n"):
        text.append("⏎", style="dim")
    return text
