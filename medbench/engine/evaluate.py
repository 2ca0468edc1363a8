"""`medbench eval`: lm-eval underneath, its result files untouched, every fault told first."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medbench import data
from medbench.checkpoint import weight_digests
from medbench.engine import backends, plan, preview
from medbench.engine.adapter import Adapter
from medbench.engine.answers import answers_sha256
from medbench.engine.base import as_trained, on_base
from medbench.engine.run import Run, check
from medbench.engine.two_passes import TwoPasses
from medbench.errors import ResultError
from medbench.hub.files import cached_folder

__all__ = ["Finished", "dry_run", "evaluate"]


@dataclass(frozen=True, slots=True)
class Finished:
    """What one adapter, or the base, left behind."""

    path: Path
    """lm-eval's results file."""
    answers: str
    """The hash of all answers; see `medbench.engine.answers`."""


@dataclass(frozen=True, slots=True)
class Work:
    """A run whose tasks and prompts are found to be in order."""

    run: Run
    names: list[str]
    """What lm-eval is asked for: tasks and groups."""
    manager: Any
    tasks: dict[str, Any]
    """lm-eval's loaded tasks."""
    tokenizer: Any
    chat: bool
    """Prompts go through the chat template."""
    context: int | None
    """Tokens that the model reads at once, as far as that is known without it."""

    @classmethod
    def of(cls, run: Run) -> "Work":
        """Check the settings and load the tasks; no weights are loaded.

        Raises:
            MedbenchError: what is wrong with them.
        """
        check(run)
        run = on_base(as_trained(run))
        manager = plan.task_manager()
        names = plan.resolve(run.tasks, manager)
        tasks = plan.load_tasks(names, manager)
        shots = {name: task.get_config("num_fewshot") for name, task in tasks.items()}
        plan.check_shots(shots, run.num_fewshot)
        names.sort(key=lambda name: not isinstance(tasks.get(name), TwoPasses))  # texts come first
        tokenizer = plan.load_tokenizer(
            run.tokenizer or run.model,
            revision="main" if run.tokenizer else run.revision,
            trust_remote_code=run.trust_remote_code,
        )
        chat = plan.uses_chat_template(run.chat_template, tokenizer, tasks)
        context = plan.context_length(run, tokenizer)
        return cls(run, names, manager, tasks, tokenizer, chat, context)

    def previews(self) -> list[preview.Preview]:
        """Render the questions of each task; this tells too few shots and a double BOS."""
        run = self.run
        return list(
            preview.preview(
                self.tasks,
                self.tokenizer,
                chat=self.chat,
                limit=run.limit,
                num_fewshot=run.num_fewshot,
                gen_kwargs=run.gen_kwargs,
                items=run.items,
            )
        )


def dry_run(run: Run) -> tuple[list[preview.Preview], Any, int | None]:
    """Return what `evaluate` would do, task by task, the tokenizer and the model's context.

    No weights are loaded.
    """
    work = Work.of(run)
    return work.previews(), work.tokenizer, work.context


def evaluate(run: Run) -> list[Finished]:
    """Score a model, with each of its adapters in turn.

    Returns:
        One for each adapter; none in a process that only helps another one (multi-GPU launch).

    Raises:
        MedbenchError: anything that can be known before the run, and a result that was not saved.
    """
    work = Work.of(run)
    run = work.run
    previews = work.previews()
    if work.context:
        preview.cut_prompts(previews, work.context)
    variants = backends.find_adapters(run)
    arguments = {name: backends.model_arguments(run, one) for name, one in variants.items()}
    scratch = make_scratch(run.output)
    finished = []
    try:
        lm, use = backends.load_model(run, variants)
        weights = {name: weights_of(run, one) for name, one in variants.items()}
        cut = preview.cut_prompts(previews, lm.max_length)
        for number, (name, adapter) in enumerate(variants.items()):
            use(adapter)
            written = scratch / str(number)
            found = lm_eval_run(work, lm, arguments[name], written)
            if found is None:
                continue  # another rank of a multi-GPU launch writes the results
            facts = provenance(work, name, cut, found | {"weights": weights[name]})
            path = publish(written, run.output / run.display_name(name), facts)
            finished.append(Finished(path, found["answers_sha256"]))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return finished


