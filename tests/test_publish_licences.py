"""What base and data ask for; unknown is unknown, and says so."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from medbench import paths
from medbench.checkpoint import Base, Checkpoint, CorpusPart, Provenance, Trained
from medbench.data import DATASETS
from medbench.publish.candidate import Candidate
from medbench.publish.gates import Finding
from medbench.publish.gates.licence import check
from medbench.publish.licences import known_licences, name_fault

USMLE, PUBMED = ("usmle", "4_options"), ("pubmedqa", "labeled")
CHINESE, DOCTOR, CARDS = ("mmedbench", "chinese"), ("kormedmcqa", "doctor"), ("flashcards", "anki")
SIZES = {
    "parameters": 1, "layers": 1, "hidden_size": 1, "intermediate_size": 1, "heads": 1,
    "kv_heads": 1, "vocabulary": 1, "context": 4096,
}  # fmt: skip


def trained(
    names: Sequence[tuple[str, str]] = (), use: str = "mixture", **changes: Any
) -> Provenance:
    """Return where a checkpoint with such a base and such data comes from."""
    facts: dict[str, Any] = dict.fromkeys(Provenance.__dataclass_fields__)
    data = (Trained(*name, "train", "letters", use, "Hub", 10, "0" * 64) for name in names)
    facts |= {"base": Base("org/base", "main", None, ""), "data": tuple(data), "corpus": ()}
    return Provenance(**facts | changes)


def judged(folder: Path, licence: str, provenance: Provenance, stated: str = "") -> Finding:
    """Return the finding of a checkpoint whose base has such a licence."""
    model = {"id": "org/base", "facts": {**SIZES, "licence": licence}}
    mixture = [{"benchmark": "usmle"}]
    recipe = {"model": model, "data": {"mixture": mixture}, "training": {"epochs": 1}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return check(Candidate(Checkpoint(folder, True, provenance), licence=stated))


@pytest.mark.parametrize(
    ("base", "names", "stated", "licence", "faults"),
    [
        ("apache-2.0", [], "", "apache-2.0", []),
        ("apache-2.0", [USMLE, PUBMED], "", "apache-2.0", []),
        ("apache-2.0", [USMLE, CHINESE], "", "cc-by-nc-4.0", []),
        ("apache-2.0", [DOCTOR, CHINESE], "", "other", []),
        ("apache-2.0", [DOCTOR], "cc-by-nc-4.0", "cc-by-nc-4.0", []),
        ("apache-2.0", [CHINESE], "mit", "mit", ["which forbids commercial use; mit allows it"]),
        ("apache-2.0", [CHINESE], "mine", "mine", []),
        ("llama3.2", [PUBMED], "", "llama3.2", []),
        ("llama3.2", [CHINESE], "", "other", []),
        ("llama3.2", [], "mit", "mit", ["under llama3.2, and so is what is made of it: not mit"]),
        ("exaone", [CHINESE], "", "other", []),
        ("exaone", [CHINESE], "exaone", "exaone", []),
        ("", [PUBMED], "", "", ["org/base: its licence is unknown; read its card"]),
        ("other", [PUBMED], "", "", ["org/base: its licence is unknown; read its card"]),
        ("new-1.0", [PUBMED], "", "", ["org/base: what new-1.0 asks for is unknown"]),
        ("", [PUBMED], "mit", "mit", []),
        ("", [CHINESE], "mit", "mit", ["Henrychur/MMedBench is under cc-by-nc-4.0, which forbids"]),
        ("cc", [], "", "", ["one of the Creative Commons licences, but not which"]),
        ("mit", [CARDS], "", "", ["medical_flashcards: one of the Creative Commons licences"]),
        ("mit", [CARDS], "cc-by-4.0", "cc-by-4.0", []),
        ("", [CARDS], "", "", ["org/base: its licence is unknown", "medical_flashcards: one of"]),
    ],
)
def test_verdicts(
    tmp_path: Path, base: str, names: list[tuple[str, str]], stated: str, licence: str, faults: Any
) -> None:
    found = judged(tmp_path, base, trained(names), stated)
    assert found.passed == (not faults)
    assert found.facts["licence"] == licence
    told = found.report.splitlines()[-len(faults) :] if faults else []
    assert all(part in line for part, line in zip(faults, told, strict=True))


def test_held_out_rows_bind_nobody(tmp_path: Path) -> None:
    found = judged(tmp_path, "apache-2.0", trained([CHINESE], "validation"))
    assert found.facts["licence"] == "apache-2.0" and found.facts["commercial"]


BOOKS = CorpusPart(source="books", use="sources", texts=9, held_out=1, tokens=90, sha256="0" * 64)
CONTEXTS = replace(BOOKS, source="usmle train letters")


@pytest.mark.parametrize("stage", ["this", "an earlier one"])
def test_nobody_knows_what_texts_ask_for(tmp_path: Path, stage: str) -> None:
    found = trained([USMLE], corpus=(BOOKS, CONTEXTS))
    if stage != "this":
        found = trained([PUBMED], start=found)
    refused = judged(tmp_path, "apache-2.0", found)
    assert (refused.passed, refused.facts["licence"]) == (False, "")
    (line,) = [one for one in refused.report.splitlines() if "nothing says" in one]
    assert line.startswith("texts of books: nothing says under which licences they are; find out")
    assert "--licence" in line and "letters" not in refused.report
    stated = judged(tmp_path, "apache-2.0", found, "cc-by-nc-4.0")
    assert (stated.passed, stated.facts["licence"]) == (True, "cc-by-nc-4.0")
    assert "what the texts ask for is not known" in stated.report
    bound = stated.facts["bound"]
    assert bound["texts of books"] == "" and bound["org/base"] == "apache-2.0"


def test_two_licences_that_each_want_to_be_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = replace(DATASETS[CHINESE], licence="cc-by-nc-sa-4.0")
    monkeypatch.setitem(DATASETS, CHINESE, shared)
    found = judged(tmp_path, "llama3.2", trained([CHINESE]))
    assert not found.passed
    assert "asks for its own licence: one model cannot be under all" in found.report


def test_what_the_report_tells(tmp_path: Path) -> None:
    report = judged(tmp_path, "llama3.2", trained([CHINESE])).report
    assert "org/base: llama3.2 (https://www.llama.com/llama3_2/license/)" in report
    assert "the model's name begins with 'Llama'" in report
    assert "the card says: Built with Llama. Llama 3.2 is licensed" in report
    assert "no commercial use: the card says so" in report
    assert "--licence" in judged(tmp_path, "", trained()).report


def test_the_name_that_llama_asks_for() -> None:
    llama = [known_licences()["llama3.2"]]
    assert name_fault(llama, "me/Llama-med") == name_fault(llama, "llama-med") == ""
    assert "begins with 'Llama'; 'med-Llama' does not" in name_fault(llama, "llama/med-Llama")
    assert name_fault([known_licences()["mit"]], "me/anything") == ""


def test_the_table_knows_the_zoo_and_the_data() -> None:
    zoo = {"other"}
    for file in (paths.folder("adapters") / "models").glob("_*.yaml"):
        model = yaml.safe_load(file.read_text("utf-8"))["model"]
        zoo.add((model.get("facts") or {}).get("licence") or "other")
    named = zoo | {one.licence for one in DATASETS.values()}
    assert named - {"other"} <= set(known_licences())
    assert all(one.link.startswith("https://") for one in known_licences().values())
