"""The Hub, a bundle and the packaged sample: the same rows give the same questions."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from medbench import paths
from medbench.data import DATASETS, Dataset, dataset, source_from_environment
from medbench.data.load import read
from medbench.data.sources import Bundle, Hub, Source, json_rows, official_test_ids
from medbench.errors import CorruptData, DataError
from tests.hub_server import Fault, HubServer, clean_environment, publish, run

FRENCH = dataset("mmedbench", "french")
DOCTOR = dataset("kormedmcqa", "doctor")
PUBMEDQA = dataset("pubmedqa", "labeled")
ZIP = "Henrychur/MMedBench/MMedBench.zip"
TEST_IDS = "qiaojin/PubMedQA/test_ground_truth.json"
WAYS = ("unset MEDBENCH_DATA", "MEDBENCH_DATA=/path/to/bundle", "MEDBENCH_DATA=sample")
DIGESTS = """
import json
from medbench.data import DATASETS, load
from medbench.errors import DataError
digests = {}
for one in DATASETS.values():
    for split in one.splits:
        try:
            digests[f"{one.name} {split}"] = load(one.benchmark, one.subset, split).digest
        except DataError as error:
            digests[f"{one.name} {split}"] = "none"
print(json.dumps(digests))
"""
BOTH_WAYS = """
from medbench.data import load
from medbench.errors import DataError
for names in (("mmedbench", "french", "test"), ("kormedmcqa", "doctor", "test")):
    try:
        load(*names)
    except DataError as error:
        print(error)
"""


def digests(source: Source) -> dict[str, str]:
    found = {}
    for one in DATASETS.values():
        for split in one.splits:
            try:
                found[f"{one.name} {split}"] = read(source, one, split).digest
            except DataError:
                found[f"{one.name} {split}"] = "none"
    return found


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the sample without its own PubMedQA test ids; half of its rows get official ids."""
    folder = tmp_path / "bundle"
    shutil.copytree(paths.sample(), folder)
    (folder / TEST_IDS).unlink()
    path = Bundle(folder).path(PUBMEDQA, "train")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row, pubid in zip(rows[::2], sorted(official_test_ids()), strict=False):
        row["pubid"] = int(pubid)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_the_hub_gives_what_a_bundle_gives(bundle: Path, tmp_path: Path) -> None:
    publish(bundle, tmp_path / "hub")
    with HubServer(tmp_path / "hub") as hub:
        client = run(DIGESTS, hub.environment(tmp_path))
    assert client.returncode == 0, client.stderr
    expected = digests(Bundle(bundle))
    assert json.loads(client.stdout.splitlines()[-1]) == expected
    assert [name for name, digest in expected.items() if digest == "none"] == [
        "usmle/5_options dev"  # the sample has none
    ]


def zipped(folder: Path, leading: str) -> None:
    with zipfile.ZipFile(folder / ZIP, "w") as archive:
        for part in ("Train", "Test"):
            for path in (folder / ZIP).parent.glob(f"{part}/*.jsonl"):
                archive.write(path, f"{leading}{part}/{path.name}")
            shutil.rmtree((folder / ZIP).parent / part)


@pytest.mark.parametrize("leading", [None, "", "MMedBench/", "data/of/MMedBench/"])
def test_mmedbench_as_folder_or_as_zip(bundle: Path, leading: str | None) -> None:
    if leading is not None:
        zipped(bundle, leading)
        assert not Bundle(bundle).path(FRENCH, "test").exists()
    for one in DATASETS.values():
        if one.benchmark == "mmedbench":
            for split in one.splits:
                rows = read(Bundle(bundle), one, split)
                assert rows.digest == read(Bundle(paths.sample()), one, split).digest
                assert rows.size == 12


