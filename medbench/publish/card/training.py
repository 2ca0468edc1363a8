"""The card's tables of the training: what was done, on what, with what."""

from collections.abc import Iterator, Sequence

from medbench.checkpoint import CorpusPart
from medbench.data.datasets import DATASETS
from medbench.publish.card.energy import most_energy
from medbench.publish.card.markdown import escaped, table
from medbench.publish.card.subject import Subject
from medbench.publish.licences import known_licences

__all__ = ["data_table", "training_table"]


def training_table(subject: Subject) -> str:
    """Return the facts of the run as a Markdown table of two columns."""
    return table(("", "value"), [(name, escaped(value)) for name, value in facts(subject)])


def facts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield name and value of what is known of a run."""
    run, recipe = subject.candidate.checkpoint.provenance, subject.recipe
    yield "recipe", run.recipe
    yield "method", method(subject)
    yield "base model", f"{subject.base.id}, {subject.base.revision}"
    if run.start:
        yield "stages", " → ".join(run.chain)
    yield "architecture", run.base.architecture
    yield (
        "weights held as",
        recipe.quantization.load
        if recipe.quantization.load != "none"
        else (recipe.training.precision),
    )
    yield "examples in an epoch", f"{run.examples:,}"
    yield "optimiser steps", f"{run.steps:,} of {recipe.training.global_batch:,} examples"
    yield "tokens read", f"{run.tokens:,}, padding included"
    yield "tokens learnt from", f"{run.supervised_tokens:,}"
    yield "peak learning rate", f"{recipe.training.learning_rate:g}, {recipe.training.schedule}"
    if run.loss is not None:
        yield "last loss", f"{run.loss:.4f} nats a supervised token"
    if run.held_out_loss is not None:
        yield "held-out loss", f"{run.held_out_loss:.4f} nats a supervised token"
    yield "seed", str(run.seed)
    yield "hardware", hardware(subject)
    yield "time", duration(run.seconds)
    if (energy := energy_of(subject)) is not None:
        yield "energy", f"at most {energy:.3g} kWh (the devices' greatest power × the time)"
    yield "finished", run.finished
    packages = {"medbench": run.medbench, **run.packages}
    yield "packages", ", ".join(f"{name} {found}" for name, found in packages.items() if found)


def method(subject: Subject) -> str:
    """Return how it was trained, and what of that is merged into the base, in which numbers."""
    run = subject.candidate.checkpoint.provenance
    if not subject.is_merged:
        return run.method
    how = run.merged_from or {}
    part = f", its {how['only']} part only" if how.get("only") else ""
    saved = f", saved in {how['dtype']}" if how.get("dtype") else ""
    return f"{run.method}, merged into its base{part}{saved}"


def hardware(subject: Subject) -> str:
    """Return machine and devices in words."""
    run, launch = subject.candidate.checkpoint.provenance, subject.recipe.launch
    found = list(run.hardware.get("devices") or ())
    devices = f"{launch.devices * launch.nodes} × {found[0]}" if found else (
        f"{run.hardware.get('processors', '?')} processors ({run.hardware.get('machine', '?')})"
    )  # fmt: skip
    return f"{devices}, {launch.strategy}"


def energy_of(subject: Subject) -> float | None:
    """Return the most energy that a run took, in kWh, where that is known."""
    run, launch = subject.candidate.checkpoint.provenance, subject.recipe.launch
    devices = list(run.hardware.get("devices") or ())[: launch.devices]
    return most_energy(devices, launch.devices * launch.nodes, run.seconds)


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def data_table(subject: Subject) -> str:
    """Return what was trained and held out on, with digests and licences."""
    run = subject.candidate.checkpoint.provenance
    tables = [rows_table(subject)] if run.learnt_from or not run.texts else []
    return "\n\n".join([*tables, texts_table(run.texts)] if run.texts else tables)


def texts_table(texts: Sequence[CorpusPart]) -> str:
    """Return the texts of continued pre-trainings."""
    uses = {"sources": "training", "general": "general text, read again"}
    rows = [
        (escaped(one.source), uses.get(one.use, escaped(one.use)), f"{one.texts:,}",
         f"{one.held_out:,}", f"{one.tokens:,}", "not known",
         f"`{one.sha256[:12]}`" if one.sha256.isalnum() else "")
        for one in texts
    ]  # fmt: skip
    headers = ("texts", "for", "number", "held out", "tokens", "licence", "SHA-256")
    return table(headers, rows, right=("number", "held out", "tokens"))


def rows_table(subject: Subject) -> str:
    """Return the rows of benchmarks."""
    rows = []
    for one in subject.candidate.checkpoint.provenance.learnt_from:
        known = DATASETS.get((one.benchmark, one.subset))
        licence = known_licences().get(known.licence) if known else None
        rows.append((
            f"[{escaped(f'{one.benchmark}/{one.subset}')}]"
            f"(https://huggingface.co/datasets/{known.repo})"
            if known else escaped(f"{one.benchmark}/{one.subset}"),
            escaped(one.split),
            {"mixture": "training", "validation": "held-out loss"}.get(one.use, escaped(one.use)),
            escaped(one.protocol),
            f"{one.rows:,}",
            licence.name if licence else "not known",
            f"`{one.sha256[:12]}`" if one.sha256.isalnum() else "",
        ))  # fmt: skip
    headers = ("data", "split", "for", "protocol", "rows", "licence", "SHA-256")
    return table(headers, rows, right=("rows",))
