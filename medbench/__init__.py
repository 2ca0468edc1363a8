"""medbench: does this model know medicine, and did fine-tuning it help?

An lm-eval plugin, a training module and a leaderboard for medical question answering.
"""

from medbench.errors import MedbenchError
from medbench.question import Question

__all__ = ["MedbenchError", "Question", "__version__"]

__version__ = "0.1.0"
