"""One evaluation as asked for, and which settings go together."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medbench.errors import ModelError
from medbench.model_names import model_path

__all__ = ["BASE", "Backend", "Engine", "Run", "check"]

Backend = Literal["hf", "vllm", "openai"]
Engine = Literal["medbench", "stock"]
BASE = "base"
"""Stands among adapters for the model without any."""
DTYPES = ("auto", "float32", "bfloat16", "float16")
ANSWER_LENGTHS = ("max_new_tokens", "max_tokens", "max_completion_tokens")
"""Other names of max_gen_toks, which lm-eval passes over where a task gives its own."""
SAMPLING = ("temperature", "top_p", "top_k", "min_p")
"""What does nothing where tokens are not drawn; a server draws by its temperature alone."""
ZEROS = ("0", "0.0")


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation, as asked for on the command line."""

    model: str
    """A local folder, a Hub id, or (openai) the name that the server gives the model; an adapter
    stands for its base with the adapter on it."""
    tasks: tuple[str, ...]
    """Task names, group names and wildcards."""
    backend: Backend = "hf"
    """What runs the model."""
    engine: Engine = "medbench"
    """stock: lm-eval's own class (hf, vllm), to compare with."""
    adapters: tuple[str, ...] = ()
    """PEFT adapters for one loaded model, in turn: local folders or Hub ids; `BASE`: none."""
    quantization: str | None = None
    """nf4, fp4 or int8, at load, through bitsandbytes (hf only)."""
    limit: int | None = None
    """Only the first so many questions of each task."""
    items: Mapping[str, tuple[int, ...]] | None = None
    """Only these questions of each task, by their numbers from 0, ascending; None: all."""
    num_fewshot: int | None = None
    """Examples before each question; None: as the task says."""
    chat_template: Literal["auto", "on", "off"] = "auto"
    """auto: as a checkpoint was trained, else on where the tokenizer has one."""
    gen_kwargs: str | None = None
    """Overrides of the tasks' generation settings, as lm-eval writes them: "a=1,b=2"."""
    batch_size: str | None = None
    """Requests at once (hf, openai): a number, or auto; None: 8."""
    batch_tokens: int | None = None
    """Tokens of one forward pass (hf only); None: as the engine says."""
    strict: bool = False
    """Answers do not depend on batch size, order or neighbours (hf only)."""
    device: str | None = None
    """cpu, cuda, cuda:1, mps (hf only); None: what there is."""
    dtype: str = "auto"
    """float32, bfloat16, float16 (hf, vllm); auto: as saved."""
    base_url: str | None = None
    """openai: the server's address, up to /v1."""
    tokenizer: str | None = None
    """A local folder or a Hub id; None: the model's own (openai: must be told)."""
    revision: str = "main"
    """The model's branch, tag or commit on the Hub (hf, vllm)."""
    trust_remote_code: bool = False
    """Run code that comes with a model."""
    output: Path = Path("runs")
    """Results go to <output>/<model>/results_<time>.json and samples_<task>_<time>.jsonl."""

    @property
    def variants(self) -> tuple[str | None, ...]:
        """What is evaluated: each adapter, and None for the base, which goes first."""
        named = [None if name == BASE else name for name in self.adapters] or [None]
        return tuple(sorted(named, key=lambda name: name is not None))

    def display_name(self, adapter: str | None) -> str:
        """The model's short name, the adapter's behind it."""
        parts = [self.model, *([adapter] if adapter else [])]
        short = [model_path(part).rpartition("/")[2] for part in parts]
        name = "__".join([*short, *([self.quantization] if self.quantization else [])])
        return "".join(c if c.isalnum() or c in "-._" else "_" for c in name)


def check(run: Run) -> None:
    """Refuse settings that do not go together, all at once.

    Raises:
        ModelError: what is wrong with them.
    """
    kinds = (backend_faults, engine_faults, adapter_faults, value_faults, generation_faults)
    faults = [fault for kind in kinds for fault in kind(run)]
    if faults:
        raise ModelError("\n".join(faults))


