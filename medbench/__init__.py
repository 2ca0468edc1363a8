"""medbench: does this model know medicine, and did fine-tuning it help?

An lm-eval plugin, a training module and a leaderboard for medical question answering. This module
imports nothing: every interpreter of the environment passes through it (`engine/lm_eval_hook.py`).
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