def weights_of(run: Run, adapter: Adapter | None) -> dict[str, str]:
    """Return the digests of the adapter's or the model's safetensors; of a server's, none.

    A model of the Hub has been loaded by now, and so lies in the Hub's cache.
    """
    if run.backend == "openai":
        return {}
    folder = adapter.path if adapter else cached_folder(run.model, run.revision)
    return weight_digests(folder) if folder else {}


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


def lm_eval_run(
    work: Work, lm: Any, arguments: dict[str, Any], folder: Path
) -> dict[str, Any] | None:
    """Run lm-eval and let it write its files into a folder.

    Returns:
        What describes the run beside its files; None where another process has it.
    """
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker

    # a file: in a folder, lm-eval makes another one named like the model's whole path, however long
    tracker = EvaluationTracker(output_path=str(folder / "results.json"))
    run, name = work.run, backends.engine_name(work.run)
    results = simple_evaluate(
        model=lm,
        model_args=arguments,
        tasks=list(work.names),
        num_fewshot=run.num_fewshot,
        **backends.settings(run),
        limit=run.limit,
        samples=None if run.items is None else {task: [*own] for task, own in run.items.items()},
        apply_chat_template=work.chat,
        fewshot_as_multiturn=True,
        gen_kwargs=run.gen_kwargs,
        task_manager=work.manager,
        evaluation_tracker=tracker,
    )
    if results is None:
        return None
    # lm-eval only knows the names of models that it made itself
    results["config"]["model"] = tracker.general_config_tracker.model_source = name
    samples = results.pop("samples")
    found = {"date": results["date"], "answers_sha256": answers_sha256(samples)}
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in results["configs"]:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    return found


def provenance(
    work: Work, adapter: str | None, cut: Mapping[str, int], found: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe what lm-eval's own file does not say: rows, answers, versions, command."""
    from medbench.scoring.extract import EXTRACTOR_VERSION

    run, rows = work.run, {}
    for name, task in work.tasks.items():
        metadata = task.config.metadata
        where = data.load(metadata["benchmark"], task.config.dataset_kwargs["subset"], "test")
        rows[name] = {
            "protocol": metadata["protocol"],
            "source": where.source,
            "rows": where.size,
            "known_rows": where.known_size,
            "malformed": [str(one) for one in where.malformed],
            "sha256": where.digest,
            "cut_prompts": cut[name],
        }
    packages = ("medbench", "lm_eval", "datasets", "torch", "transformers", "peft", "vllm")
    return {
        "command": ["medbench", *sys.argv[1:]],
        "backend": run.backend,
        "engine": run.engine,
        "strict": run.strict,
        "adapter": adapter,
        "quantization": run.quantization,
        "extractor_version": EXTRACTOR_VERSION,
        "packages": {name: version(name) for name in packages if installed(name)},
        **found,
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


def publish(written: Path, target: Path, facts: dict[str, Any]) -> Path:
    """Move finished files to their place, the results last: a results file means all is there.

    Raises:
        ResultError: lm-eval wrote no results, or not all samples (it only warns when it cannot).
    """
    files = sorted(path for path in written.rglob("*") if path.is_file())
    results = [path for path in files if path.name.startswith("results_")]
    samples = [path for path in files if path.name.startswith("samples_")]
    if not results or len(samples) < len(facts["tasks"]):
        raise ResultError(f"lm-eval could not write its results below {target.parent}")
    target.mkdir(parents=True, exist_ok=True)
    stamp = results[0].stem.removeprefix("results_")
    facts_path = written / f"medbench_{stamp}.json"
    facts_path.write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")
    for path in [facts_path, *(path for path in files if path != results[0]), results[0]]:
        os.replace(path, target / path.name)
    return target / results[0].name
