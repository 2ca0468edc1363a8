"""What is published merged is what the gates saw, what was scored, and what `verify` expects."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from medbench.checkpoint import PROVENANCE, read
from medbench.cli import main
from medbench.errors import PublishError
from medbench.leaderboard.measured import measured_runs
from medbench.publish.candidate import Candidate
from medbench.publish.gates import alive, equivalent, forms, run_gates, tensors
from medbench.publish.gates.equivalent import Report
from medbench.publish.push import Order, as_published, check
from medbench.publish.remote import Place
from medbench.publish.verify import How, verify
from medbench.publish.weights import compare_weights
from medbench.training.merge import merge
from tests.adapted_models import ATTENTION, TIED_WARNING, make_bases
from tests.gate_cases import adapter
from tests.publications import REPO
from tests.test_publish_gates import few

pytestmark = pytest.mark.filterwarnings(TIED_WARNING)
HEAVY = ("overlap", "alive", "stop", "equivalent")
MILD = LoraConfig(r=8, lora_alpha=2, target_modules=ATTENTION)


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same model in float32, and others in bfloat16."""
    return {"float32": tiny_model} | make_bases(tiny_model, tmp_path_factory.mktemp("bases"))


def order(base: Path, folder: Path, **more: Any) -> Order:
    made = adapter(folder, base, MILD)
    candidate = Candidate(made.checkpoint, **more)
    return Order(candidate=candidate, place=Place(repo=REPO), base_model="org/x@main", merged=True)


@pytest.fixture(params=["float32", "wide"])
def published(
    request: pytest.FixtureRequest, bases: dict[str, Path], tmp_path: Path
) -> Iterator[Candidate]:
    """An adapter as it is published merged, in the numbers of its base."""
    with as_published(order(bases[request.param], tmp_path / "lora")) as made:
        yield made.candidate


def looked_at(candidate: Candidate) -> Report:
    with few(candidate) as forms:
        report = Report(forms)
        equivalent.look_at_merged(report)
    return report


def test_gates_see_the_merged_weights_and_merge_no_more(
    published: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "merge", None)
    found = tensors.check(published)
    weights = load_file(published.checkpoint.path / "model.safetensors")
    assert found.passed and found.facts["tensors"] == len(weights), found.report
    with few(published) as shown:
        assert alive.check(shown).passed
    report = looked_at(published)
    (line,) = report.lines
    assert report.passed, line
    facts: Any = report.facts["merged"]
    if {one.dtype for one in weights.values()} == {torch.float32}:
        assert line.startswith("merged: log-probabilities within ")
        assert facts["distance"] < 1e-4 and facts["letters"] == 1
    else:
        assert line.startswith("merged: bfloat16, in which it is saved, moves log-probabilities")
        assert 0 < facts["cost"] <= facts["bound"] and facts["base"] > 0
    assert f"of {facts['questions']} letters" in line


def change(candidate: Candidate, factor: float) -> None:
    file = candidate.checkpoint.path / "model.safetensors"
    tensors = load_file(file)
    tensors["model.layers.0.mlp.down_proj.weight"].mul_(factor)
    save_file(tensors, file, {"format": "pt"})


def test_other_weights_than_the_adapters_are_seen(published: Candidate) -> None:
    change(published, 1.5)
    report = looked_at(published)
    assert not report.passed
    change(published, float("nan"))
    (found,) = (one for one in run_gates(published, {"licence", "results", *HEAVY}) if one.stops)
    assert found.gate == "tensors" and "holds NaN or infinity" in found.report


def test_what_rounding_takes_away_is_not_alive(bases: dict[str, Path], tmp_path: Path) -> None:
    """Weights that bfloat16 rounds back to the base's."""
    asked = order(bases["wide"], tmp_path / "lora")
    file = asked.candidate.checkpoint.path / "adapter_model.safetensors"
    save_file({name: one * 1e-3 for name, one in load_file(file).items()}, file)
    with as_published(asked) as made, few(made.candidate) as shown:
        assert not alive.check(shown).passed


def test_an_adapters_scores_are_refused_and_the_merged_ones_taken(
    bases: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    made = order(bases["float32"], tmp_path / "lora").candidate.checkpoint.path
    merged = merge(made).path
    for folder in (made, merged):
        output = str(tmp_path / f"of-{folder.name}")
        main(["eval", str(folder), "--tasks", "usmle", "--limit", "2", "--output", output])
    words = ["push", str(made), REPO, "--dry-run", "--base-model", "org/tiny@main", "--merged"]
    words += ["--licence", "cc-by-nc-4.0", "--skip", *HEAVY, "--results"]
    with pytest.raises(SystemExit):
        main([*words, str(tmp_path / "of-lora")])
    told = capsys.readouterr().err
    assert "was measured with an adapter beside its base" in told
    assert f"`medbench merge {made}`, score the folder that it makes" in told
    main([*words, str(tmp_path / "of-lora-merged")])
    told = capsys.readouterr().out
    assert "results of these weights: 1 of 1" in told
    assert "merged into its base, saved in float32" in told
    words = [str(merged) if one == str(made) else one for one in words if one != "--merged"]
    main([*words, str(tmp_path / "of-lora-merged")])
    assert "base_model_relation: merge" in capsys.readouterr().out


def test_a_merged_model_is_not_merged_again(bases: dict[str, Path], tmp_path: Path) -> None:
    asked = order(bases["float32"], tmp_path / "lora")
    whole = read(merge(asked.candidate.checkpoint.path).path)
    with pytest.raises(PublishError, match="is a whole model; push it as it is"):
        check(Order(candidate=Candidate(whole), place=asked.place, base_model="a/b", merged=True))


def test_weights_are_compared_with_those_that_were_merged(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    made = order(bases["float32"], tmp_path / "lora").candidate.checkpoint.path
    merged = merge(made).path
    for name, folder in (("before", made), ("after", merged)):
        words = ["--tasks", "usmle", "--limit", "2", "--output", str(merged / "results" / name)]
        main(["eval", str(folder), *words])
    runs = {run.path.parts[-3]: run for run in measured_runs([merged])}
    assert compare_weights(read(merged), [runs["after"]]) == ((), ())
    others, (note,) = compare_weights(read(merged), [runs["before"]])
    assert not others and note.endswith("measured as an adapter beside its base, before merging")
    change(Candidate(read(merged)), 1.1)
    others, _ = compare_weights(read(merged), [runs["before"]])
    assert others[0].startswith("model.safetensors is not what was merged: its SHA-256 was ")
    found = verify(merged, How(share=1))
    assert set(others) < set(found.exchanged) and note in found.notes
    shutil.copyfile(made / "adapter_model.safetensors", merged / "model-00002.safetensors")
    others, _ = compare_weights(read(merged), [])
    assert "model-00002.safetensors is none of the files that the merge wrote" in others
    facts = json.loads((merged / PROVENANCE).read_text())
    del facts["merged_from"]["weights_sha256"]
    (merged / PROVENANCE).write_text(json.dumps(facts))
    others, (note, _) = compare_weights(read(merged), [runs["before"]])
    assert not others and "the merge's, which noted no digest" in note
