"""The exception tree. The command line prints one of these as it is and exits with 1.

MedbenchError
├── DataError      rows cannot be found or read
│   └── CorruptData  rows are there, but no program can read them
├── ModelError     a model, an adapter or a backend cannot be loaded
├── PublishError   something cannot go to the Hub, or come from it
├── RecipeError    a recipe cannot be read, or its settings do not go together
├── ResultError    a result file cannot be read
├── TaskError      a task name is unknown, or a task cannot run as asked
├── TrainingError  a training cannot start, go on, or do what was asked
└── MissingExtra   an optional dependency is not installed
"""

__all__ = [
    "CorruptData",
    "DataError",
    "MedbenchError",
    "MissingExtra",
    "ModelError",
    "PublishError",
    "RecipeError",
    "ResultError",
    "TaskError",
    "TrainingError",
]


class MedbenchError(Exception):
    """What is wrong, with the value, and the way out."""


class DataError(MedbenchError):
    """Rows cannot be found or read."""


class CorruptData(DataError):
    """Rows are there, but no program can read them."""


class ModelError(MedbenchError):
    """A model, an adapter or a backend cannot be loaded."""


class PublishError(MedbenchError):
    """Something cannot go to the Hub, or come from it."""


class RecipeError(MedbenchError):
    """A recipe cannot be read, or its settings do not go together."""


class ResultError(MedbenchError):
    """A result file cannot be read."""


class TaskError(MedbenchError):
    """A task name is unknown, or a task cannot run as asked."""


class TrainingError(MedbenchError):
    """A training cannot start, go on, or do what was asked."""


class MissingExtra(MedbenchError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs one more install: pip install 'medbench[{extra}]'")
