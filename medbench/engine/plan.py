"""What a run needs before its model: task names resolved, every document loaded, the tokenizer.

Nothing here needs weights. Every fault of every task is found and told before a model loads.
"""

import difflib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.tasks import TaskManager

from medbench import paths
from medbench.engine.run import Run
from medbench.errors import DataError, MedbenchError, ModelError, TaskError
from medbench.scoring.protocols import protocol

__all__ = [
    "check_shots",
    "context_length",
    "load_tasks",
    "load_tokenizer",
    "resolve",
    "task_manager",
    "uses_chat_template",
]

log = logging.getLogger(__name__)


def task_manager() -> TaskManager:
    """Index our own folder only: milliseconds instead of lm-eval's scan of 14,000 files."""
    return TaskManager(include_path=str(paths.folder("tasks")), include_defaults=False)


def resolve(names: Sequence[str], manager: TaskManager) -> list[str]:
    """Turn names and wildcards into task and group names, each once.

    A group that a wildcard matches stands for its members (lm-eval would refuse to run both).

    Raises:
        TaskError: names that match nothing, all of them, each with the nearest known ones.
    """
    found: list[str] = []
    unknown = []
    for name in names:
        matches = manager.match_tasks([name])
        found += [match for match in matches if match not in found]
        if not matches:
            near = difflib.get_close_matches(name, manager.all_tasks, n=3, cutoff=0.5)
            unknown.append(f"{name!r}" + (f" (did you mean {', '.join(near)}?)" if near else ""))
    if unknown:
        raise TaskError(
            f"unknown task: {'; '.join(unknown)}. `medbench ls tasks` lists all; "
            "lm-eval's own tasks run through `lm_eval`"
        )
    members = {
        member
        for name in found
        if name in manager.all_groups
        for member in manager.task_index[name].cfg["task"]
    }
    return [name for name in found if name not in members]


def load_tasks(names: Sequence[str], manager: TaskManager) -> dict[str, Any]:
    """Load every task with its documents: lm-eval's Task by name.

    Raises:
        DataError, TaskError: everything that is wrong with any of the tasks.
    """
    loaded: dict[str, Any] = {}
    faults: list[MedbenchError] = []
    quiet = logging.getLogger("lm_eval.api.task")
    quiet.addFilter(is_no_metadata_hint)
    for name in names:
        try:
            loaded |= manager.load([name])["tasks"]
        except (DataError, TaskError) as error:
            faults.append(error)
    if faults:
        raise DataError("\n".join(dict.fromkeys(str(fault) for fault in faults)))
    return loaded


def check_shots(own: Mapping[str, int | None], num_fewshot: int | None) -> None:
    """Refuse examples for tasks that take none: lm-eval would leave them out in silence.

    Args:
        own: Each task and the number of examples in its YAML; None: it has none there.
        num_fewshot: What is asked for; None: as the tasks say.

    Raises:
        TaskError: the tasks whose number is fixed at 0.
    """
    fixed = [name for name, number in own.items() if number == 0]
    if num_fewshot and fixed:
        raise TaskError(
            f"--num-fewshot {num_fewshot}: {', '.join(fixed)} "
            f"{'take' if len(fixed) > 1 else 'takes'} no examples (num_fewshot: 0 in the task's "
            "YAML); run without the option, or other tasks"
        )


def is_no_metadata_hint(record: logging.LogRecord) -> bool:
    """Drop lm-eval's hint about `--metadata`, one a task, which does not concern our tasks."""
    return "Custom kwargs can be passed" not in str(record.msg)


def load_tokenizer(name: str, *, revision: str = "main", trust_remote_code: bool = False) -> Any:
    """Load a tokenizer.

    Raises:
        ModelError: it is neither a local folder with a tokenizer nor on the Hub.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            name, revision=revision, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ModelError(
            f"no tokenizer for {name!r}: {reason}. A local model folder or a Hub id that can be "
            "reached is needed; `medbench path smollm2` gives a small real model"
        ) from error


def context_length(run: Run, tokenizer: Any) -> int | None:
    """Return how many tokens the model reads at once, by lm-eval's rule; None: a server knows.

    What is wrong with the model's description is told by whoever loads the model.
    """
    from lm_eval.models.utils import resolve_max_length
    from transformers import AutoConfig

    if run.backend == "openai":
        return None
    try:
        config = AutoConfig.from_pretrained(
            run.model, revision=run.revision, trust_remote_code=run.trust_remote_code
        )
    except (OSError, ValueError):
        return None
    return int(resolve_max_length(config, tokenizer))


def uses_chat_template(choice: str, tokenizer: Any, tasks: dict[str, Any]) -> bool:
    """Resolve `--chat-template auto|on|off` for a run.

    auto: on where the tokenizer has a template, off where every prompt brings its own wrapper.

    Raises:
        ModelError: "on", but the tokenizer has no template.
    """
    has_template = bool(tokenizer.chat_template)
    if choice == "on" and not has_template:
        raise ModelError(
            "--chat-template on, but the model's tokenizer has no chat template; use off or auto"
        )
    wrapped = [name for name, task in tasks.items() if has_own_wrapper(task)]
    if choice == "off" or not has_template or (choice == "auto" and len(wrapped) == len(tasks)):
        return False
    if wrapped:
        log.warning(
            "%s: these prompts bring the original's own wrapper, and the chat template goes around "
            "it; to compare with published numbers run them with --chat-template off",
            ", ".join(wrapped),
        )
    return True


def has_own_wrapper(task: Any) -> bool:
    """Tell whether a task's prompts bring a frame of their own."""
    metadata = task.config.metadata
    return protocol(metadata["benchmark"], metadata["protocol"]).has_own_wrapper
