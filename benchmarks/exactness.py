"""The packed engine gives what lm-eval's `hf` gives: log-probabilities, answers, greedy texts.

Not a claim of speed. Every kind of continuation with and without examples, on the model and under a
LoRA adapter whose random weights are not zero, scored by both sides on one loaded model. Option
texts are the options' own words as continuations, of the questions that have letters otherwise.
`--double` also scores some questions in float64 (0: none): what either side rounds away. `--random`
takes two random layers of other families in the model's place, with its tokenizer.
"""

import argparse
import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from compare import (
    Agreement,
    Question,
    encoded,
    instances,
    limited,
    load_model,
    options,
    score_with,
    texts,
)
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from medbench.engine.hf import MedbenchHF
from medbench.engine.packed.scores import Score
from medbench.engine.smollm2 import smollm2

CHAINS = "kormedmcqa-cot_doctor"
LAYERS = ["sliding_attention", "full_attention"]
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": SIZES,
    "mistral": {**SIZES, "sliding_window": 256},
    "qwen2": SIZES,
    "qwen3": {**SIZES, "head_dim": 16},
    "gemma3_text": {**SIZES, "head_dim": 16, "sliding_window": 256, "layer_types": LAYERS},
    "phi": SIZES,
    "phi3": SIZES,
    "bloom": {"hidden_size": 64, "n_layer": 2, "n_head": 4},
}
DEVIATION = 0.02
"""Of the random weights of the adapter's second factors."""
CELLS = [
    *("model", "continuations", "shots", "questions", "log-probs", "largest Δ"),
    *("largest Δ a token", "answers equal", "greedy flags equal"),
]
IN_DOUBLE = "Δ to float64: ours, hf's"


def main() -> None:
    """Print the two tables as they come."""
    asked = arguments()
    shots = [int(one) for one in asked.shots_of.split(",")]
    header = [*CELLS, *([IN_DOUBLE] if asked.double else [])]
    print_row(header)
    print_row(["---"] * len(header))
    for family in asked.random.split(",") if asked.random else [""]:
        with tempfile.TemporaryDirectory() as folder:
            if family:
                asked.model = make_model(family, Path(folder, "model"))
            adapter = make_adapter(asked.model or str(smollm2()), Path(folder, "lora"), asked.rank)
            adapters = {"base": None, "LoRA": str(adapter)}
            for name in asked.adapters.split(","):
                label = f"{family} {name}".strip()
                for kind in asked.kinds.split(","):
                    for k in shots:
                        print_row([label, kind, str(k), *compare(asked, adapters[name], kind, k)])
                for k in shots if asked.texts else []:
                    print_row([label, "greedy", str(k), *compare_texts(asked, adapters[name], k)])


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__, "items", "stock_batch_size", "rows", items=500)
    add = parser.add_argument
    add("--fewshot-items", type=int, default=20, help="the same where there are examples")
    add("--shots-of", default="0,5")
    add("--kinds", default=",".join(KINDS))
    add("--adapters", default="base,LoRA")
    add("--rank", type=int, default=8)
    add("--double", type=int, default=0, help="questions to score in float64 as well")
    add("--random", default="", help=f"of {', '.join(FAMILIES)}")
    add("--texts", type=int, default=100, help="zero-shot texts; 0: none at all")
    add("--max-new-tokens", type=int, default=64)
    return parser.parse_args()


def print_row(cells: Sequence[str]) -> None:
    """Print one line of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def make_model(family: str, folder: Path) -> str:
    """Save two random layers of a family, and the model's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(smollm2())
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    config = AutoConfig.for_model(
        family, **FAMILIES[family], **ends, vocab_size=len(tokenizer), initializer_range=0.1
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def make_adapter(base: str, folder: Path, rank: int) -> Path:
    """Save a LoRA adapter on every linear layer, random in both factors."""
    torch.manual_seed(0)
    config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=rank, target_modules="all-linear")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=DEVIATION)
    model.save_pretrained(str(folder))
    return folder


def option_texts(tasks: str, items: int, shots: int) -> list[list[Instance]]:
    """Return the questions with the options' texts as continuations."""
    return [
        [
            replace(members[0], arguments=(members[0].args[0], f" {text}"))
            for text in members[0].doc["options"]
        ]
        for members in instances(tasks, items, shots)
    ]


