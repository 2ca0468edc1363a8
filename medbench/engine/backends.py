"""What each backend's model class is, which arguments it takes, and how it changes adapters."""

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from medbench.engine.adapter import Adapter, find_adapter, lora_settings
from medbench.engine.run import Backend, Run
from medbench.errors import MissingExtra, ModelError

__all__ = [
    "device",
    "engine_name",
    "find_adapters",
    "load_model",
    "model_arguments",
    "register",
    "settings",
]

Variants = Mapping[str | None, Adapter | None]
"""What is evaluated, by the name that the command line gives it; None: the base."""


def find_adapters(run: Run) -> Variants:
    """Find and read all adapters.

    Raises:
        ModelError: what is wrong with any of them.
    """
    found: dict[str | None, Adapter | None] = {}
    faults = []
    for name in run.variants:
        try:
            found[name] = adapter = find_adapter(name) if name else None
            if adapter and run.backend == "vllm":
                adapter.check_vllm()
            if adapter and adapter.changes_base and len(run.variants) > 1:
                faults.append(
                    f"{adapter.path} has {adapter.changes_base}, which changes the base's own "
                    "weights; evaluate it by itself"
                )
        except ModelError as error:
            faults.append(str(error))
    if faults:
        raise ModelError("\n".join(dict.fromkeys(faults)))
    return found


def model_arguments(run: Run, adapter: Adapter | None) -> dict[str, Any]:
    """Return the model class's arguments for one adapter, or none.

    Raises:
        ModelError: a generation setting is unknown, or the server does not serve the model.
    """
    if run.backend == "openai":
        return openai_arguments(run)
    check_generation(run)
    arguments: dict[str, Any] = {
        "pretrained": run.model,
        "dtype": run.dtype,
        "trust_remote_code": run.trust_remote_code,
        "revision": run.revision,
    }
    if run.tokenizer:
        arguments["tokenizer"] = run.tokenizer
    if run.backend == "vllm":
        # the engine schedules by itself; with eager execution it starts in seconds on a CPU
        arguments["enforce_eager"] = device(run) == "cpu"
    if adapter:
        key = "peft" if run.backend == "hf" else "lora_local_path"
        arguments[key] = str(adapter.path)
    if adapter and run.backend == "vllm" and run.engine == "stock":
        arguments |= lora_settings([adapter])
    if run.quantization:
        arguments["quantization"] = run.quantization
    if run.strict:
        arguments["strict"] = True
    if run.batch_tokens is not None:
        arguments["batch_tokens"] = run.batch_tokens
    return arguments


def load_model(run: Run, variants: Variants) -> tuple[Any, Callable[[Adapter | None], None]]:
    """Load the model once for all that is evaluated.

    Returns:
        lm-eval's model object, and what puts an adapter on it (or takes it off).

    Raises:
        ModelError: it cannot be loaded.
        MissingExtra: the backend is not installed.
    """
    from lm_eval.api.registry import get_model

    from medbench.engine.loading import LOAD_ERRORS, not_loaded

    if run.backend == "hf" and any(variants.values()):
        import medbench.molora  # noqa: F401  (PEFT knows MOLORA from here on)
    first, *others = variants.values()
    arguments = model_arguments(run, None if others else first)
    if others and run.backend == "vllm":
        arguments["adapters"] = [str(one.path) for one in variants.values() if one]
    try:
        lm = get_model(engine_name(run)).create_from_arg_obj(arguments, settings(run))
    except LOAD_ERRORS as error:
        raise not_loaded(run.model, error) from error
    return lm, switch(run, lm) if others else lambda adapter: None


def settings(run: Run) -> dict[str, str | None]:
    """Return what lm-eval keeps beside a model's arguments."""
    return {
        "batch_size": "auto" if run.backend == "vllm" else run.batch_size or "8",
        "device": device(run) if run.backend == "hf" else None,
    }


def switch(run: Run, lm: Any) -> Callable[[Adapter | None], None]:
    """Return what changes a loaded model's adapter."""
    if run.backend == "vllm":
        use = lm.use_adapter
    else:
        from medbench.engine.adapter_switch import AdapterSwitch

        use = AdapterSwitch(lm).use
    return lambda adapter: use(str(adapter.path) if adapter else None)


