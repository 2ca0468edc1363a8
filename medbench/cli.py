"""`medbench …`: one function a command, heavy imports inside it."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from medbench import __version__
from medbench.engine.ask_command import add_ask
from medbench.errors import MedbenchError, ResultError
from medbench.federated.command import add_federated
from medbench.leaderboard.command import add_add, add_check
from medbench.paths import CONTENT_FOLDERS
from medbench.pipeline.command import add_run
from medbench.publish.certify_command import add_certify
from medbench.publish.command import add_pull, add_push, add_push_results
from medbench.publish.verify_command import add_verify
from medbench.report.compare.command import add_compare
from medbench.report.submission.command import add_export
from medbench.training.command import add_train

__all__ = ["main"]

ENGINE_HELP = "stock: lm-eval's own class, to compare with (hf, vllm); default: medbench"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; a `MedbenchError` becomes one message and exit code 1."""
    options = parse(arguments)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("bitsandbytes").setLevel(
        logging.ERROR
    )  # it reports kernels it can do without
    try:
        options.command(options)
    except MedbenchError as error:
        print(f"medbench: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; settings of a recipe may stand behind options too."""
    top = parser()
    options, rest = top.parse_known_args(arguments)
    takes_settings = "overrides" in vars(options)
    if rest and not (takes_settings and all("=" in one and one[0] != "-" for one in rest)):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if takes_settings:
        options.overrides += rest
    return options


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="medbench",
        description="Medical question answering: score models, and compare them honestly.",
    )
    top.add_argument("--version", action="version", version=f"medbench {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="command_name")
    add_eval(commands.add_parser("eval", help="score a model on medical tasks"))
    training = commands.add_parser("train", help="fine-tune a model as a recipe says")
    add_train(training)
    add_federated(training)
    add_run(commands.add_parser("run", help="train, evaluate, compare: what was not done yet"))
    add_merge(commands.add_parser("merge", help="make an adapter part of its base"))
    add_ask(commands.add_parser("ask", help="put one question to a model"))
    add_board(commands.add_parser("board", help="make tables and pictures out of results"))
    add_compare(commands.add_parser("compare", help="tell whether B differs from A, and where"))
    add_export(commands.add_parser("export", help="write what other leaderboards ask for"))
    add_add(commands.add_parser("add", help="put results on a leaderboard, after checking them"))
    add_check(commands.add_parser("check", help="find what is wrong with a leaderboard"))
    add_certify(commands.add_parser("certify", help="check a checkpoint before it is published"))
    add_push(commands.add_parser("push", help="publish a checkpoint on the Hugging Face Hub"))
    add_push_results(commands.add_parser("push-results", help="publish results as a dataset"))
    add_pull(commands.add_parser("pull", help="download what was published"))
    add_verify(commands.add_parser("verify", help="ask a published checkpoint some of it again"))
    add_ls(commands.add_parser("ls", help="list the tasks"))
    add_data(commands.add_parser("data", help="show or pull the questions"))
    add_path(commands.add_parser("path", help="print where a content folder lies"))
    return top


def add_eval(command: argparse.ArgumentParser) -> None:
    """Describe `medbench eval`."""
    command.set_defaults(command=run_eval)
    add = command.add_argument
    add("model", metavar="MODEL", help="local folder, Hub id, or name on the server (openai)")
    add("--tasks", required=True, help="task names, groups, wildcards; commas between them")
    add("--backend", choices=("hf", "vllm", "openai"), default="hf", help="default: hf")
    add("--engine", choices=("medbench", "stock"), default="medbench", help=ENGINE_HELP)
    add(
        "--adapter",
        action="append",
        default=[],
        dest="adapters",
        metavar="PATH_OR_REPO",
        help="PEFT adapter on top of MODEL; several are evaluated in turn on one loaded model, "
        "`base` is the model alone",
    )
    add("--quantization", choices=("nf4", "fp4", "int8"), help="quantise at load (hf)")
    add("--limit", type=int, metavar="N", help="only the first N questions of each task")
    add("--num-fewshot", type=int, metavar="K", help="examples before each question")
    add("--chat-template", choices=("auto", "on", "off"), default="auto",
        help="auto, the default: as in training, else on where there is one")  # fmt: skip
    add("--gen-kwargs", metavar="A=1,B=2", help="override generation settings")
    add("--batch-size", metavar="N", help="texts at once (hf, openai), or auto; default: 8")
    add("--device", help="cpu, cuda, cuda:1, mps (hf); default: what there is")
    add("--batch-tokens", type=int, metavar="N", help="tokens of one forward pass (hf)")
    add("--strict", action="store_true", help="answers independent of batches and order (hf)")
    add("--dtype", default="auto", help="float32, bfloat16, float16 (hf, vllm); default: as saved")
    add("--base-url", metavar="URL", help="server of --backend openai, up to /v1")
    add("--tokenizer", metavar="PATH_OR_REPO", help="default: the model's (openai: needed)")
    add("--revision", default="main", help="the model's branch, tag or commit on the Hub")
    add("--trust-remote-code", action="store_true", help="run code that comes with the model")
    add("--output", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    add("--dry-run", action="store_true", help="show prompts and token counts, then stop")


def run_eval(options: argparse.Namespace) -> None:
    """Score a model, or show what would be scored."""
    from medbench.engine.run import Run

    settings = {
        name: value
        for name, value in vars(options).items()
        if name not in ("command", "command_name", "dry_run")
    }
    settings["tasks"] = tuple(name.strip() for name in options.tasks.split(","))
    run = Run(**settings | {"adapters": tuple(options.adapters)})
    if options.dry_run:
        from medbench.engine.evaluate import dry_run
        from medbench.engine.preview import show

        show(*dry_run(run))
        return
    from medbench.engine.evaluate import evaluate
    from medbench.report.board import board

    finished = evaluate(run)
    if finished:
        board([one.path for one in finished], None, ())
    for one in finished:
        print(f"results: {one.path}")
        if run.strict:
            print(f"answers: {one.answers[:12]}")


def add_merge(command: argparse.ArgumentParser) -> None:
    """Describe `medbench merge`."""
    command.set_defaults(command=run_merge)
    add = command.add_argument
    add("checkpoint", metavar="PATH_OR_REPO", help="a PEFT adapter")
    add("--revision", metavar="R", help="the adapter's branch, tag or commit on the Hub")
    add("--output", type=Path, metavar="DIR", help="default: the adapter's name and -merged, -ONLY")
    add("--dtype", choices=("float32", "bfloat16", "float16"), help="default: as the base is saved")
    parts = ("attention", "shared")
    add(
        "--only", choices=parts, help="of a mixture of experts: attention's LoRA, or the shared too"
    )
    add("--trust-remote-code", action="store_true", help="run code that comes with the base")


def run_merge(options: argparse.Namespace) -> None:
    """Merge in float32, check the outcome, save it."""
    from medbench.hub.files import folder_of, is_local
    from medbench.training.merge import merge

    name, output = options.checkpoint, options.output
    if output is None and not is_local(name):
        output = Path(f"{name.rpartition('/')[2]}-{options.only or 'merged'}")  # not into the cache
    merged = merge(
        folder_of(name, options.revision),
        output,
        options.dtype,
        only=options.only,
        trust_remote_code=options.trust_remote_code,
    )
    print(
        f"merged: {merged.path} ({merged.dtype}; in float32, log-probabilities are within "
        f"{merged.difference:.1g} of base and adapter)"
    )
    if merged.dropped:
        print(f"only {options.only}: {merged.dropped}")


def add_board(command: argparse.ArgumentParser) -> None:
    """Describe `medbench board`."""
    command.set_defaults(command=run_board)
    command.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="files, folders")
    command.add_argument("--output", type=Path, metavar="DIR", help="for tables and pictures")
    command.add_argument(
        "--before", metavar="MODEL", help="draw what the others gained and lost against this one"
    )
    command.add_argument(
        "--ties",
        action="store_true",
        help="also rank the models as far as they can be told apart (needs the samples)",
    )
    command.add_argument(
        "--reported",
        action="store_true",
        help="also what others published on these benchmarks, in tables and pictures of their own",
    )
    command.add_argument(
        "--html",
        action="store_true",
        help="also board.html: one page to sort and filter, with every score's run and questions, "
        "and what others published behind a tab of its own",
    )


def run_board(options: argparse.Namespace) -> None:
    """Print the table; with --output also write Markdown, CSV, LaTeX, SVG and PNG."""
    from medbench.report.board import board

    if options.before and not options.output:
        raise ResultError("--before draws a figure: --output says where it goes")
    if options.html and not options.output:
        raise ResultError("--html writes a page: --output says where it goes")
    board(
        options.results,
        options.output,
        before=options.before,
        with_ties=options.ties,
        reported=options.reported,
        html=options.html,
    )


def add_ls(command: argparse.ArgumentParser) -> None:
    """Describe `medbench ls`."""
    command.set_defaults(command=run_ls)
    command.add_argument("what", choices=("tasks",), nargs="?", default="tasks")


def run_ls(_: argparse.Namespace) -> None:
    """Print the table of tasks."""
    from medbench.engine.task_table import task_table

    print(task_table())


def add_data(command: argparse.ArgumentParser) -> None:
    """Describe `medbench data ls|pull`."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    ls = actions.add_parser("ls", help="what MEDBENCH_DATA holds, against the known sizes")
    ls.set_defaults(command=run_data_ls)
    pull = actions.add_parser("pull", help="write an offline bundle from the Hub")
    pull.set_defaults(command=run_data_pull)
    pull.add_argument("folder", type=Path, metavar="DIR")
    pull.add_argument(
        "--benchmarks", metavar="A,B", help="only these: mmedbench, kormedmcqa, usmle, …"
    )


def run_data_ls(_: argparse.Namespace) -> None:
    """Print a table of datasets and row counts."""
    from medbench.data.bundle import listing

    print(listing())


def run_data_pull(options: argparse.Namespace) -> None:
    """Write a bundle."""
    from medbench.data.bundle import pull

    wanted = options.benchmarks.split(",") if options.benchmarks else None
    pull(options.folder, wanted)


def add_path(command: argparse.ArgumentParser) -> None:
    """Describe `medbench path`."""
    command.set_defaults(command=run_path)
    command.add_argument("name", choices=(*CONTENT_FOLDERS, "smollm2"))


def run_path(options: argparse.Namespace) -> None:
    """Print a folder; `smollm2` converts the packaged model on first use."""
    if options.name == "smollm2":
        from medbench.engine.smollm2 import smollm2

        print(smollm2())
        return
    from medbench.paths import folder

    print(folder(options.name))
