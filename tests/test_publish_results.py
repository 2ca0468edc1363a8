"""`medbench push-results`: measured runs as a dataset, as `medbench add` keeps them."""

import gzip
from pathlib import Path

from huggingface_hub import DatasetCard

from tests.publications import Client
from tests.test_leaderboard import STAMP, run
from tests.writable_hub import WritableHub

REPO = "me/results"


def test_there_and_back(hub: WritableHub, client: Client, tmp_path: Path) -> None:
    path = run(tmp_path / "runs")
    code, out, err = client("push-results", REPO, path, "--dry-run")
    assert code == 0 and f"m/results_{STAMP}.json" in out, err
    assert ("datasets", REPO) not in hub.repositories
    for _ in range(2):
        code, _, err = client("push-results", REPO, path)
        assert code == 0, err
    assert hub.commits(REPO, "datasets") == 1
    assert client("pull", "--dataset", REPO, tmp_path / "back")[0] == 0
    samples = tmp_path / f"back/m/samples_pubmedqa-letters_{STAMP}.jsonl.gz"
    text = gzip.decompress(samples.read_bytes()).decode()
    assert text.count("\n") == 4 and "why?" not in text
    assert (tmp_path / f"back/m/results_{STAMP}.json").read_bytes() == path.read_bytes()
    card = DatasetCard.load(tmp_path / "back/README.md")
    assert "75.0 [30.1, 95.4]" in card.text
    code, out, err = client("board", tmp_path / "back")
    assert code == 0 and "75.0" in out, err


def test_what_a_leaderboard_refuses_is_not_published(
    hub: WritableHub, client: Client, tmp_path: Path
) -> None:
    path = run(tmp_path / "runs", lambda results, facts, samples: samples[1].update(acc=1.0))
    code, _, err = client("push-results", "me/refused", path)
    assert code == 1 and "nothing was published:" in err and "the mean of its samples 1" in err
    assert ("datasets", "me/refused") not in hub.repositories
