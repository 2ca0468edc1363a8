"""The card's text and metadata, from the template beside this file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench import __version__
from medbench.errors import PublishError
from medbench.publish.card import measured, snippets, training
from medbench.publish.card.again import score_commands
from medbench.publish.card.markdown import block, escaped
from medbench.publish.card.subject import Subject
from medbench.publish.licences import Terms, known_licences
from medbench.publish.records import model_index

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

__all__ = ["model_card"]

TEMPLATE = Path(__file__).with_name("card.md.jinja")
RELATIONS = {"adapter": "adapter", "merged": "merge", "whole": "finetune"}


def model_card(subject: Subject) -> str:
    """Return README.md.

    Raises:
        PublishError: the Hub's library would not read the card as it was meant.
    """
    from huggingface_hub import ModelCard
    from jinja2 import Environment, StrictUndefined

    metadata = card_data(subject)
    template = Environment(  # Markdown: what needs escaping was escaped where it was made
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    ).from_string(TEMPLATE.read_text(encoding="utf-8"))
    text = template.render(metadata=f"---\n{metadata.to_yaml()}\n---", **parts(subject)) + "\n"
    wanted, read = as_dict(metadata), as_dict(ModelCard(text).data)
    odd = sorted(key for key in read.keys() | wanted.keys() if read.get(key) != wanted.get(key))
    if odd:
        raise PublishError(f"the card's metadata would be read otherwise: {', '.join(odd)}")
    return text


def as_dict(data: Any) -> dict[str, Any]:
    """Return metadata as the Hub sees them."""
    return dict(data.to_dict())


def kind(subject: Subject) -> str:
    """Return what was published: adapter, merged or whole."""
    return "adapter" if subject.is_adapter else "merged" if subject.is_merged else "whole"


def card_data(subject: Subject) -> "ModelCardData":
    """Return the metadata that the Hub indexes."""
    from huggingface_hub import ModelCardData

    method = subject.candidate.checkpoint.provenance.method
    tags = ["medical", "question-answering", "medbench", method]
    found = model_index(subject.scores.rows)
    return ModelCardData(
        base_model=subject.base.id,
        base_model_relation=RELATIONS[kind(subject)],
        base_model_revision=subject.base.revision,
        library_name="peft" if subject.is_adapter else "transformers",
        pipeline_tag="text-generation",
        language=sorted({one.language for one in subject.datasets}) or None,
        datasets=sorted({one.repo for one in subject.datasets}) or None,
        metrics=["accuracy"] if found else None,
        tags=tags,
        model_name=subject.name if found else None,
        eval_results=found or None,
        **licence(subject.terms, subject.candidate.licence),
    )


def licence(terms: Terms, stated: str) -> dict[str, Any]:
    """Return what the Hub indexes: the licence that the publisher states, else those that bind."""
    known = known_licences()
    if stated:
        on_hub = stated not in known or known[stated].on_hub
        return {"license": stated} if on_hub else {"license": "other", "license_name": stated}
    if terms.id != "other":
        return {"license": terms.id}
    names = "-and-".join(one.id for one in terms.binding)
    return {"license": "other", "license_name": names, "license_link": terms.binding[0].link}


def parts(subject: Subject) -> dict[str, Any]:
    """Return what the template asks for, each part Markdown."""
    refusal = snippets.why_not_vllm(subject)
    vllm = escaped(refusal) if refusal else block(snippets.load_in_vllm(subject), "python")
    return {
        "name": escaped(subject.name),
        "summary": summary(subject),
        "is_on_sample": subject.is_on_sample,
        "scores": measured.score_table(subject) if subject.scores.rows else "",
        "score_notes": list(measured.score_notes(subject)) if subject.scores.rows else [],
        "is_greedy": all(row.how.is_greedy for row in subject.scores.rows),
        "has_published": any(row.is_published for row in subject.scores.rows),
        "score_commands": block(score_commands(subject), "sh"),
        "certificate": measured.certificate(subject),
        "library": "PEFT" if subject.is_adapter else "transformers",
        "load_in_python": block(snippets.load_in_python(subject), "python"),
        "load_in_vllm": vllm,
        "has_curve": subject.has_curve,
        "training": training.training_table(subject),
        "recipe": block(subject.recipe_text, "yaml"),
        "data": training.data_table(subject),
        "base_is_certain": subject.base.is_certain,
        "licence": licence_text(subject),
        "version": __version__,
    }


def summary(subject: Subject) -> str:
    """Return the first sentences."""
    base, run = subject.base, subject.candidate.checkpoint.provenance
    link = f"[{escaped(base.id)}](https://huggingface.co/{base.id})"
    method = escaped(run.method)
    what = {
        "adapter": f"A PEFT adapter ({method}) for {link}",
        "merged": f"{link} with an adapter ({method}) merged into its weights",
        "whole": f"{link}, all of whose weights were trained further",
    }[kind(subject)]
    names = list(dict.fromkeys(one.benchmark for one in subject.mixture))
    names += [f"{one.texts - one.held_out:,} texts of {one.source}" for one in run.texts]
    data = ", ".join(map(escaped, names)) or "no data that is known"
    return (
        f"{what}, at the revision `{base.revision}`. It was trained on {data} with "
        f"[medbench](https://pypi.org/project/medbench/), for answering medical exam questions."
    )


def licence_text(subject: Subject) -> str:
    """Return which licences bind the model, and why."""
    terms = subject.terms
    own = [f"base: [{terms.base.name}]({terms.base.link})"] if terms.base else []
    own += [f"training data: [{one.name}]({one.link})" for one in terms.data]
    lines = [f"- {one}" for one in own]
    lines += [f"- not in medbench's table of licences: {escaped(one)}" for one in terms.unknown]
    if terms.base is None:
        lines.append(
            "- the base's licence is not known here: read its card before using this model"
        )
    if not terms.commercial:
        lines.append("- commercial use is forbidden by at least one of them")
    lines += [f"- {one.notice}" for one in (terms.base, *terms.data) if one and one.notice]
    stated = subject.candidate.licence
    lines += [
        f"- texts of {escaped(one.source)}: their terms are not known to medbench"
        + (", and the licence is the publisher's word" if stated else "")
        for one in subject.candidate.checkpoint.provenance.texts
    ]
    name = f"{stated}, as its publisher states" if stated else terms.name
    named = f"**{escaped(name)}**\n\n" if name else ""
    return named + "\n".join(lines)
