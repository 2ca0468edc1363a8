"""Conversations as text, for chat templates with and without a system role."""

from typing import Any

from jinja2.exceptions import TemplateError

__all__ = ["fold_system", "render_chat"]


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
