"""What an adapter's `adapter_config.json` says, and which backends can run it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medbench.checkpoint import WEIGHTS, read_adapter_config
from medbench.errors import ModelError

__all__ = ["Adapter", "find_adapter", "lora_settings", "read_adapter"]

VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM accepts as max_lora_rank."""
CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""PEFT's `init_lora_weights` that take something out of the base's weights as they are loaded."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A PEFT adapter's own description."""

    path: Path
    """The folder that holds `adapter_config.json` and the weights."""
    kind: str
    """PEFT's type: LORA, PREFIX_TUNING, …"""
    rank: int
    """The largest LoRA rank in the adapter; 0 for other kinds."""
    target_modules: tuple[str, ...]
    """Module names, sorted; empty where the configuration has a pattern instead."""
    is_dora: bool
    """Weight-decomposed LoRA (arXiv 2402.09353)."""
    base: str
    """The base model that the adapter names."""
    revision: str = "main"
    """The base's branch, tag or commit."""
    changes_base: str = ""
    """The setting by which PEFT changes the base's own weights; empty: it leaves them alone."""

    def check_vllm(self) -> None:
        """Raise `ModelError` where vLLM cannot run this adapter."""
        if self.kind == "MOLORA":
            raise ModelError(
                f"{self.path} is a mixture of experts, which vLLM cannot run; use --backend hf, or "
                "`medbench merge --only shared`, which drops routed experts"
            )
        if self.kind != "LORA":
            raise ModelError(f"{self.path}: vLLM runs LoRA adapters, not {self.kind}; use hf")
        if self.is_dora:
            raise ModelError(
                f"{self.path} is a DoRA adapter, which vLLM cannot run; "
                "merge it into its base first, or use --backend hf"
            )
        if self.rank > VLLM_RANKS[-1]:
            raise ModelError(
                f"{self.path} has rank {self.rank}, vLLM runs LoRA up to {VLLM_RANKS[-1]}; "
                "merge it into its base first, or use --backend hf"
            )
        if self.changes_base:
            raise ModelError(
                f"{self.path} has {self.changes_base}, which changes the base's own weights; vLLM "
                "would leave them as they are. Merge it into its base first, or use --backend hf"
            )


def read_adapter(path: Path) -> Adapter:
    """Read and check an adapter folder.

    Raises:
        ModelError: no such folder, no JSON object as its configuration, or no safetensors.
    """
    content = read_adapter_config(path)
    if not (path / WEIGHTS).is_file():
        raise ModelError(f"adapter {path} has no {WEIGHTS} (pickled weights are not loaded)")
    targets = content.get("target_modules") or ()
    rank = max([content.get("r") or 0, *(content.get("rank_pattern") or {}).values()])
    return Adapter(
        path=path,
        kind=content.get("peft_type", "unknown"),
        rank=rank,
        target_modules=() if isinstance(targets, str) else tuple(sorted(targets)),
        is_dora=bool(content.get("use_dora")),
        base=content.get("base_model_name_or_path") or "",
        revision=content.get("revision") or "main",
        changes_base=base_change(content),
    )


def base_change(content: dict[str, Any]) -> str:
    """Return the setting of an adapter's configuration that changes its base's weights, if any."""
    start, bias = content.get("init_lora_weights"), content.get("bias") or "none"
    if isinstance(start, str) and start.lower().startswith(CHANGES_BASE):
        return f"init_lora_weights={start}"
    return f"bias={bias}" if bias != "none" else ""


def lora_settings(adapters: Sequence[Adapter]) -> dict[str, Any]:
    """Return vLLM's arguments for an engine that is to run any of these adapters."""
    rank = max(adapter.rank for adapter in adapters)
    settings: dict[str, Any] = {"max_lora_rank": next(one for one in VLLM_RANKS if one >= rank)}
    # an adapter with a pattern may be anywhere; an empty list would switch it off
    if all(adapter.target_modules for adapter in adapters):
        modules = {name for adapter in adapters for name in adapter.target_modules}
        settings["lora_target_modules"] = sorted(modules)
    return settings


def find_adapter(name: str) -> Adapter:
    """Return a local adapter, or download one from the Hub.

    Raises:
        ModelError: neither a folder nor something that the Hub gives.
    """
    path = Path(name).expanduser()
    if path.exists() or name.startswith((".", "/", "~")):
        return read_adapter(path)
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, HTTPError  # type: ignore[attr-defined]

    try:
        folder = huggingface_hub.snapshot_download(
            name, allow_patterns=["adapter_*.json", "*.safetensors"]
        )
    except (OSError, HTTPError, HFValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"adapter {name} is no local folder and did not come from the Hub: {reason}"
        ) from error
    return read_adapter(Path(folder))
