"""Gate `results`: scores belong to the weights that are published, by their digests."""

import re
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from medbench.checkpoint import Checkpoint, weight_digests
from medbench.cli import main
from medbench.publish.candidate import Candidate
from medbench.publish.gates import results
from tests.gate_cases import adapter
from tests.publications import REPO
from tests.test_checkpoint import FACTS
from tests.test_leaderboard import run

OWN, OTHER = b"of an adapter", b"of another"
HEAVY = ("overlap", "alive", "stop", "equivalent")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    folder = tmp_path / "lora"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(OWN)
    return Checkpoint(folder, True, FACTS)


def measured(folder: Path, weights: bytes | None) -> Path:
    """Write a run that notes these weights; None: it notes none."""
    weighed, facts = folder / "weighed", {}
    weighed.mkdir(parents=True)
    if weights is not None:
        (weighed / "adapter_model.safetensors").write_bytes(weights)
        facts["weights"] = weight_digests(weighed)
    return run(folder / "runs", lambda _, noted, __: noted.update(facts))


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        (OWN, ""),
        (OTHER, r"measured with other weights: adapter_model.safetensors had the SHA-256 \w{12},"),
        (None, "does not say with which weights it was measured: score the checkpoint"),
    ],
)
def test_of_these_weights(
    checkpoint: Checkpoint, tmp_path: Path, weights: bytes | None, told: str
) -> None:
    found = results.check(Candidate(checkpoint, (measured(tmp_path, weights),)))
    assert found.passed is not bool(told)
    assert found.facts["weights"] == weight_digests(checkpoint.path)
    assert re.search(told, found.report)


def test_of_a_merged_model(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The file's name tells: an adapter's scores are not those of a model merged from it."""
    path = measured(tmp_path, OWN)
    weights = checkpoint.path / "adapter_model.safetensors"
    weights.rename(weights.with_name("model.safetensors"))
    found = results.check(Candidate(checkpoint, (path,)))
    assert not found.passed and "here there is none" in found.report


@pytest.mark.parametrize(
    ("weights", "told"),
    [(OTHER, ""), (None, ""), (OWN, "is of the checkpoint, and given as its base's")],
)
def test_what_is_given_as_the_bases(
    checkpoint: Checkpoint, tmp_path: Path, weights: bytes | None, told: str
) -> None:
    own, base = measured(tmp_path / "own", OWN), measured(tmp_path / "base", weights)
    found = results.check(Candidate(checkpoint, (own,), (base,)))
    assert found.passed is not bool(told)
    assert told in found.report


def test_no_results(checkpoint: Checkpoint) -> None:
    found = results.check(Candidate(checkpoint))
    assert (found.passed, found.report) == (True, "no results are given")


def test_a_dry_run_says_what_would_stop_the_push(
    tiny_model: Path, tmp_path: Path, capsys: Any
) -> None:
    """Scores of an earlier state of the adapter; only the light gates are run."""
    made = adapter(tmp_path / "lora", tiny_model).checkpoint.path
    main(["eval", str(made), "--tasks", "usmle", "--limit", "2", "--output", str(tmp_path / "out")])
    words = ["push", str(made), REPO, "--dry-run", "--base-model", "org/tiny@main"]
    words += ["--licence", "cc-by-nc-4.0", "--results", str(tmp_path / "out")]
    main([*words, "--skip", *HEAVY])
    told = capsys.readouterr().out
    assert "passed results\n  results of these weights: 1 of 1" in told.replace(" \n", "\n")
    assert "skipped alive" in told and "| alive      | **not passed**, overridden" in told
    assert re.search(r"^1[0-9] of 1[0-9] files to send, \d+\.\d kB$", told, re.MULTILINE)
    file = made / "adapter_model.safetensors"
    save_file({name: one + 1 for name, one in load_file(file).items()}, file)
    with pytest.raises(SystemExit):
        main([*words, "--skip", *HEAVY])
    told = capsys.readouterr()
    assert "FAILED results" in told.out and "# tiny-lora" in told.out
    assert "nothing would be published:\n  results: " in told.err
    assert "--skip results publishes it all the same" in told.err
    main([*words, "--skip", *HEAVY, "results"])
