"""`medbench data pull` and `medbench data ls`, against a Hub on the loopback."""

from collections.abc import Callable
from pathlib import Path

import pytest

from medbench import paths
from medbench.data import DATASETS, dataset
from medbench.data.bundle import listing, pull, pull_dataset
from medbench.data.load import read
from medbench.data.sources import Bundle
from medbench.errors import DataError
from tests.hub_server import HubServer, publish, run

SAMPLE = Bundle(paths.sample(), "sample")
PULL = (
    "from medbench.cli import main; main(['data', 'pull', {folder!r}, '--benchmarks', {names!r}])"
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    publish(paths.sample(), folder)
    return folder


def files(folder: Path) -> dict[str, int]:
    """Return every file, hidden ones too, and when it was written."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


def test_pull_and_read(published: Path, tmp_path: Path) -> None:
    """What was pulled reads as the original; a second pull asks the Hub for nothing."""
    folder = tmp_path / "bundle"
    names = "mmedbench,kormedmcqa,medmcqa,pubmedqa"
    code = PULL.format(folder=str(folder), names=names)
    with HubServer(published) as hub:
        client = run(code, hub.environment(tmp_path))
        assert client.returncode == 0, client.stderr
        written = files(folder)
        assert all(f"{folder / path}" in client.stdout for path in written)
        assert "KorMedMCQA/nurse/fewshot.jsonl: 5 rows" in client.stdout

        hub.requests.clear()
        again = run(code, hub.environment(tmp_path))
        assert (again.returncode, again.stdout, hub.requests) == (0, "", [])
    assert files(folder) == written
    assert {Path(path).suffix for path in written} == {".zip", ".jsonl"}

    for one in DATASETS.values():
        if one.benchmark not in names or one.benchmark == "pubmedqa":
            continue
        for split in one.splits:
            assert read(Bundle(folder), one, split).digest == read(SAMPLE, one, split).digest
    pulled = read(Bundle(folder), dataset("pubmedqa", "labeled"), "train")
    assert pulled.size == 18  # none of the sample's ids is an official test id


def test_an_interrupted_pull_goes_on(published: Path, tmp_path: Path) -> None:
    """The server dies in the middle of the first file, then of a later one, then not at all."""
    folder = tmp_path / "bundle"
    code = PULL.format(folder=str(folder), names="mmedbench,careqa")
    whole = {"Henrychur/MMedBench/MMedBench.zip"} | {
        f"HPAI-BSC/CareQA/CareQA_{language}/test.jsonl" for language in ("en", "es")
    }
    seen = []
    for healthy_requests in (0, 8):
        with HubServer(published) as hub:
            hub.fault, hub.healthy_requests = "cut", healthy_requests
            client = run(code, hub.environment(tmp_path))
        assert client.returncode == 1
        assert "Traceback" not in client.stderr
        assert "did not come from the Hub" in client.stderr
        seen.append(files(folder))
    assert not seen[0]
    assert 0 < len(seen[1]) < 3 and set(seen[1]) < whole
    with HubServer(published) as hub:
        client = run(code, hub.environment(tmp_path))
    assert client.returncode == 0, client.stderr
    assert set(files(folder)) == whole
    assert seen[1].items() < files(folder).items()  # what was there was kept


def test_pull_writes_what_it_can(published: Path, tmp_path: Path) -> None:
    """The sample has no 5-option dev rows; the other splits come, the fault is told, exit 1."""
    folder = tmp_path / "bundle"
    code = PULL.format(folder=str(folder), names="usmle")
    with HubServer(published) as hub:
        client = run(code, hub.environment(tmp_path))
    assert client.returncode == 1
    assert "mkieffer/MedQA-USMLE did not come from the Hub" in client.stderr
    assert "Traceback" not in client.stderr
    assert len(files(folder)) == 3


def test_unknown_benchmarks(tmp_path: Path) -> None:
    message = "unknown benchmarks: bioasq, medqa; there are careqa, flashcards, kormedmcqa, "
    with pytest.raises(DataError, match=message):
        pull(tmp_path / "bundle", ["medqa", "usmle", "bioasq"])
    assert not (tmp_path / "bundle").exists()


def test_pull_into_a_place_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("I am no folder")
    monkeypatch.setattr("medbench.data.bundle.Hub", lambda: SAMPLE)
    with pytest.raises(DataError, match=r"file cannot be written: .*(Not a directory|File exists)"):
        pull(tmp_path / "file", ["careqa"])


def test_pull_stops_between_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull that is killed while a file is written leaves the whole ones, and no part of it."""
    whole = paths.write
    one = dataset("usmle", "4_options")

    def killed(target: Path, content: bytes) -> None:
        if target.stem == "test":
            raise KeyboardInterrupt
        whole(target, content)

    monkeypatch.setattr(paths, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        pull_dataset(SAMPLE, Bundle(tmp_path), one)
    assert list(files(tmp_path)) == ["GBaker/MedQA-USMLE-4-options/default/train.jsonl"]
    monkeypatch.setattr(paths, "write", whole)
    pull_dataset(SAMPLE, Bundle(tmp_path), one)
    assert read(Bundle(tmp_path), one, "test").digest == read(SAMPLE, one, "test").digest


def rows_of(table: str) -> dict[tuple[str, str], list[str]]:
    """Return the cells behind (dataset, split)."""
    lines = [line.split() for line in table.splitlines()[3:]]
    return {(cells[0], cells[1]): cells[2:] for cells in lines}


def test_listing_of_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDBENCH_DATA", "sample")
    table = listing()
    assert table.splitlines()[0] == "source: sample"
    assert table.splitlines()[1].split() == [
        "dataset", "split", "rows", "known", "malformed", "licence"
    ]  # fmt: skip
    rows = rows_of(table)
    assert list(rows) == [(one.name, split) for one in DATASETS.values() for split in one.splits]
    assert rows["mmedbench/chinese", "test"] == ["12", "3426", "apache-2.0"]
    assert rows["usmle/5_options", "dev"] == ["—", "1272", "missing", "apache-2.0"]
    assert max(map(len, table.splitlines())) <= 100


def broken_line(path: Path) -> None:
    path.write_text('{"input": "How many?", "output": "Two."}\n{"input": \n')


def malformed_row(path: Path) -> None:
    path.write_text('{"input": "How many?", "output": "Two."}\n{"input": "How many?"}\n')


def no_usable_row(path: Path) -> None:
    path.write_text("{}\n{}\n{}\n")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (broken_line, ["—", "33955", "corrupt", "cc"]),
        (malformed_row, ["2", "33955", "1", "differs", "cc"]),
        (no_usable_row, ["3", "33955", "3", "differs", "cc"]),
        (lambda path: path.write_bytes(b""), ["0", "33955", "differs", "cc"]),
        (lambda path: None, ["—", "33955", "missing", "cc"]),
    ],
)
def test_listing_of_a_bundle(
    spoil: Callable[[Path], object],
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEDBENCH_DATA", str(tmp_path / "corrupt"))
    cards = dataset("flashcards", "anki")
    path = Bundle(tmp_path / "corrupt").path(cards, "train")
    path.parent.mkdir(parents=True)
    spoil(path)
    rows = rows_of(listing())
    assert rows["flashcards/anki", "train"] == expected
    assert rows["careqa/en", "test"] == ["—", "5621", "missing", "apache-2.0"]


def test_listing_tells_a_broken_zip_from_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDBENCH_DATA", str(tmp_path))
    assert rows_of(listing())["mmedbench/french", "test"][-2] == "missing"
    path = Bundle(tmp_path).archive(dataset("mmedbench", "french"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no zip")
    assert rows_of(listing())["mmedbench/french", "test"] == ["—", "622", "corrupt", "cc-by-nc-4.0"]
