"""Recipes: what is run, as a file that anybody can read (adapters/README.md)."""

from medbench.recipe.corpus import Corpus, CorpusFacts, Source
from medbench.recipe.federated import Federated, Privacy
from medbench.recipe.load import find, load, recipes, to_yaml
from medbench.recipe.method import EXPERTS, LOW_RANK, VIRTUAL_TOKENS, Method
from medbench.recipe.model import Facts, Model, Quantization, Start, Tokenizer
from medbench.recipe.schema import (
    Data,
    Evaluation,
    Launch,
    Mixed,
    Recipe,
    Reported,
    Tracking,
    Training,
)

__all__ = [
    "EXPERTS",
    "LOW_RANK",
    "VIRTUAL_TOKENS",
    "Corpus",
    "CorpusFacts",
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
    "Source",
    "Start",
    "Tokenizer",
    "Tracking",
    "Training",
    "find",
    "load",
    "recipes",
    "to_yaml",
]
