"""What base and data ask for; unknown is unknown, and says so."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from medbench import paths
from medbench.checkpoint import Base, Checkpoint, Provenance, Trained
from medbench.data import DATASETS
from medbench.publish.candidate import Candidate
from medbench.publish.gates.licence import check
from medbench.publish.licences import TABLE, judge, name_fault, terms

FREE, CLOSED = "Qwen/Qwen2.5-7B-Instruct", "meta-llama/Llama-3.2-1B-Instruct"
RESEARCH = "LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct"
USMLE, PUBMED = ("usmle", "4_options"), ("pubmedqa", "labeled")
MMEDBENCH, DOCTOR, CARDS = (
    ("mmedbench", "english"),
    ("kormedmcqa", "doctor"),
    ("flashcards", "anki"),
)


def trained(name: tuple[str, str], use: str = "mixture") -> Trained:
    return Trained(*name, "train", "letters", use, "Hub", 10, "0" * 64)


def provenance(base: str, *names: tuple[str, str]) -> Provenance:
    facts: dict[str, Any] = dict.fromkeys(Provenance.__dataclass_fields__, None)
    facts |= {"base": Base(base, "main", None, ""), "data": tuple(map(trained, names))}
    return Provenance(**facts)


@pytest.mark.parametrize(
    ("base", "names", "stated", "licence", "faults"),
    [
        (FREE, [], "", "apache-2.0", []),
        (FREE, [USMLE, PUBMED], "", "apache-2.0", []),
        (FREE, [USMLE, MMEDBENCH], "", "cc-by-nc-4.0", []),
        (FREE, [DOCTOR, MMEDBENCH], "", "cc-by-nc-4.0", []),
        (FREE, [DOCTOR], "cc-by-nc-4.0", "cc-by-nc-4.0", []),
        (FREE, [MMEDBENCH], "apache-2.0", "apache-2.0", ["which forbids commercial use"]),
        (FREE, [MMEDBENCH], "mine", "mine", []),
        (CLOSED, [PUBMED], "", "llama3.2", []),
        (CLOSED, [MMEDBENCH], "", "other", []),
        (CLOSED, [], "apache-2.0", "apache-2.0", ["is under llama3.2, and so is what is made"]),
        (RESEARCH, [MMEDBENCH], "", "exaone", []),
        (RESEARCH, [], "mit", "mit", ["is under exaone, and so is what is made of it: not mit"]),
        ("org/new", [PUBMED], "", "", ["org/new: its licence is unknown; read its card"]),
        ("org/new", [PUBMED], "mit", "mit", []),
        ("org/new", [MMEDBENCH], "mit", "mit", ["which forbids commercial use; mit would"]),
        ("medalpaca/medalpaca-7b", [], "", "", ["a Creative Commons licence, but not which one"]),
        (FREE, [CARDS], "", "", ["medical_flashcards: a Creative Commons licence, but not"]),
        (FREE, [CARDS], "cc-by-4.0", "cc-by-4.0", []),
    ],
)
def test_verdicts(
    base: str, names: list[tuple[str, str]], stated: str, licence: str, faults: list[str]
) -> None:
    found = judge(provenance(base, *names), stated)
    assert found.licence == licence
    assert len(found.faults) == len(faults)
    for told, part in zip(found.faults, faults, strict=True):
        assert part in told


def test_held_out_rows_bind_nobody() -> None:
    whole = provenance(FREE)
    facts = {name: getattr(whole, name) for name in Provenance.__dataclass_fields__}
    facts["data"] = (trained(MMEDBENCH, "validation"),)
    assert judge(Provenance(**facts)).licence == "apache-2.0"


def test_the_name_and_the_notice_that_llama_asks_for() -> None:
    found = judge(provenance(CLOSED, PUBMED))
    assert found.notices[0].startswith("Built with Llama.")
    assert name_fault(found, "me/Llama-med") == name_fault(found, "llama-med") == ""
    assert "begins with 'Llama'; 'med-Llama' does not" in name_fault(
        found, "llama-lovers/med-Llama"
    )
    assert name_fault(judge(provenance(FREE)), "me/anything") == ""


def test_the_gate_tells_sources_and_the_way_out(tmp_path: Path) -> None:
    known = Candidate(Checkpoint(tmp_path, True, provenance(RESEARCH, MMEDBENCH)))
    found = check(known)
    assert found.passed
    assert "https://huggingface.co/LGAI-EXAONE" in found.report and "no commercial" in found.report
    assert found.facts["bound"] == {RESEARCH: "exaone", "Henrychur/MMedBench": "cc-by-nc-4.0"}
    found = check(Candidate(Checkpoint(tmp_path, True, provenance("/somewhere/model"))))
    assert not found.passed
    assert "--licence" in found.report and found.facts["licence"] == ""


def test_the_table_agrees_with_the_zoo_and_with_the_data() -> None:
    table = yaml.safe_load(TABLE.read_text("utf-8"))
    zoo = {}
    for file in (paths.folder("adapters") / "models").glob("_*.yaml"):
        model = yaml.safe_load(file.read_text("utf-8"))["model"]
        if licence := (model.get("facts") or {}).get("licence", ""):
            zoo[model["id"]] = licence
    assert table["bases"] == {base: one for base, one in zoo.items() if one != "other"}
    assert set(table["bases"].values()) <= set(terms())
    assert {one.licence for one in DATASETS.values()} <= set(terms())
    assert all(one.source.startswith("https://") for one in terms().values())
