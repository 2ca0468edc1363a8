"""Where rows come from, and how every benchmark's rows become questions."""

from medbench.data.datasets import DATASETS, Dataset, dataset
from medbench.data.load import Malformed, Rows, load
from medbench.data.sources import Source, source_from_environment

__all__ = [
    "DATASETS",
    "Dataset",
    "Malformed",
    "Rows",
    "Source",
    "dataset",
    "load",
    "source_from_environment",
]