Make = Callable[[str, int, int], list[list[Instance]]]
KINDS: dict[str, tuple[Make, str, str]] = {
    "letters": (instances, "medmcqa-letters,usmle", "mmedbench_spanish"),
    "sets": (instances, "mmedbench_french,mmedbench_japanese", "mmedbench_french"),
    "texts": (option_texts, "medmcqa-letters,pubmedqa-letters", "mmedbench_spanish"),
}
"""How requests are made, and of which questions: without examples, and with (short ones: lm-eval
computes the examples again for each)."""


@functools.cache
def of_kind(kind: str, wanted: int, shots: int) -> list[list[Instance]]:
    """Return the requests of some questions, of all tasks alike."""
    make, zero_shot, few_shot = KINDS[kind]
    groups = make(few_shot if shots else zero_shot, wanted, shots)
    return sorted(groups, key=lambda members: members[0].doc_id or 0)[:wanted]


@functools.cache
def chains(wanted: int, shots: int) -> list[Instance]:
    """Return the requests of some texts."""
    return [one for [one] in instances(CHAINS, wanted, shots)]


def compare(asked: argparse.Namespace, adapter: str | None, kind: str, shots: int) -> Iterator[str]:
    """Score one case with both sides; yield the table's cells."""
    model = load_model(asked, must_pack=not asked.random, peft=adapter)
    wanted = asked.fewshot_items if shots else asked.items
    questions = [encoded(model, one) for one in of_kind(kind, wanted, shots)]
    ours = score_with(MedbenchHF, model, questions)
    stock = score_with(HFLM, model, questions)
    found = Agreement.of(list(zip(ours, stock, strict=True)))
    yield str(found.questions)
    yield str(sum(map(len, ours)))
    yield f"{found.gap:.2g}"
    yield f"{largest_gap_of_a_token(questions, ours, stock):.2g}"
    yield f"{found.chosen}/{found.questions}"
    yield f"{found.greedy}/{found.questions}"
    if asked.double:
        exact = in_double(asked, adapter, questions[: asked.double])
        gaps = [gap(ours, exact), gap(stock, exact)]
        yield ", ".join(f"{one:.2g}" for one in gaps)


def largest_gap_of_a_token(
    questions: Sequence[Question], ours: list[list[Score]], stock: list[list[Score]]
) -> float:
    """Return the largest difference of a continuation divided by its tokens: rounding adds up."""
    return max(
        abs(one[0] - other[0]) / len(ends)
        for question, mine, theirs in zip(questions, ours, stock, strict=True)
        for (_, _, ends), one, other in zip(question, mine, theirs, strict=True)
    )


def in_double(
    asked: argparse.Namespace, adapter: str | None, questions: Sequence[Question]
) -> list[list[Score]]:
    """Score with lm-eval's class, linear layers, attention and softmax in float64."""
    model = HFLM(
        asked.model or str(smollm2()),
        dtype="float64",
        softmax_dtype="float64",
        device=asked.device,
        batch_size=1,
        peft=adapter,
    )
    return score_with(HFLM, model, questions)


def gap(scores: list[list[Score]], exact: list[list[Score]]) -> float:
    """Return the largest difference of log-probabilities, of the questions that both have."""
    return Agreement.of(list(zip(scores, exact, strict=False))).gap


def compare_texts(asked: argparse.Namespace, adapter: str | None, shots: int) -> list[str]:
    """Generate with both sides; count identical texts; return the table's cells."""
    model = load_model(asked, must_pack=not asked.random, peft=adapter)
    wanted = asked.fewshot_items if shots else asked.texts
    requests = [limited(one, asked.max_new_tokens) for one in chains(wanted, shots)]
    ours = texts(MedbenchHF, model, requests, asked.rows)
    stock = texts(HFLM, model, requests, asked.stock_batch_size)
    same = sum(one == other for one, other in zip(ours, stock, strict=True))
    tokens = sum(len(model.tok_encode(text)) for text in ours)
    return [f"{len(requests)}", f"{tokens:,} tokens", "", "", f"{same}/{len(requests)} texts", ""]


if __name__ == "__main__":
    main()
