"""Recipes: what is run, as a file that anybody can read (adapters/README.md)."""

from medbench.recipe.corpus import Corpus, CorpusFacts, Source
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
    "Corpus",
    "CorpusFacts",
    "Data",
    "Evaluation",
    "Facts",
    "Launch",
    "Method",
    "Mixed",
    "Model",
    "Quantization",
    "Recipe",
    "Reported",
    "Source",
    "Tokenizer",
    "Tracking",
    "Training",
    "load",
    "recipes",
    "to_yaml",
]