def test_pubmedqa_test_ids(bundle: Path) -> None:
    """The packaged ids tell the test rows, unless the bundle has a file of its own."""
    official = [question.id for question in read(Bundle(bundle), PUBMEDQA, "test").questions]
    assert len(official) == 9 and set(official) <= official_test_ids()
    assert read(Bundle(bundle), PUBMEDQA, "train").size == 9

    (bundle / TEST_IDS).write_text('{"90000002": "yes", "90000004": "no", "1": "maybe"}')
    beside = [question.id for question in read(Bundle(bundle), PUBMEDQA, "test").questions]
    assert beside == ["90000002", "90000004"]
    (bundle / TEST_IDS).write_text("[90000002]")
    assert read(Bundle(bundle), PUBMEDQA, "test").size == 1
    for content in ("{", "7", '"90000002"', "null", "\udcff"):
        (bundle / TEST_IDS).write_bytes(content.encode("utf-8", "surrogateescape"))
        with pytest.raises(CorruptData, match=r"test_ground_truth\.json is corrupt"):
            read(Bundle(bundle), PUBMEDQA, "test")


def test_source_from_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, expected in {
        "": Hub(),
        "sample": Bundle(paths.sample(), "sample"),
        "./sample": Bundle(tmp_path / "sample"),
        str(tmp_path): Bundle(tmp_path),
        "~/rows": Bundle(tmp_path / "rows"),
        "~nobody-has-this-name/rows": Bundle(tmp_path / "~nobody-has-this-name/rows"),
    }.items():
        monkeypatch.setenv("MEDBENCH_DATA", value)
        assert source_from_environment() == expected
    assert Bundle(tmp_path / "sample").name != "sample"
    monkeypatch.delenv("MEDBENCH_DATA")
    assert source_from_environment() == Hub()


@pytest.mark.parametrize("wanted", [FRENCH, DOCTOR, PUBMEDQA], ids=lambda one: one.benchmark)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "the bundle has no "),
        (lambda path: path.write_text("a file"), "is not a folder"),
        (lambda path: None, "is not a folder"),
    ],
    ids=["empty", "file", "missing"],
)
def test_a_bundle_without_rows(
    make: Callable[[Path], object], message: str, wanted: Dataset, tmp_path: Path
) -> None:
    make(tmp_path / "bundle")
    with pytest.raises(DataError) as caught:
        read(Bundle(tmp_path / "bundle"), wanted, "test")
    assert message in str(caught.value) and str(tmp_path / "bundle") in str(caught.value)
    assert all(way in str(caught.value) for way in WAYS)
    assert not isinstance(caught.value, CorruptData)


ROW = '{"é": "“1”"}'


@pytest.mark.parametrize(
    "content",
    [
        f"{ROW}\n{ROW}".encode(),
        f"\ufeff{ROW}\n{ROW}\n".encode(),
        f"{ROW}\r\n{ROW}\r\n".encode(),
        f"\n\n  {ROW}\n \t\r\n{ROW}\n\n\n".encode(),
        "{}\n{}".replace("{}", '{"\\u00e9": "“1”"}').encode(),
    ],
    ids=["plain", "byte order mark", "CRLF", "blank lines", "escapes"],
)
def test_json_rows(content: bytes) -> None:
    assert list(json_rows(content, "file")) == [{"é": "“1”"}] * 2


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (b'{"a": 1}\n{"a": \n[1]\n\n"x"\nnull', ["line 2: ", "line 3: a list", "line 5: a str"]),
        ("{}\n{}".encode("utf-16"), ["line 2: "]),
        (b'{"a": "\xff"}', ["line 1: "]),
        (b"[" * 100_000, ["line 1: "]),
        (b'{"a": ' + b"9" * 5000 + b"}", ["line 1: "]),
        (b"x\n" * 12, ["line 1: ", "line 10: ", "; and 2 more. Mend or pull the file again."]),
        (b'{"id": 1}{"id": 2}', ["line 1: Extra data"]),
    ],
)
def test_corrupt_json_names_every_line(content: bytes, faults: list[str]) -> None:
    with pytest.raises(CorruptData, match="file is corrupt: ") as caught:
        list(json_rows(content, "file"))
    assert all(fault in str(caught.value) for fault in faults)


