"""Offline bundles: `medbench data pull` writes one, `medbench data ls` shows what is there."""

import json
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from medbench import paths
from medbench.data.datasets import DATASETS, Dataset
from medbench.data.load import read
from medbench.data.sources import Bundle, Hub, Source, source_from_environment
from medbench.errors import CorruptData, DataError

__all__ = ["listing", "pull"]


def listing() -> str:
    """Return a table: rows found against rows known, for every dataset and split.

    What is not there shows as missing; a corrupt file says so in its place.
    """
    source = source_from_environment()
    lines = []
    for dataset in DATASETS.values():
        for split in dataset.splits:
            found, malformed, note = "—", "", ""
            try:
                rows = read(source, dataset, split)
                found, malformed = str(rows.size), str(len(rows.malformed) or "")
                if rows.size != dataset.sizes[split] and source.name != "sample":
                    note = "differs"
            except CorruptData:
                note = "corrupt"
            except DataError:
                note = "missing"
            licence = "apache-2.0" if source.name == "sample" else dataset.licence
            lines.append(
                [dataset.name, split, found, dataset.sizes[split], malformed, note, licence]
            )
    headers = ["dataset", "split", "rows", "known", "malformed", "", "licence"]
    align = ("left", "left", "right", "right", "right", "left", "left")
    return f"source: {source.name}\n" + tabulate(
        lines, headers, tablefmt="simple", colalign=align, disable_numparse=True
    )


def pull(folder: Path, benchmarks: Sequence[str] | None = None) -> None:
    """Write a bundle of the benchmarks (all of them by default) from the Hub.

    Files that are there already are kept, so that a broken pull goes on where it stopped.

    Raises:
        DataError: unknown benchmarks, or datasets that did not come; the others are written.
    """
    known = sorted({dataset.benchmark for dataset in DATASETS.values()})
    if unknown := sorted(set(benchmarks or known) - set(known)):
        raise DataError(f"unknown benchmarks: {', '.join(unknown)}; there are {', '.join(known)}")
    faults = []
    for dataset in DATASETS.values():
        if dataset.benchmark not in (benchmarks or known):
            continue
        try:
            pull_dataset(Hub(), Bundle(folder), dataset)
        except DataError as error:
            faults.append(str(error))
        except OSError as error:
            raise DataError(f"{folder} cannot be written: {error}") from error
    if faults:
        raise DataError("\n".join(dict.fromkeys(faults)))


def pull_dataset(source: Source, bundle: Bundle, dataset: Dataset) -> None:
    """Write one dataset's files, each at once or not at all."""
    if dataset.archive:
        target = bundle.archive(dataset)
        if not target.exists():
            origin = source.archive(dataset)
            paths.write(target, origin.read_bytes())
            print(target)
        return
    for split in dataset.splits:
        target = bundle.path(dataset, split)
        if target.exists():
            continue
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in source.rows(dataset, split)]
        paths.write(target, "".join(lines).encode())
        print(f"{target}: {len(lines)} rows")
