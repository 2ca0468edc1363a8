"""Where content folders lie, and files that are written whole or not at all."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench import paths
from medbench.paths import CONTENT_FOLDERS, folder, sample, write

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", CONTENT_FOLDERS)
def test_folder_in_a_checkout(name: str) -> None:
    assert folder(name) == ROOT / name


@pytest.mark.parametrize("name", CONTENT_FOLDERS)
def test_folder_in_a_wheel(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "medbench")
    assert folder(name) == tmp_path / "medbench/_data" / name


def test_every_content_folder_goes_into_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for name in CONTENT_FOLDERS:
        if any(path.is_file() for path in folder(name).rglob("*")):
            assert included[name] == f"medbench/_data/{name}"


@pytest.mark.parametrize("name", ["", "tests", "Tasks", "../tasks"])
def test_no_other_folder(name: str) -> None:
    with pytest.raises(AssertionError, match=f"no content folder is called '{name}'"):
        folder(name)


def test_sample() -> None:
    assert sample() == ROOT / "medbench/data/sample"
    assert list(sample().rglob("*.jsonl"))


def held(directory: Path) -> dict[str, bytes]:
    found = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def test_write(tmp_path: Path) -> None:
    write(tmp_path / "a/b/file", b"one")
    assert held(tmp_path) == {"a/b/file": b"one"}
    assert (tmp_path / "a/b/file").stat().st_mode & 0o777 == 0o644
    write(tmp_path / "a/b/file", b"")
    assert held(tmp_path) == {"a/b/file": b""}


@settings(max_examples=20, deadline=None)
@given(contents=st.lists(st.binary(max_size=2000), min_size=1, max_size=4))
def test_the_last_write_stays(tmp_path_factory: pytest.TempPathFactory, contents: Any) -> None:
    directory = tmp_path_factory.mktemp("write")
    for content in contents:
        write(directory / "file", content)
        assert held(directory) == {"file": content}


@pytest.mark.parametrize("existing", [None, b"before"])
@pytest.mark.parametrize("moment", ["write", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_nothing(
    existing: bytes | None,
    moment: str,
    error: BaseException,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if existing is not None:
        (tmp_path / "file").write_bytes(existing)
    before = held(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise error

    def open_and_fail(handle: int, mode: str) -> object:
        os.write(handle, b"half of")
        os.close(handle)
        raise error

    if moment == "write":
        monkeypatch.setattr(os, "fdopen", open_and_fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)):
        write(tmp_path / "file", b"half of it")
    assert held(tmp_path) == before


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write(tmp_path / "folder", b"content")
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]
