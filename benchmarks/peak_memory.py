"""Peak memory with Gemma's vocabulary: lm-eval's `hf` over `medbench-hf`, scoring the same letters.

A random model of Gemma 3 270M's sizes (262,144 tokens, 18 layers, sliding windows) with SmolLM2's
tokenizer is saved, and loaded by each side in a process of its own, which reports the highest
resident memory after loading and at its end. This process imports nothing heavy: a child's
`ru_maxrss` begins at what its parent holds.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from typing import Any

SIDES = ("hf", "medbench-hf")
SIZES: dict[str, Any] = {
    "vocab_size": 262_144,
    "hidden_size": 640,
    "intermediate_size": 2048,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "sliding_window": 512,
    "query_pre_attn_scalar": 256,
    "max_position_embeddings": 32_768,
    "pad_token_id": 0,
}


def main() -> None:
    """Be one of the processes, or start them."""
    asked = arguments()
    if asked.part == "make":
        make(asked)
    elif asked.part:
        print(json.dumps(peaks(asked)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            start("make", folder)
            compare(asked, folder)


def start(part: str, folder: str) -> str:
    """Run a part of this file in a fresh process; return what it prints."""
    command = [sys.executable, __file__, *sys.argv[1:], "--part", part, "--folder", folder]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def compare(asked: argparse.Namespace, folder: str) -> None:
    """Start the sides in turn; print both peaks and their ratio."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(asked.rounds):
        for side in SIDES:
            found[side].append(json.loads(start(side, folder).splitlines()[-1]))
        print(
            f"round {number + 1}: {', '.join(f'{side} {line(found[side][-1])}' for side in SIDES)}"
        )
    median = {
        side: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for side, rounds in found.items()
    }
    for side in SIDES:
        print(f"{side}: peak {line(median[side])}")
    first, second = (median[side]["end"] for side in SIDES)
    print(
        f"ratio {first / second:.2f} (hf {first:.2f} GiB / medbench-hf {second:.2f} GiB, "
        f"{asked.items} questions of {asked.tasks}, {asked.shots}-shot, vocabulary "
        f"{SIZES['vocab_size']:,}, hf's batch size {asked.stock_batch_size})"
    )


def arguments() -> argparse.Namespace:
    """Read the command line; `compare` would import torch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="kormedmcqa-letters_doctor")
    parser.add_argument("--items", type=int, default=8)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=18)
    parser.add_argument("--stock-batch-size", type=int, default=1)
    parser.add_argument("--part", choices=("make", *SIDES), help="what this process is to do")
    parser.add_argument("--folder", help="where the model is")
    return parser.parse_args()


def line(one: dict[str, float]) -> str:
    """Return a side's peaks in words."""
    return f"{one['end']:.2f} GiB ({one['loaded']:.2f} GiB when loaded)"


def make(asked: argparse.Namespace) -> None:
    """Save the model."""
    import torch
    from transformers import AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

    from medbench.engine.smollm2 import smollm2

    torch.manual_seed(0)
    config = Gemma3TextConfig(**SIZES, num_hidden_layers=asked.layers)
    Gemma3ForCausalLM(config).save_pretrained(asked.folder)
    AutoTokenizer.from_pretrained(smollm2()).save_pretrained(asked.folder)


def peaks(asked: argparse.Namespace) -> dict[str, float]:
    """Load, score, and return the peaks after each."""
    from compare import encoded, instances, score_with
    from lm_eval.models.huggingface import HFLM

    from medbench.engine.hf import MedbenchHF

    model = MedbenchHF(
        asked.folder, dtype="float32", device="cpu", batch_size=asked.stock_batch_size
    )
    loaded = resident()
    groups = instances(asked.tasks, asked.items, asked.shots)
    side = MedbenchHF if asked.part == "medbench-hf" else HFLM
    score_with(side, model, [encoded(model, one) for one in groups])
    assert side is HFLM or model.can_pack, "scored in lm-eval's way"
    return {"loaded": loaded, "end": resident()}


def resident() -> float:
    """Return the highest resident memory so far, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


if __name__ == "__main__":
    main()
