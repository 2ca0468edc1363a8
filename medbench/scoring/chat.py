"""Conversations as text and text as tokens, the same for evaluation and training."""

from typing import Any

from jinja2.exceptions import TemplateError

from medbench.errors import ModelError

__all__ = ["encode", "fold_system", "render_chat", "starts_with_bos", "turn_end"]

MARK = "medbench"


def fold_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put a leading system message in front of the first user turn."""
    if not messages or messages[0]["role"] != "system":
        return messages
    system, user, *rest = messages
    return [
        {"role": "user", "content": f"{system['content'].rstrip()}\n\n{user['content']}"},
        *rest,
    ]


def render_chat(
    tokenizer: Any, messages: list[dict[str, str]], add_generation_prompt: bool, **arguments: Any
) -> str:
    """Apply a chat template; where it refuses a system role, fold that into the user's turn."""

    def render(conversation: list[dict[str, str]]) -> str:
        return str(
            tokenizer.apply_chat_template(
                conversation,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
                **arguments,
            )
        )

    try:
        return render(messages)
    except TemplateError:
        return render(fold_system(messages))


def turn_end(tokenizer: Any) -> str:
    """Return what the chat template writes behind an assistant's answer, blanks included.

    Raises:
        jinja2.TemplateError: the template cannot render a question and an answer.
    """
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": MARK}]
    text = str(tokenizer.apply_chat_template(messages, tokenize=False))
    return text.rpartition(MARK)[2] if MARK in text else ""


def starts_with_bos(tokenizer: Any, text: str) -> bool:
    """Tell whether a text brings the beginning-of-text token itself."""
    return bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)


def encode(tokenizer: Any, text: str) -> list[int]:
    """Tokenise as lm-eval does: BOS where the tokenizer adds one and the text has none.

    Raises:
        ModelError: the result begins with two BOS tokens.
    """
    ids: list[int] = tokenizer.encode(text, add_special_tokens=not starts_with_bos(tokenizer, text))
    if tokenizer.bos_token and ids[:2] == [tokenizer.bos_token_id] * 2:
        raise ModelError(
            "the prompt begins with two BOS tokens: the chat template writes one and the text has "
            "another; mend the template or use --chat-template off"
        )
    return ids