def check_generation(run: Run) -> None:
    """Refuse generation settings that the library would refuse after the model has loaded.

    Raises:
        ModelError: names that are neither the library's nor lm-eval's.
        MissingExtra: the backend is not installed.
    """
    given = [part.split("=")[0].strip() for part in (run.gen_kwargs or "").split(",") if part]
    if not given:
        return
    source, names = generation_settings(run.backend)
    known = names | {"until", "max_gen_toks", "do_sample"}
    if unknown := [name for name in given if name not in known]:
        raise ModelError(
            f"--gen-kwargs {', '.join(unknown)}: unknown; {source} names what there is, besides "
            "until and max_gen_toks"
        )


def generation_settings(backend: Backend) -> tuple[str, set[str]]:
    """Return the names that a library knows, and where it describes them.

    Raises:
        MissingExtra: the backend is not installed.
    """
    if backend == "hf":
        from transformers import GenerationConfig

        return "transformers' GenerationConfig", {*vars(GenerationConfig())}
    model_class(backend)
    from vllm import SamplingParams

    # these two are lm-eval's max_gen_toks and until
    names = {*inspect.signature(SamplingParams).parameters} - {"max_tokens", "stop"}
    return "vLLM's SamplingParams", names


def device(run: Run) -> str:
    """Return the device that was asked for, else the accelerator that torch sees, else the CPU.

    Raises:
        ModelError: there is no such device (lm-eval would take another one).
    """
    import torch

    if run.device is None:
        found = torch.accelerator.current_accelerator(check_available=True)
        return found.type if found is not None else "cpu"
    try:
        torch.empty(0, device=run.device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"--device {run.device}: {str(error).splitlines()[0]}") from error
    return run.device


def openai_arguments(run: Run) -> dict[str, Any]:
    """Ask the server what it serves, and take its context length.

    Raises:
        ModelError: it does not answer, or does not serve the model.
    """
    import requests

    assert run.base_url is not None, "checked before"
    url = run.base_url.rstrip("/")
    try:
        response = requests.get(f"{url}/models", timeout=10)
        response.raise_for_status()
        served = {one["id"]: one for one in response.json()["data"]}
    except (requests.RequestException, KeyError, ValueError) as error:
        raise ModelError(f"{url} does not answer as an OpenAI server: {error}") from error
    if run.model not in served:
        raise ModelError(f"{url} does not serve {run.model!r}; it serves {', '.join(served)}")
    return {
        "model": run.model,
        "base_url": f"{url}/completions",
        "tokenizer": run.tokenizer,
        "trust_remote_code": run.trust_remote_code,
        "max_length": served[run.model].get("max_model_len") or 2048,
        "num_concurrent": 8,
    }


def model_class(backend: Backend) -> type[Any]:
    """Import the backend's model class.

    Raises:
        MissingExtra: the backend is not installed.
    """
    try:
        if backend == "vllm":
            # by default vLLM and its processes log to standard output, which is for results
            os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
            from medbench.engine.vllm import MedbenchVLLM

            return MedbenchVLLM
        if backend == "openai":
            import tenacity  # noqa: F401  (lm-eval misses it only when the model is made)

            from medbench.engine.openai import MedbenchOpenAI

            return MedbenchOpenAI
        from medbench.engine.hf import MedbenchHF
    except ModuleNotFoundError as error:
        raise MissingExtra(backend, f"--backend {backend} ({error.name} is missing)") from error
    return MedbenchHF


def engine_name(run: Run) -> str:
    """Return the name by which lm-eval knows the model class: ours, or its own.

    Raises:
        MissingExtra: the backend is not installed.
    """
    ours = register(run.backend)
    return run.backend if run.engine == "stock" else ours


def register(backend: Backend) -> str:
    """Make a backend's model class known to lm-eval, once, and return its name there.

    Raises:
        MissingExtra: the backend is not installed.
    """
    import lm_eval.models  # noqa: F401  (fills the registry; ours comes after)
    from lm_eval.api.registry import model_registry

    name, target = f"medbench-{backend}", model_class(backend)
    if name not in model_registry:  # the start-up hook puts a placeholder there
        model_registry.register(name, target=target)
    return name