def test_an_empty_file_has_no_rows() -> None:
    assert list(json_rows(b"", "file")) == list(json_rows(b"\n \r\n", "file")) == []


def test_a_file_that_cannot_be_opened(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(CorruptData, match=r"French\.jsonl cannot be read: .*Permission denied"):
        read(Bundle(bundle), FRENCH, "test")


def damage(path: Path, member: str) -> None:
    """Write a zip whose one member begins with what no deflate stream begins with."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, "{}\n" * 100)
    content = bytearray(path.read_bytes())
    content[30 + len(member)] = 0xFF  # behind the 30 bytes of a header, and the name
    path.write_bytes(content)


def test_zips_that_cannot_be_read(bundle: Path) -> None:
    zipped(bundle, "")
    whole = (bundle / ZIP).read_bytes()
    for content in (b"", b"<html>404</html>", whole[: len(whole) // 2]):
        (bundle / ZIP).write_bytes(content)
        with pytest.raises(CorruptData, match=r"MMedBench\.zip is corrupt"):
            read(Bundle(bundle), FRENCH, "test")
    damage(bundle / ZIP, "Test/French.jsonl")
    with pytest.raises(CorruptData, match=r"MMedBench\.zip is corrupt"):
        read(Bundle(bundle), FRENCH, "test")
    with zipfile.ZipFile(bundle / ZIP, "w") as archive:
        archive.writestr("Test/NotFrench.jsonl", "{}")
        archive.writestr("NotTest/French.jsonl", "{")
    with pytest.raises(DataError, match=r"no Test/French\.jsonl; it holds Test/NotFrench\.jsonl,"):
        read(Bundle(bundle), FRENCH, "test")
    with zipfile.ZipFile(bundle / ZIP, "w") as archive:
        archive.writestr("Test/French.jsonl", "{")
    with pytest.raises(CorruptData, match=r"MMedBench\.zip:Test/French\.jsonl is corrupt: line 1"):
        read(Bundle(bundle), FRENCH, "test")


@pytest.mark.parametrize("fault", [401, 404, 500, "closed", "cut"])
def test_a_hub_that_fails(fault: Fault, bundle: Path, tmp_path: Path) -> None:
    publish(bundle, tmp_path / "hub")
    with HubServer(tmp_path / "hub") as hub:
        hub.fault = fault
        client = run(BOTH_WAYS, hub.environment(tmp_path))
    assert client.returncode == 0, client.stderr
    messages = client.stdout.splitlines()
    assert len(messages) == 2
    for message, one in zip(messages, (FRENCH, DOCTOR), strict=True):
        assert message.startswith(f"{one.repo} did not come from the Hub: ")
        assert all(way in message for way in WAYS)


def test_no_network(tmp_path: Path) -> None:
    offline = clean_environment(tmp_path) | {"HF_HUB_OFFLINE": "1"}
    client = run(BOTH_WAYS, offline)
    assert client.returncode == 0, client.stderr
    assert len(client.stdout.splitlines()) == 2

    command = [sys.executable, "-m", "medbench", "data"]
    ls = subprocess.run([*command, "ls"], env=offline, capture_output=True, text=True)
    assert ls.returncode == 0, ls.stderr
    assert ls.stdout.startswith("source: Hub\n")
    assert ls.stdout.count(" missing ") == sum(len(one.splits) for one in DATASETS.values())

    pull = subprocess.run(
        [*command, "pull", tmp_path / "new"], env=offline, capture_output=True, text=True
    )
    assert pull.returncode == 1
    assert "Traceback" not in pull.stderr
    assert all(way in pull.stderr for way in WAYS)
    assert not list((tmp_path / "new").rglob("*"))


def test_a_local_folder_does_not_stand_in_for_the_hub(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`load_dataset` prefers a folder of that name; inside a bundle there is one."""
    monkeypatch.chdir(bundle)
    with pytest.raises(DataError, match=r"sean0042/KorMedMCQA hides sean0042/KorMedMCQA of the"):
        read(Hub(), DOCTOR, "test")
