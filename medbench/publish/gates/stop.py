"""Gate `stop`: behind a whole answer, the likeliest token is the one that ends it."""

from medbench.publish.gates.finding import Finding
from medbench.publish.gates.forms import Forms

__all__ = ["SHARE", "check"]

SHARE = 0.9
"""Of the answers; a model that has learnt to stop does so behind nearly all of them."""


def check(forms: Forms) -> Finding:
    """Look behind answers to packaged questions, laid out as training laid out its own."""
    endings = forms.endings
    if not endings:
        return Finding("stop", False, "no packaged question has an answer in the recipe's protocol")
    tokenizer, stop = forms.tokenizer, endings[0].stop
    stops = forms.read("own").stops
    share = sum(stops) / len(stops)
    lines = [
        f"{sum(stops)} of {len(stops)} canary answers end with {tokenizer.decode([stop])!r} "
        f"(at least {SHARE:.0%} are needed)"
    ]
    if share < SHARE:
        lines.append("It would write on behind its answers: train longer, or look at the recipe's "
                     "model.tokenizer.stop")  # fmt: skip
    ends = tokenizer.eos_token_id
    if ends != stop:
        lines.append(
            f"the checkpoint's tokenizer names {tokenizer.eos_token!r} as the end of a text, so a "
            "server would not stop at the token that was learnt"
        )
    facts = {"share": share, "needed": SHARE, "answers": len(stops), "token": stop}
    return Finding("stop", share >= SHARE and ends == stop, "\n".join(lines), facts)
