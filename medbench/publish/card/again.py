"""The commands that score a published model as it was scored."""

import shlex
from collections.abc import Iterator

from medbench.engine.adapter import read_adapter
from medbench.publish.asked import Asked
from medbench.publish.card.subject import Subject

__all__ = ["score_commands"]


def score_commands(subject: Subject) -> str:
    """Return them line by line: `medbench eval` and plain lm_eval, for each way of asking."""
    runs: dict[tuple[Asked | None, float | None], list[str]] = {}
    for row in subject.scores.rows:
        runs.setdefault((row.how, row.score.limit), []).append(row.score.task)
    if not runs:
        runs[None, None] = list(subject.recipe.evaluation.tasks or ("mmedbench",))
    code = subject.recipe.model.trust_remote_code
    commands = []
    for (how, limit), tasks in runs.items():
        named = f"--tasks '{','.join(tasks)}'"
        pairs = list(options(how, limit)) if how else []
        pairs += [("--trust-remote-code", "")] * code
        commands.append([f"medbench eval {subject.repo}", named, *(one for one, _ in pairs)])
        if how is None or how.quantization is None:  # lm_eval loads none in 4 bits
            own = (one for _, one in pairs if one)
            commands.append([*loaded_plainly(subject, how), named, *own])
    return "\n".join(" \\\n    ".join(words) for words in commands)


def options(how: Asked, limit: float | None) -> Iterator[tuple[str, str]]:
    """Yield each setting as `medbench eval` takes it, and as lm_eval does; empty: it does not."""
    yield (
        f"--chat-template {how.chat_template}",
        "--apply_chat_template" * (how.chat_template == "on"),
    )
    if how.num_fewshot is not None:
        yield f"--num-fewshot {how.num_fewshot}", f"--num_fewshot {how.num_fewshot}"
    if how.gen_kwargs:
        quoted = shlex.quote(how.gen_kwargs)
        yield f"--gen-kwargs {quoted}", f"--gen_kwargs {quoted}"
    if limit:
        yield f"--limit {limit:g}", f"--limit {limit:g}"
    if how.dtype != "auto":
        yield f"--dtype {how.dtype}", ""
    if how.quantization:
        yield f"--quantization {how.quantization}", ""
    if how.backend == "vllm":
        yield "--backend vllm", ""
    if how.strict:
        yield "--strict", ""


def loaded_plainly(subject: Subject, how: Asked | None) -> list[str]:
    """Return how lm_eval loads the model."""
    arguments, model = f"pretrained={subject.repo}", "hf"
    if subject.is_adapter:
        repo = subject.repo
        arguments = f"pretrained={subject.base.id},peft={repo},tokenizer={repo}"
        if read_adapter(subject.candidate.checkpoint.path).kind == "MOLORA":
            model = "medbench-hf"  # lm-eval's own class does not know the type
    if how and how.dtype != "auto":
        arguments += f",dtype={how.dtype}"
    if subject.recipe.model.trust_remote_code:
        arguments += ",trust_remote_code=True"
    return [f"lm_eval --model {model}", f"--model_args {arguments}"]
