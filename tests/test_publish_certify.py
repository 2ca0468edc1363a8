"""`medbench certify`: reports, and an exit code that a script can trust."""

from pathlib import Path
from typing import Any

import pytest

from medbench.checkpoint import PROVENANCE
from medbench.cli import main
from tests.gate_cases import adapter

HEAVY = ["--skip", "alive", "equivalent", "--skip", "stop"]


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certified") / "lora"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDBENCH_DATA", "sample")
        adapter(made, tiny_model)
    return made


def test_all_is_well(folder: Path, capsys: Any) -> None:
    main(["certify", str(folder), "--licence", "cc-by-nc-4.0", *HEAVY])
    lines = capsys.readouterr().out.splitlines()
    marks = [line for line in lines if not line.startswith(" ")]
    assert marks == ["passed tensors", "passed licence", "passed results", "passed overlap",
                     "skipped alive", "skipped stop", "skipped equivalent"]  # fmt: skip
    assert "  not looked at: skipped by name" in [line.rstrip() for line in lines]


def test_a_gate_that_fails(folder: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as end:
        main(["certify", str(folder), *HEAVY])
    told = capsys.readouterr()
    assert end.value.code == 1
    assert "FAILED licence" in told.out and "its licence is unknown" in told.out
    assert told.err == "medbench: licence failed; to leave it out: --skip licence\n"
    main(["certify", str(folder), *HEAVY, "licence"])


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (["--skip", "lively"], 2, "invalid choice: 'lively'"),
        (["--results", "nowhere"], 1, "nowhere"),
    ],
)
def test_what_is_refused(
    folder: Path, capsys: Any, words: list[str], code: int, fault: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["certify", str(folder), *words])
    assert end.value.code == code
    assert fault in capsys.readouterr().err


def test_a_folder_that_is_no_checkpoint(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["certify", str(tmp_path)])
    assert PROVENANCE in capsys.readouterr().err
