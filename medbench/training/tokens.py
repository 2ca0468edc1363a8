"""Texts as tokens, cut between prompt and answer where evaluation cuts.

An answer that is scored is cut as lm-eval's `_encode_pair` does: the whole is encoded, and what
comes behind the prompt's own tokens is the answer. An answer that is generated follows the very
tokens of the prompt, even where a tokenizer would have merged the two (":" and "###").
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from medbench.scoring.chat import encode, starts_with_bos
from medbench.training.formats import Text

__all__ = ["Cut", "cut"]

ANCHOR = "\n"
"""Text that nothing merges with; behind it a SentencePiece tokenizer adds no blank of its own."""


class Cut(NamedTuple):
    """One text as tokens."""

    prompt: list[int]
    """What is read."""
    answer: list[int]
    """What is learnt, without the stop token."""


def cut(tokenizer: Any, texts: Sequence[Text], *, is_scored: bool) -> list[Cut]:
    """Tokenise texts as evaluation does, all scored or all generated.

    Raises:
        ModelError: a prompt begins with two BOS tokens.
    """
    if not texts:
        return []
    encode(tokenizer, texts[0].prompt)  # raises on two BOS tokens
    prompts = encode_all(tokenizer, [one.prompt for one in texts])
    wholes = encode_all(tokenizer, [one.prompt + one.answer for one in texts])
    if not is_scored:
        return [
            generated(tokenizer, text.answer, prompt, whole)
            for text, prompt, whole in zip(texts, prompts, wholes, strict=True)
        ]
    stripped = [one.prompt.rstrip() for one in texts]
    ends_in_blank = any(text.prompt != bare for text, bare in zip(texts, stripped, strict=True))
    bares = encode_all(tokenizer, stripped) if ends_in_blank else prompts
    return [scored(*ids) for ids in zip(prompts, bares, wholes, strict=True)]


def scored(prompt: list[int], bare: list[int], whole: list[int]) -> Cut:
    """Cut as lm-eval does, which counts the blanks at a prompt's end as the answer's.

    They are read here, not learnt, unless they are one token with the answer.
    """
    ids = bare + whole[len(bare) :]
    start = len(prompt) if ids[: len(prompt)] == prompt else len(bare)
    return Cut(ids[:start], ids[start:])


def generated(tokenizer: Any, answer: str, prompt: list[int], whole: list[int]) -> Cut:
    """Cut behind the prompt; an answer that it would merge with is encoded by itself."""
    if whole[: len(prompt)] == prompt:
        return Cut(prompt, whole[len(prompt) :])
    anchor = tokenizer.encode(ANCHOR, add_special_tokens=False)
    behind = tokenizer.encode(ANCHOR + answer, add_special_tokens=False)
    alone: list[int] = tokenizer.encode(answer, add_special_tokens=False)
    if behind[: len(anchor)] == anchor:
        follows = behind[len(anchor) :]
        if tokenizer.decode(prompt + follows) == tokenizer.decode(prompt) + answer:
            return Cut(prompt, follows)
    return Cut(prompt, alone)


def encode_all(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Encode many texts, each as `encode` does."""
    found: dict[bool, list[int]] = {True: [], False: []}
    for index, text in enumerate(texts):
        found[not starts_with_bos(tokenizer, text)].append(index)
    ids: list[list[int]] = [[]] * len(texts)
    for adds_special, indices in found.items():
        if not indices:
            continue
        batch = [texts[index] for index in indices]
        rows = tokenizer(batch, add_special_tokens=adds_special, verbose=False)["input_ids"]
        for index, row in zip(indices, rows, strict=True):
            ids[index] = list(row)
    return ids
