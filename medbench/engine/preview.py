"""`medbench eval --dry-run`: every request rendered and counted, the first prompt shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.utils import simple_parse_args_string
from rich.console import Console
from rich.table import Table
from rich.text import Text

from medbench.engine.generation import prompt_room, tell_cut
from medbench.engine.two_passes import Letter
from medbench.scoring.chat import encode, render_chat, starts_with_bos

__all__ = ["Preview", "cut_prompts", "preview", "show"]


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
    lengths: list[int]
    """What the model reads of each question, in tokens: the prompt with its longest continuation,
    before it is cut to the model's context."""
    answer: int
    """Tokens kept for a generated answer; 0: none is generated."""

    def cut(self, context: int) -> int:
        """Return how many prompts do not fit a model that reads so many tokens at once.

        Raises:
            ModelError: the answer alone does not fit.
        """
        room = prompt_room(self.answer, context)
        return sum(length > room for length in self.lengths)


def preview(
    tasks: dict[str, Any],
    tokenizer: Any,
    *,
    chat: bool,
    limit: int | None,
    num_fewshot: int | None,
    gen_kwargs: str | None = None,
    items: Mapping[str, Sequence[int]] | None = None,
) -> Iterator[Preview]:
    """Render every request of every task as a run would.

    Raises:
        ModelError: a prompt begins with two BOS tokens.
    """

    def render(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return render_chat(tokenizer, messages, add_generation_prompt)

    for name, task in tasks.items():
        shots = (task.get_config("num_fewshot") or 0) if num_fewshot is None else num_fewshot
        task.set_config(key="num_fewshot", value=shots)
        if gen_kwargs and task.get_config("output_type") == "generate_until":
            given = simple_parse_args_string(gen_kwargs)
            task.set_config(key="generation_kwargs", value=given, update=True)
        task.build_all_requests(
            limit=limit,
            samples=(items or {}).get(name),
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
        tokens, lengths = count_tokens(tokenizer, known)
        yield Preview(
            task=name,
            documents=len({one.doc_id for one in task.instances}),
            requests=len(task.instances),
            tokens=tokens,
            shots=shots,
            prompt=encode(tokenizer, first[0].args[0]),
            continuations=choices,
            lengths=lengths,
            answer=0 if choices else int(first[0].args[1]["max_gen_toks"]),
        )


def count_tokens(tokenizer: Any, instances: Sequence[Any]) -> tuple[int, list[int]]:
    """Count the tokens of all requests; a prompt that several requests share is encoded once.

    Returns:
        The sum, and what the model reads of each question: special tokens in front, a prompt that
        its protocol cuts as it is cut, the longest continuation but for its last token.
    """
    known: dict[str, int] = {}
    total = 0
    read: dict[int, int] = {}
    for instance in instances:
        context = instance.args[0]
        continuation = instance.args[1] if instance.request_type == "loglikelihood" else ""
        for text in (context, continuation):
            if text not in known:
                known[text] = len(tokenizer.encode(text, add_special_tokens=False))
            total += known[text]
        added = 0 if starts_with_bos(tokenizer, context) else tokenizer.num_special_tokens_to_add()
        prompt = known[context] + added
        prompt = min(prompt, instance.doc.get("prompt_tokens") or prompt)
        length = prompt + max(known[continuation] - 1, 0)
        read[instance.doc_id] = max(length, read.get(instance.doc_id, 0))
    return total, [*read.values()]


def cut_prompts(previews: Sequence[Preview], context: int) -> dict[str, int]:
    """Return how many prompts of each task a model cuts, and warn of them.

    Raises:
        ModelError: an answer alone is longer than the model's context.
    """
    found = {one.task: one.cut(context) for one in previews}
    for one in previews:
        tell_cut(one.task, found[one.task], one.documents, context)
    return found


def show(previews: Sequence[Preview], tokenizer: Any, context: int | None) -> None:
    """Print each task's first prompt, special tokens coloured, and the totals.

    Args:
        previews: One for each task.
        tokenizer: The model's.
        context: Tokens that the model reads at once; None: not known.

    Raises:
        ModelError: an answer alone is longer than the model's context.
    """
    console = Console()
    cut = cut_prompts(previews, context) if context else {}
    for one in previews:
        console.rule(f"[bold]{one.task}[/bold]  first prompt: {len(one.prompt)} tokens")
        console.print(visible(one.prompt, tokenizer))
        if one.continuations:
            shown = " │ ".join(repr(text) for text in one.continuations[:5])
            more = f" … {len(one.continuations)} in all" if len(one.continuations) > 5 else ""
            console.print(Text(f"scored after it: {shown}{more}", style="dim"))
    console.print(totals(previews, cut))


def totals(previews: Sequence[Preview], cut: Mapping[str, int]) -> Table:
    """Return what each task asks, and all of them; prompts that do not fit, where that is known."""
    names = ("questions", "shots", "requests", "prompt tokens", "too long")
    table = Table("task", *names, title="Dry run")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for one in previews:
        numbers = (one.documents, one.shots, one.requests, one.tokens)
        long = f"{cut[one.task]:,}" if cut else "?"
        table.add_row(one.task, *(f"{number:,}" for number in numbers), long)
    total = [sum(one.documents for one in previews), sum(one.requests for one in previews)]
    tokens = sum(one.tokens for one in previews)
    long = f"{sum(cut.values()):,}" if cut else "?"
    table.add_section()
    table.add_row("all", f"{total[0]:,}", "", f"{total[1]:,}", f"{tokens:,}", long)
    return table


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