def backend_faults(run: Run) -> Iterator[str]:
    """Yield what the backend has no use for, and what it needs."""
    if run.quantization and run.backend != "hf":
        yield (
            f"--quantization {run.quantization} works with --backend hf; {run.backend} runs "
            "checkpoints that were quantised before (AWQ, GPTQ) as they are"
        )
    if run.backend == "openai":
        if not run.base_url:
            yield "--backend openai needs --base-url, for example http://localhost:8000/v1"
        if run.adapters:
            yield "--adapter: with --backend openai the server chooses; name its adapter as MODEL"
        if not run.tokenizer:
            yield "--backend openai needs --tokenizer, the served model's folder or Hub id"
        if run.revision != "main":
            yield "--revision: with --backend openai the server chooses"
        if run.device:
            yield "--device: with --backend openai the server chooses"
        if run.dtype != "auto":
            yield "--dtype: with --backend openai the server chooses"
    elif run.base_url:
        yield "--base-url belongs to --backend openai"
    if run.backend == "vllm" and run.device:
        yield (
            f"--device {run.device}: vLLM runs on the device that it is built for; "
            "CUDA_VISIBLE_DEVICES=1 in front of the command chooses among several"
        )
    if run.backend == "vllm" and run.batch_size:
        yield f"--batch-size {run.batch_size}: vLLM fills its batches by itself; leave it out"


def engine_faults(run: Run) -> Iterator[str]:
    """Yield what the engine cannot do."""
    of_ours = {"--strict": run.strict, "--batch-tokens": run.batch_tokens is not None}
    given = [name for name, is_given in of_ours.items() if is_given]
    if given and run.backend != "hf":
        yield f"{' and '.join(given)}: only with --backend hf, not {run.backend}"
        given = []
    if run.engine == "medbench":
        return
    if run.backend == "openai":
        yield "--engine stock: only with --backend hf or vllm; a server is the same for both"
        return
    if run.quantization and run.backend == "hf":
        given.append("--quantization")
    if len(run.adapters) > 1:
        given.append("more than one --adapter")
    if given:
        yield f"--engine stock cannot do {', '.join(given)}; --engine medbench can"


def adapter_faults(run: Run) -> Iterator[str]:
    """Yield adapters that are given twice."""
    counts = Counter(run.adapters)
    if twice := [name for name, count in counts.items() if count > 1]:
        yield f"--adapter {', '.join(twice)}: given more than once"


def value_faults(run: Run) -> Iterator[str]:
    """Yield values out of range."""
    if run.limit is not None and run.limit < 1:
        yield f"--limit {run.limit} must be at least 1"
    if run.limit is not None and run.items is not None:
        yield "the first questions (limit) and chosen ones (items) cannot both be asked for"
    if run.num_fewshot is not None and run.num_fewshot < 0:
        yield f"--num-fewshot {run.num_fewshot} must be at least 0"
    if run.batch_size not in (None, "auto") and not re.fullmatch(r"[1-9]\d*", run.batch_size):
        yield f"--batch-size {run.batch_size} must be a number of at least 1, or auto"
    if run.batch_tokens is not None and run.batch_tokens < 1:
        yield f"--batch-tokens {run.batch_tokens} must be at least 1"
    if run.dtype not in DTYPES:
        yield f"--dtype {run.dtype} must be one of {', '.join(DTYPES)}"


def generation_faults(run: Run) -> Iterator[str]:
    """Yield generation settings that cannot be read, and those that would do nothing."""
    parts = [part.partition("=") for part in (run.gen_kwargs or "").split(",") if part]
    if not all(sign for _, sign, _ in parts):
        yield f"--gen-kwargs {run.gen_kwargs} must look like a=1,b=2"
        return
    given = {name.strip(): value.strip() for name, _, value in parts}
    for name in ANSWER_LENGTHS:
        if name in given:
            yield (
                f"--gen-kwargs {name}={given[name]}: the tasks' own max_gen_toks comes before it; "
                f"say max_gen_toks={given[name]}"
            )
    is_greedy = given.get("do_sample", "").lower() != "true"
    idle = [f"{name}={given[name]}" for name in SAMPLING if given.get(name) not in (None, *ZEROS)]
    if idle and is_greedy and run.backend != "openai":
        yield (
            f"--gen-kwargs {','.join(idle)}: the tasks take the likeliest token, so this does "
            "nothing; add do_sample=True"
        )
