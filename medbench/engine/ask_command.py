"""`medbench ask`: the command line; all that is heavy is imported inside."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medbench.engine.ask import Answer
    from medbench.question import Question

__all__ = ["add_ask", "run_ask"]

BAR = 24
LOADS = (
    *("model", "quantization", "chat_template", "device", "dtype", "revision"),
    "trust_remote_code",
)
"""Options that say how a model is loaded."""
LANGUAGES = ("en", "zh", "ja", "fr", "ru", "es", "ko")


def add_ask(command: argparse.ArgumentParser) -> None:
    """Describe `medbench ask`."""
    command.set_defaults(command=run_ask)
    add = command.add_argument
    add("model", metavar="CHECKPOINT", help="what `medbench train` left, a model folder, a Hub id")
    add("question", metavar="QUESTION", help="in quotation marks")
    add("--option", action="append", default=[], metavar="TEXT", help="once for each option")
    add("--context", default="", metavar="TEXT", help="what is to be read first")
    add(
        "--as",
        dest="form",
        metavar="BENCHMARK/PROTOCOL",
        help="how it is put: usmle/letters, kormedmcqa/cot, …; default: as in training",
    )
    add("--language", choices=LANGUAGES, default="en", help="of the question; default: en")
    add("--adapter", metavar="PATH_OR_REPO", help="PEFT adapter on top of CHECKPOINT")
    add("--quantization", choices=("nf4", "fp4", "int8"), help="quantise at load")
    add("--chat-template", choices=("auto", "on", "off"), default="auto",
        help="auto, the default: as in training, else on where there is one")  # fmt: skip
    add("--max-new-tokens", type=int, default=256, metavar="N", help="default: 256")
    add("--device", help="cpu, cuda, cuda:1, mps; default: what there is")
    add("--dtype", default="auto", help="float32, bfloat16, float16; default: as saved")
    add("--revision", default="main", help="the model's branch, tag or commit on the Hub")
    add("--trust-remote-code", action="store_true", help="run code that comes with the model")
    add("--show-prompt", action="store_true", help="print what the model reads, too")


def run_ask(options: argparse.Namespace) -> None:
    """Put a question to a model, and show its answer."""
    from medbench.engine.ask import ask, form_of, question_of
    from medbench.engine.run import Run

    given = tuple(options.option)
    form = form_of(options.model, options.revision, given, options.form)
    question = question_of(options.question, given, options.context, form, options.language)
    settings = {name: value for name, value in vars(options).items() if name in LOADS}
    run = Run(**settings, tasks=(), adapters=(options.adapter,) if options.adapter else ())
    show(ask(run, question, form, options.max_new_tokens), question, options.show_prompt)


def show(answer: "Answer", question: "Question", with_prompt: bool) -> None:
    """Print an answer: a bar for each option, or the text."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if with_prompt:
        console.print(Text(answer.prompt, style="dim"))
    if answer.text or not answer.shares:
        console.print(Text(answer.text or "(nothing)"))
        if answer.is_cut:
            console.print(Text("… cut off; --max-new-tokens gives it more room", style="dim"))
    if not question.options:
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    for letter, text in question.options.items():
        share = answer.shares.get(letter)
        bar = "" if share is None else "█" * round(share * BAR)
        mark = "→" if letter in answer.letters else " "
        percent = "" if share is None else f"{100 * share:.1f} %"
        style = "bold" if letter in answer.letters else ""
        table.add_row(Text(f"{mark} {letter}"), Text(text), Text(bar), percent, style=style)
    console.print(table)
