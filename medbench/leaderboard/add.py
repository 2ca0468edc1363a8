"""Adds measured runs to a leaderboard: all of them, or none."""

import gzip
import tempfile
from collections.abc import Sequence
from pathlib import Path

from medbench.errors import ResultError
from medbench.leaderboard.check import check
from medbench.leaderboard.measured import Measured, measured_runs

__all__ = ["add"]


def add(paths: Sequence[Path], leaderboard: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Copy runs with their provenance and samples to `measured/<model>/`.

    Samples are compressed, and leave the benchmark's text behind. A run that is there already
    changes nothing.

    Returns:
        The files written, none if all were there, and what a reader should know about the runs.

    Raises:
        ResultError: what is wrong with the runs, or between them and those that are there.
    """
    measured = leaderboard / "measured"
    there = measured_runs([measured]) if any(measured.glob("*/*.json")) else []
    new: dict[Path, bytes] = {}
    runs: list[Measured] = []
    for run in measured_runs(list(paths)):
        files = _placed(run, measured)
        if not all(_is_there(path, content) for path, content in files.items()):
            runs.append(run)
            new |= files
    differing = [str(path) for path in new if path.exists() and not _is_there(path, new[path])]
    verdict = check(runs)
    faults = [*verdict.faults, *(f"{name} is there, with other content" for name in differing)]
    if not faults:
        faults += _against(runs, there)
    if faults:
        told = "\n".join(f"  {fault}" for fault in faults)
        raise ResultError(f"nothing was added:\n{told}")
    try:
        _write(new, measured)
    except OSError as error:
        raise ResultError(f"nothing was added: {measured}: {error.strerror}") from error
    return list(new), verdict.notes


def _placed(run: Measured, measured: Path) -> dict[Path, bytes]:
    """Return where each file of a run goes, and what it holds."""
    folder = measured / run.model.replace("/", "__")
    return {folder / name: content for name, content in run.files().items()}


def _is_there(path: Path, content: bytes) -> bool:
    """Tell whether a file holds this content; two zlibs may compress it differently."""
    if not path.is_file():
        return False
    old = path.read_bytes()
    if path.suffix == ".gz" and old != content:
        return gzip.decompress(old) == gzip.decompress(content)
    return old == content


def _against(runs: Sequence[Measured], there: Sequence[Measured]) -> list[str]:
    """Return what is wrong between new runs and old ones, and not among the old ones."""
    old = check(there).faults
    return [fault for fault in check([*there, *runs]).faults if fault not in old]


def _write(files: dict[Path, bytes], measured: Path) -> None:
    """Write drafts first, then move each into place; what fails leaves nothing new behind."""
    if not files:
        return
    measured.mkdir(parents=True, exist_ok=True)
    placed: list[Path] = []
    with tempfile.TemporaryDirectory(dir=measured, prefix=".adding-") as folder:
        drafts = {path: Path(folder, str(number)) for number, path in enumerate(files)}
        for path, draft in drafts.items():
            draft.write_bytes(files[path])
        try:
            for path, draft in drafts.items():
                is_new = not path.exists()
                path.parent.mkdir(exist_ok=True)
                draft.replace(path)
                placed += [path] * is_new
        except OSError:
            for path in placed:
                path.unlink()
            raise
