"""Where raw rows come from: the Hub, an offline bundle, or the packaged sample.

`MEDBENCH_DATA` decides: unset is the Hub, `sample` the questions that this project wrote, anything
else the folder of a bundle. There is no silent fall-back from one to another.

A bundle holds `<repo>/<config>/<split>.jsonl`; a dataset that the Hub keeps in a zip (MMedBench)
is either that very zip, `<repo>/MMedBench.zip`, or its files, `<repo>/Test/French.jsonl`.
"""

import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medbench import paths
from medbench.data.datasets import Dataset
from medbench.data.parse import Row
from medbench.errors import CorruptData, DataError

__all__ = ["VARIABLE", "Bundle", "Hub", "Source", "source_from_environment"]

VARIABLE = "MEDBENCH_DATA"
THREE_WAYS = (
    f"Three ways out: unset {VARIABLE} and let the Hub be reached; {VARIABLE}=/path/to/bundle "
    f"(`medbench data pull` writes one where there is a network); {VARIABLE}=sample for the "
    "questions that come with medbench"
)
PUBMEDQA_TEST_IDS = Path(__file__).with_name("pubmedqa_test_ids.txt")


class Source(Protocol):
    """What can give raw rows."""

    @property
    def name(self) -> str:
        """How messages call it."""

    def __hash__(self) -> int: ...

    def rows(self, dataset: Dataset, split: str) -> Iterator[Row]:
        """Yield the raw rows of one of `dataset.splits`.

        Raises:
            DataError: the rows cannot be found or read.
        """

    def archive(self, dataset: Dataset) -> Path:
        """Return the path of `dataset.archive`."""

    def pubmedqa_test_ids(self) -> frozenset[str]:
        """Return the ids of PubMedQA's official test rows."""


def source_from_environment() -> Source:
    """Return the source that `MEDBENCH_DATA` names."""
    match os.environ.get(VARIABLE, ""):
        case "":
            return Hub()
        case "sample":
            return Bundle(paths.sample(), "sample")
        case folder:
            return Bundle(Path(os.path.expanduser(folder)).absolute())


def official_test_ids() -> frozenset[str]:
    """Return the 500 ids of PubMedQA's `test_ground_truth.json` (github.com/pubmedqa/pubmedqa)."""
    return frozenset(PUBMEDQA_TEST_IDS.read_text(encoding="utf-8").split())


@dataclass(frozen=True, slots=True)
class Hub:
    """The Hugging Face Hub, through `datasets`."""

    name: str = "Hub"

    def rows(self, dataset: Dataset, split: str) -> Iterator[Row]:
        """Yield raw rows; a zip is downloaded and read as it is."""
        if dataset.archive:
            yield from zip_rows(self.archive(dataset), dataset, split)
            return
        import datasets
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

        if Path(dataset.repo).exists():  # `load_dataset` would take it, without a word
            raise DataError(
                f"the folder {Path(dataset.repo).absolute()} hides {dataset.repo} of the Hub. "
                f"Start elsewhere, or set {VARIABLE}. {THREE_WAYS}."
            )
        try:
            config = None if dataset.config == "default" else dataset.config
            loaded = datasets.load_dataset(dataset.repo, config, split=dataset.splits[split])
        except (OSError, ValueError, HTTPError, datasets.exceptions.DatasetsError) as error:
            raise unreachable(dataset, error) from error
        yield from loaded

    def archive(self, dataset: Dataset) -> Path:
        """Download the zip into the Hub client's cache."""
        import huggingface_hub
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

        try:
            return Path(
                huggingface_hub.hf_hub_download(dataset.repo, dataset.archive, repo_type="dataset")
            )
        except (OSError, HTTPError) as error:
            raise unreachable(dataset, error) from error

    def pubmedqa_test_ids(self) -> frozenset[str]:
        """Return the official ids."""
        return official_test_ids()


def unreachable(dataset: Dataset, error: Exception) -> DataError:
    """Say that the Hub did not give a dataset, and what to do."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{dataset.repo} did not come from the Hub: {reason}. {THREE_WAYS}.")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder of rows that needs no network."""

    folder: Path
    label: str = ""

    @property
    def name(self) -> str:
        """The folder, or `sample`."""
        return self.label or str(self.folder)

    def rows(self, dataset: Dataset, split: str) -> Iterator[Row]:
        """Yield raw rows from the bundle's jsonl or zip."""
        if dataset.archive and (self.folder / dataset.repo / dataset.archive).is_file():
            yield from zip_rows(self.archive(dataset), dataset, split)
            return
        path = self.path(dataset, split)
        if not path.is_file():
            if not self.folder.is_dir():
                raise DataError(f"{VARIABLE}={self.folder} is not a folder. {THREE_WAYS}.")
            raise DataError(
                f"{dataset.name} {split}: the bundle has no {path.relative_to(self.folder)} "
                f"(bundle: {self.name}). {THREE_WAYS}."
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CorruptData(f"{path} cannot be read: {error}") from error
        yield from json_rows(content, str(path))

    def path(self, dataset: Dataset, split: str) -> Path:
        """Return where the rows of a split lie in a bundle."""
        source_split = dataset.splits[split]
        inner = (
            f"{source_split}/{dataset.config}.jsonl"
            if dataset.archive
            else f"{dataset.config}/{source_split}.jsonl"
        )
        return self.folder / dataset.repo / inner

    def archive(self, dataset: Dataset) -> Path:
        """Return the zip's path."""
        return self.folder / dataset.repo / dataset.archive

    def pubmedqa_test_ids(self) -> frozenset[str]:
        """Return the bundle's own `test_ground_truth.json`, else the official ids."""
        path = self.folder / "qiaojin/PubMedQA/test_ground_truth.json"
        if not path.is_file():
            return official_test_ids()
        try:
            ids = json.loads(path.read_bytes())
        except ValueError as error:
            raise CorruptData(f"{path} is corrupt: {error}") from error
        if not isinstance(ids, dict | list):
            raise CorruptData(f"{path} is corrupt: {ids!r:.60} holds no ids")
        return frozenset(map(str, ids))


def zip_rows(path: Path, dataset: Dataset, split: str) -> Iterator[Row]:
    """Yield the rows of `<anything>/<split>/<config>.jsonl` in a zip."""
    suffix = f"{dataset.splits[split]}/{dataset.config}.jsonl"
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if f"/{name}".endswith(f"/{suffix}")]
            if not members:
                held = ", ".join(archive.namelist()) or "nothing"
                raise DataError(f"{path} holds no {suffix}; it holds {held}")
            content = archive.read(members[0])
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise CorruptData(f"{path} is corrupt, no zip that can be read: {error}") from error
    yield from json_rows(content, f"{path}:{members[0]}")


def json_rows(content: bytes, where: str) -> Iterator[Row]:
    """Yield JSON Lines, or name every line that is not one.

    Raises:
        CorruptData: some lines are no JSON objects; all are listed (the first ten in words).
    """
    rows, faults = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            faults.append(f"line {number}: {error}")
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            faults.append(f"line {number}: a {type(row).__name__}, not an object")
    if faults:
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise CorruptData(
            f"{where} is corrupt: {'; '.join(faults[:10])}{more}. Mend or pull the file again."
        )
    yield from rows
