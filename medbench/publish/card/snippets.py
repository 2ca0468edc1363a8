"""How to load a published model: code that runs as it stands (the tests run it)."""

import json
import re
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
PART = re.compile(r".{1,80}(?:\s|$)|.{1,80}|\n")


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


def asks_in_turns(subject: Subject) -> bool:
    """Tell whether it was trained through the chat template."""
    return subject.recipe.data.template == "chat"


def question(subject: Subject) -> str:
    """Return the lines that make a prompt, and in a chat its turns."""
    system = subject.recipe.data.system
    lines = [f"prompt = {literal(prompt(subject))}"]
    if not asks_in_turns(subject):
        return lines[0]
    turns = ['{"role": "user", "content": prompt}']
    if system:
        lines.append(f"system = {literal(system)}")
        turns.insert(0, '{"role": "system", "content": system}')
    return "\n".join([*lines, f"turns = [{', '.join(turns)}]"])


def inputs(subject: Subject) -> str:
    """Return the lines that make a prompt and its tokens."""
    if not asks_in_turns(subject):
        tokens = 'inputs = tokenizer(prompt, return_tensors="pt")'
    else:
        tokens = (
            "inputs = tokenizer.apply_chat_template(\n"
            '    turns, add_generation_prompt=True, return_dict=True, return_tensors="pt"\n)'
        )
    return f"{question(subject)}\n{tokens}"


def trust(subject: Subject) -> str:
    """Return the argument that runs code that comes with the model; empty: there is none."""
    return ", trust_remote_code=True" * subject.recipe.model.trust_remote_code


def quoted(text: str) -> str:
    """Return text as Python and formatters write it."""
    return json.dumps(text, ensure_ascii=False)


def literal(text: str) -> str:
    """Return text as Python writes it, one line of it a line, long ones cut at a blank."""
    parts = [part for line in text.splitlines(keepends=True) for part in PART.findall(line)]
    if len(parts) < 2:
        return quoted(text)
    return "(\n" + "".join(f"    {quoted(part)}\n" for part in parts) + ")"


def load_in_python(subject: Subject) -> str:
    """Return the program for transformers, with PEFT where it is an adapter."""
    base, repo, code = subject.base, subject.repo, trust(subject)
    if subject.is_adapter:
        kind = read_adapter(subject.candidate.checkpoint.path).kind
        imports = "import medbench.molora  # lets PEFT know MOLORA\n" * (kind == "MOLORA")
        imports += "from peft import PeftModel\n"
        load = dedent(f"""\
            base = AutoModelForCausalLM.from_pretrained(
                {quoted(base.id)}, revision={quoted(base.revision)},
                dtype="auto"{code},
            )
            model = PeftModel.from_pretrained(base, {quoted(repo)}).eval()""")
    else:
        imports = ""
        load = dedent(f"""\
            model = AutoModelForCausalLM.from_pretrained(
                {quoted(repo)}, dtype="auto"{code}
            ).eval()""")
    return (
        f"{imports}from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"tokenizer = AutoTokenizer.from_pretrained({quoted(repo)}{code})\n{load}\n\n"
        f"{inputs(subject)}\n"
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
    base, repo, code = subject.base, subject.repo, trust(subject)
    ask = "llm.chat(turns" if asks_in_turns(subject) else "llm.generate(prompt"
    settings = f"SamplingParams(temperature=0, max_tokens={NEW_TOKENS})"
    if not subject.is_adapter:
        imports, more = "from vllm import LLM, SamplingParams\n", ""
        load = f"llm = LLM({quoted(repo)}{code})"
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
                tokenizer={quoted(repo)}, tokenizer_revision="main"{code},
                enable_lora=True, max_lora_rank={next(one for one in VLLM_RANKS if one >= rank)},
            )
            adapter = LoRARequest("adapter", 1, snapshot_download({quoted(repo)}))""")
        more = ", lora_request=adapter"
    program = (
        f"{load}\n"
        f"{question(subject)}\n"
        f"settings = {settings}\n"
        f"answers = {ask}, settings{more})\nprint(answers[0].outputs[0].text)"
    )
    guard = 'if __name__ == "__main__":  # vLLM starts processes that read this file again'
    return f"{imports}\n{guard}\n{indent(program, '    ')}"
