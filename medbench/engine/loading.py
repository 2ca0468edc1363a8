"""What libraries raise when a model cannot be loaded, as one clear error."""

from typing import Any

from safetensors import SafetensorError

from medbench.errors import ModelError

__all__ = ["LOAD_ERRORS", "not_loaded"]

LOAD_ERRORS = (OSError, ValueError, RuntimeError, ImportError, SafetensorError)


def not_loaded(model: Any, error: Exception) -> ModelError:
    """Return the error of a model that cannot be loaded, with the library's own reason.

    transformers runs AWQ and GPTQ weights through other libraries only, and names the one that is
    missing; vLLM has kernels of its own for them.
    """
    reason = str(error).split("\n\n")[0]
    other = "; --backend vllm runs AWQ and GPTQ weights" if isinstance(error, ImportError) else ""
    return ModelError(f"{model} could not be loaded: {reason}{other}")
