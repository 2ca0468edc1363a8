"""Test only: lets accelerate shard over processors. On PYTHONPATH, Python imports it at start.

Without an accelerator, accelerate never chooses FSDP and runs DDP in silence. That is right for
users, who gain nothing from it, and `medbench train` stops there with an error; but it leaves the
sharding itself untested where there is no GPU. torch's FSDP2 does work on processors over gloo.
"""

import os


def choose_fsdp() -> None:
    """Let a process of a launch with FSDP have it on a processor."""
    from accelerate import state
    from accelerate.utils import DistributedType

    ordinary = state.AcceleratorState.__init__

    def patched(self, *arguments, fsdp_plugin=None, **settings):  # type: ignore[no-untyped-def]
        is_first = not state.AcceleratorState._shared_state
        ordinary(self, *arguments, fsdp_plugin=fsdp_plugin, **settings)
        if is_first and fsdp_plugin and self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.FSDP
            if self._mixed_precision != "no":
                fsdp_plugin.set_mixed_precision(self._mixed_precision)
            self.fsdp_plugin = fsdp_plugin
            state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    state.AcceleratorState.__init__ = patched


if "RANK" in os.environ and os.environ.get("ACCELERATE_USE_FSDP") == "true":
    choose_fsdp()
