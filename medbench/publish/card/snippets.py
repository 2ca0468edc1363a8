"""How to load a published model: code that runs as it stands (the tests run it)."""

import json
from dataclasses import replace
from textwrap import dedent, indent

from medbench.engine.adapter import VLLM_RANKS, read_adapter
from medbench.errors import ModelError
from medbench.publish.card.subject import Subject
from medbench.question import Question
from medbench.scoring.protocols import PROTOCOLS

__all__ = ["load_in_python", "load_in_vllm", "why_not_vllm"]

EXAMPLE = Question(
    id="example",
    benchmark="",
    subset="",
    language="en",
    text="Which vitamin cures scurvy?",
    options={"A": "vitamin A", "B": "vitamin C", "C": "vitamin D", "D": "vitamin K"},
    gold=frozenset("B"),
    context="Scurvy was common at sea until sailors were given lemons.",
)
ONLY = {"pubmedqa": {"A": "yes", "B": "no", "C": "maybe"}}
NEW_TOKENS = 16


def prompt(subject: Subject) -> str:
    """Return a question of ours, put as in training."""
    parts = [one for one in subject.recipe.data.mixture if one.benchmark in PROTOCOLS]
    if not parts:
        return f"{EXAMPLE.text}\n"
    part = parts[0]
    question = replace(EXAMPLE, options=ONLY.get(part.benchmark, EXAMPLE.options))
    if part.benchmark not in ONLY:
        question = replace(question, context="")
    how = PROTOCOLS[part.benchmark][part.protocol]
    return f"{how.instruction}{how.prompt(question)}"


def inputs(subject: Subject) -> str:
    """Return the lines that make a prompt and its tokens."""
    data = subject.recipe.data
    lines = [f"prompt = {literal(prompt(subject))}"]
    if data.template != "chat":
        return "\n".join([*lines, 'inputs = tokenizer(prompt, return_tensors="pt")'])
    system = [f'{{"role": "system", "content": {quoted(data.system)}}}, '] if data.system else []
    return "\n".join([
        *lines,
        f'turns = [{"".join(system)}{{"role": "user", "content": prompt}}]',
        "inputs = tokenizer.apply_chat_template(",
        '    turns, add_generation_prompt=True, return_dict=True, return_tensors="pt"',
        ")",
    ])  # fmt: skip


def quoted(text: str) -> str:
    """Return text as Python and formatters write it."""
    return json.dumps(text, ensure_ascii=False)


def literal(text: str) -> str:
    """Return text as Python writes it, one line of it a line."""
    lines = text.splitlines(keepends=True) or [""]
    if len(lines) == 1:
        return quoted(text)
    return "(\n" + "".join(f"    {quoted(line)}\n" for line in lines) + ")"


def load_in_python(subject: Subject) -> str:
    """Return the program for transformers, with PEFT where it is an adapter."""
    base, repo = subject.base, subject.repo
    if subject.is_adapter:
        kind = read_adapter(subject.candidate.checkpoint.path).kind
        imports = "import medbench.molora  # lets PEFT know MOLORA\n" * (kind == "MOLORA")
        imports += "from peft import PeftModel\n"
        load = dedent(f"""\
            base = AutoModelForCausalLM.from_pretrained(
                {quoted(base.id)}, revision={quoted(base.revision)}, dtype="auto"
            )
            model = PeftModel.from_pretrained(base, {quoted(repo)}).eval()""")
    else:
        imports = ""
        load = f'model = AutoModelForCausalLM.from_pretrained({quoted(repo)}, dtype="auto").eval()'
    return (
        f"{imports}from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"tokenizer = AutoTokenizer.from_pretrained({quoted(repo)})\n{load}\n\n{inputs(subject)}\n"
        f"output = model.generate(**inputs, max_new_tokens={NEW_TOKENS}, do_sample=False)\n"
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], '
        "skip_special_tokens=True))"
    )


def why_not_vllm(subject: Subject) -> str:
    """Return why vLLM cannot run it as it is; empty: it can."""
    if not subject.is_adapter:
        return ""
    path = subject.candidate.checkpoint.path
    try:
        read_adapter(path).check_vllm()
    except ModelError as error:
        return str(error).replace(str(path), "This").replace("This:", "Note that")
    return ""


def load_in_vllm(subject: Subject) -> str:
    """Return the program for vLLM."""
    base, repo = subject.base, subject.repo
    chat = subject.recipe.data.template == "chat"
    ask = 'llm.chat([{"role": "user", "content": prompt}]' if chat else "llm.generate(prompt"
    settings = f"SamplingParams(temperature=0, max_tokens={NEW_TOKENS})"
    if not subject.is_adapter:
        imports, more = "from vllm import LLM, SamplingParams\n", ""
        load = f"llm = LLM({quoted(repo)})"
    else:
        rank = read_adapter(subject.candidate.checkpoint.path).rank
        imports = (
            "from huggingface_hub import snapshot_download\n"
            "from vllm import LLM, SamplingParams\n"
            "from vllm.lora.request import LoRARequest\n"
        )
        load = dedent(f"""\
            llm = LLM(
                {quoted(base.id)}, revision={quoted(base.revision)},
                tokenizer={quoted(repo)}, tokenizer_revision="main",
                enable_lora=True, max_lora_rank={next(one for one in VLLM_RANKS if one >= rank)},
            )
            adapter = LoRARequest("adapter", 1, snapshot_download({quoted(repo)}))""")
        more = ", lora_request=adapter"
    program = (
        f"{load}\n"
        f"prompt = {literal(prompt(subject))}\n"
        f"settings = {settings}\n"
        f"answers = {ask}, settings{more})\nprint(answers[0].outputs[0].text)"
    )
    guard = 'if __name__ == "__main__":  # vLLM starts processes that read this file again'
    return f"{imports}\n{guard}\n{indent(program, '    ')}"
