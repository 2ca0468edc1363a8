"""The token that ends an answer: which one it is, and whether it can be learnt at all."""

from typing import Any

from medbench.errors import RecipeError
from medbench.recipe import Recipe
from medbench.scoring.chat import turn_end
from medbench.training.formats import check_template

__all__ = ["check_stop_token", "stop_token"]


def stop_token(tokenizer: Any, recipe: Recipe) -> int:
    """Return the id of the token that ends an answer.

    It is `model.tokenizer.stop`; else what the chat template closes an answer with; else the end
    of the text. Whoever saves the checkpoint must name it in its generation config.

    Raises:
        RecipeError: there is none.
    """
    stated = recipe.model.tokenizer.stop
    if stated:
        return known_token(tokenizer, stated)
    if recipe.data.template == "chat":
        check_template(tokenizer)
        return closing_token(tokenizer)
    if tokenizer.eos_token_id is None:
        raise RecipeError(
            "the tokenizer has no end-of-text token, so no answer could learn to end; name a token "
            "in model.tokenizer.stop"
        )
    return int(tokenizer.eos_token_id)


def known_token(tokenizer: Any, token: str) -> int:
    """Return the id of a token that the vocabulary must hold."""
    index = tokenizer.get_vocab().get(token)
    if index is None:
        pieces = tokenizer.tokenize(token)
        raise RecipeError(
            f"model.tokenizer.stop: {token!r} is no token of the vocabulary; it would be "
            f"{len(pieces)}: {' '.join(map(repr, pieces))}"
        )
    return int(index)


def closing_token(tokenizer: Any) -> int:
    """Return the first special token that the chat template writes behind an answer."""
    end = turn_end(tokenizer)
    for index in tokenizer.encode(end, add_special_tokens=False):
        if index in special_tokens(tokenizer):
            return int(index)
    raise RecipeError(
        f"the chat template ends an answer with {end!r}, in which no token is special, so no "
        "answer could learn to end; name a token in model.tokenizer.stop"
    )


def special_tokens(tokenizer: Any) -> set[int]:
    """Return the ids of all special tokens, those included that have no role of their own."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return {*tokenizer.all_special_ids, *(i for i, token in added.items() if token.special)}


def check_stop_token(tokenizer: Any, recipe: Recipe) -> None:
    """See that the stop token reaches the loss, and that no prompt ends with it.

    It stays supervised where it is the padding token too: the collator tells padding by its
    place, not by its id.

    Raises:
        RecipeError: there is none, or the tokenizer itself writes it behind every text.
    """
    stop = stop_token(tokenizer, recipe)
    if tokenizer.encode("?")[-1:] == [stop]:
        raise RecipeError(
            f"the tokenizer writes its end-of-text token {tokenizer.decode([stop])!r} behind every "
            "text, evaluation's prompts among them: nothing would be left to answer; load it with "
            "add_eos_token=False"
        )
