"""Makes plain `lm_eval` see our tasks and model classes.

lm-eval 0.4.13 has no entry point for tasks, so the wheel puts `medbench_lm_eval.pth` and this
module side by side into site-packages, and the former imports the latter at interpreter start.
So it must stay light (`sys` and `os` alone, nothing of medbench) and never raise. It does nothing
until `lm_eval` is imported, then it adds two things: our folder to the paths that `TaskManager`
scans, and our model names to the registry.

A release of lm-eval that reads the entry points `lm_eval.tasks` and `lm_eval.models` (upstream
pull requests 4015 and 4013) finds ours there; the hook then leaves it alone.

Switch it off with `MEDBENCH_LM_EVAL_PLUGIN=off`.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, method-assign"
# (annotations would need imports that every interpreter start would pay for)

import os
import sys

SWITCH = "MEDBENCH_LM_EVAL_PLUGIN"
TASK_MANAGER = "lm_eval.tasks.manager"
MODELS = "lm_eval.models"
ENTRY_POINT = "medbench._data.tasks"
MODEL_CLASSES = {
    "medbench-hf": "medbench.engine.hf:MedbenchHF",
    "medbench-openai": "medbench.engine.openai:MedbenchOpenAI",
    "medbench-vllm": "medbench.engine.vllm:MedbenchVLLM",
}


class Finder:
    """A meta-path finder that runs a patch right after one of two lm-eval modules was executed."""

    def __init__(self):
        self.patches = {TASK_MANAGER: add_task_folder, MODELS: add_models}

    def find_spec(self, name, path=None, target=None):
        """Let the other finders find the module, and wrap its loader."""
        patch = self.patches.pop(name, None)
        if patch is None:
            return None
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_then_patch(module):
            execute(module)
            patch(module)

        spec.loader.exec_module = execute_then_patch
        return spec


def add_task_folder(manager):
    """Put our tasks between lm-eval's own and the user's `--include_path`, which still wins."""
    from functools import wraps

    try:
        from medbench.paths import folder
    except ImportError:  # a leftover of an uninstalled or moved medbench
        return
    if "discover_plugin_task_paths" in vars(manager) and has_entry_point():
        return
    tasks = str(folder("tasks"))
    original = manager.TaskManager.__init__

    @wraps(original)
    def init(self, verbosity=None, include_path=None, include_defaults=True, *rest, **named):
        if include_defaults:
            given = include_path if isinstance(include_path, (list, tuple)) else [include_path]
            others = [path for path in given if path and os.path.realpath(path) != tasks]
            include_path = [tasks, *others]
        original(self, verbosity, include_path, include_defaults, *rest, **named)

    manager.TaskManager.__init__ = init


def has_entry_point():
    """Tell whether our entry point leads to tasks; in a checkout they lie elsewhere."""
    from importlib.util import find_spec

    try:
        return find_spec(ENTRY_POINT) is not None
    except ModuleNotFoundError:
        return False


def add_models(_):
    """Register our model classes as lazy placeholders."""
    from lm_eval.api.registry import model_registry

    for name, target in MODEL_CLASSES.items():
        if name not in model_registry:
            model_registry.register(name, target=target)


def install():
    """Put the finder first, once; patch what is already imported."""
    if os.environ.get(SWITCH, "").lower() in ("off", "0", "false", "no"):
        return
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    finder = Finder()
    for name in list(finder.patches):
        if name in sys.modules:
            finder.patches.pop(name)(sys.modules[name])
    sys.meta_path.insert(0, finder)


install()
