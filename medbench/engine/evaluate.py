"""`medbench eval`: lm-eval underneath, its result files untouched, every fault told first."""

import json
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medbench import data
from medbench.engine import plan, preview
from medbench.engine.backends import device, model_arguments, register
from medbench.engine.run import Run, check
from medbench.errors import ModelError, ResultError

__all__ = ["dry_run", "evaluate"]


def evaluate(run: Run) -> Path:
    """Score a model and return the path of lm-eval's results file.

    Raises:
        MedbenchError: anything that can be known before the run, and a result that was not saved.
    """
    check(run)
    manager = plan.task_manager()
    names = plan.resolve(run.tasks, manager)
    tasks = plan.load_tasks(names, manager)
    tokenizer = plan.load_tokenizer(run.tokenizer_name, trust_remote_code=run.trust_remote_code)
    chat = plan.uses_chat_template(run.chat_template, tokenizer, tasks)
    # rendering one question of each task tells too few shots and a double BOS before a model loads
    list(preview.preview(tasks, tokenizer, chat=chat, limit=1, num_fewshot=run.num_fewshot))
    arguments = model_arguments(run)
    scratch = make_scratch(run.output)
    try:
        results = lm_eval_run(run, names, manager, arguments, chat, scratch)
        return publish(scratch, run, provenance(run, tasks, results))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def make_scratch(output: Path) -> Path:
    """Create a folder for unfinished files beside the finished ones.

    Raises:
        ResultError: the place cannot be written to; this is told before a model is loaded.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".results-", dir=output))
    except OSError as error:
        raise ResultError(f"--output {output} cannot be written to: {error.strerror}") from error


def dry_run(run: Run) -> tuple[list[preview.Preview], Any]:
    """Return what `evaluate` would do, task by task, and the tokenizer; no weights are loaded."""
    check(run)
    manager = plan.task_manager()
    tasks = plan.load_tasks(plan.resolve(run.tasks, manager), manager)
    tokenizer = plan.load_tokenizer(run.tokenizer_name, trust_remote_code=run.trust_remote_code)
    chat = plan.uses_chat_template(run.chat_template, tokenizer, tasks)
    previews = preview.preview(
        tasks, tokenizer, chat=chat, limit=run.limit, num_fewshot=run.num_fewshot
    )
    return list(previews), tokenizer


def lm_eval_run(
    run: Run,
    names: list[str],
    manager: Any,
    arguments: dict[str, Any],
    chat: bool,
    scratch: Path,
) -> dict[str, Any]:
    """Run lm-eval and let it write its files into an empty folder."""
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker

    # a file: in a folder, lm-eval makes another one named like the model's whole path, however long
    tracker = EvaluationTracker(output_path=str(scratch / "results.json"))
    try:
        results = simple_evaluate(
            model=register(run.backend),
            model_args=arguments,
            tasks=list(names),
            num_fewshot=run.num_fewshot,
            batch_size="auto" if run.backend == "vllm" else run.batch_size,
            device=device(run) if run.backend == "hf" else None,
            limit=run.limit,
            apply_chat_template=chat,
            fewshot_as_multiturn=True,
            gen_kwargs=run.gen_kwargs,
            task_manager=manager,
            evaluation_tracker=tracker,
        )
    except OSError as error:
        raise ModelError(f"{run.model} could not be loaded: {error}") from error
    if results is None:
        sys.exit(0)  # another rank of a multi-GPU launch writes the results
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in results["configs"]:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    return dict(results)


def provenance(run: Run, tasks: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    """Describe what lm-eval's own file does not say: rows, extractor, versions, command."""
    from medbench.scoring.extract import EXTRACTOR_VERSION

    rows = {}
    for name, task in tasks.items():
        metadata = task.config.metadata
        where = data.load(metadata["benchmark"], task.config.dataset_kwargs["subset"], "test")
        rows[name] = {
            "protocol": metadata["protocol"],
            "source": where.source,
            "rows": where.size,
            "known_rows": where.known_size,
            "malformed": [str(one) for one in where.malformed],
            "sha256": where.digest,
        }
    packages = ("medbench", "lm_eval", "datasets", "torch", "transformers", "peft", "vllm")
    return {
        "command": ["medbench", *sys.argv[1:]],
        "backend": run.backend,
        "adapter": run.adapter,
        "quantization": run.quantization,
        "extractor_version": EXTRACTOR_VERSION,
        "packages": {name: version(name) for name in packages if installed(name)},
        "date": results["date"],
        "tasks": rows,
    }


def installed(name: str) -> bool:
    """Tell whether a distribution is installed."""
    from importlib.metadata import PackageNotFoundError

    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def publish(scratch: Path, run: Run, facts: dict[str, Any]) -> Path:
    """Move finished files to their place, the results last: a results file means all is there.

    Raises:
        ResultError: lm-eval wrote no results, or not all samples (it only warns when it cannot).
    """
    written = sorted(path for path in scratch.rglob("*") if path.is_file())
    results = [path for path in written if path.name.startswith("results_")]
    samples = [path for path in written if path.name.startswith("samples_")]
    if not results or len(samples) < len(facts["tasks"]):
        raise ResultError(f"lm-eval could not write its results below {run.output}")
    folder = run.output / run.display_name
    folder.mkdir(parents=True, exist_ok=True)
    stamp = results[0].stem.removeprefix("results_")
    facts_path = scratch / f"medbench_{stamp}.json"
    facts_path.write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")
    for path in [facts_path, *(path for path in written if path != results[0]), results[0]]:
        os.replace(path, folder / path.name)
    return folder / results[0].name
