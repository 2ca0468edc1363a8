"""Recipes: what is run, as a file that anybody can read (adapters/README.md)."""

from medbench.recipe.federated import Federated, Privacy
from medbench.recipe.load import load, recipes, to_yaml
from medbench.recipe.model import Facts, Model, Quantization, Tokenizer
from medbench.recipe.schema import (
    LOW_RANK,
    VIRTUAL_TOKENS,
    Data,
    Evaluation,
    Launch,
    Method,
    Mixed,
    Recipe,
    Reported,
    Tracking,
    Training,
)

__all__ = [
    "LOW_RANK",
    "VIRTUAL_TOKENS",
    "Data",
    "Evaluation",
    "Facts",
    "Federated",
    "Launch",
    "Method",
    "Mixed",
    "Model",
    "Privacy",
    "Quantization",
    "Recipe",
    "Reported",
    "Tokenizer",
    "Tracking",
    "Training",
    "load",
    "recipes",
    "to_yaml",
]
