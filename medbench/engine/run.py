"""One evaluation as asked for, and which settings go together."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medbench.errors import ModelError

__all__ = ["Backend", "Run", "check"]

Backend = Literal["hf", "vllm", "openai"]
DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation, as asked for on the command line."""

    model: str
    """A local folder, a Hub id, or (openai) the name that the server gives the model."""
    tasks: tuple[str, ...]
    """Task names, group names and wildcards."""
    backend: Backend = "hf"
    """What runs the model."""
    adapter: str | None = None
    """A PEFT adapter: a local folder or a Hub id."""
    quantization: str | None = None
    """nf4, fp4 or int8, at load, through bitsandbytes (hf only)."""
    limit: int | None = None
    """Only the first so many questions of each task."""
    num_fewshot: int | None = None
    """Examples before each question; None: as the task says."""
    chat_template: Literal["auto", "on", "off"] = "auto"
    """auto: on where the tokenizer has one."""
    gen_kwargs: str | None = None
    """Overrides of the tasks' generation settings, as lm-eval writes them: "a=1,b=2"."""
    batch_size: str = "8"
    """Requests at once: a number, or auto."""
    device: str | None = None
    """cpu, cuda, cuda:1, mps; None: what there is."""
    dtype: str = "auto"
    """float32, bfloat16, float16; auto: as saved."""
    base_url: str | None = None
    """openai: the server's address, up to /v1."""
    tokenizer: str | None = None
    """openai: the model's tokenizer, a local folder or a Hub id."""
    trust_remote_code: bool = False
    """Run code that comes with a model."""
    output: Path = Path("runs")
    """Results go to <output>/<model>/results_<time>.json and samples_<task>_<time>.jsonl."""

    @property
    def display_name(self) -> str:
        """The model's short name, the adapter's behind it."""
        parts = [self.model, *([self.adapter] if self.adapter else [])]
        short = [part.rstrip("/").rsplit("/", 1)[-1] for part in parts]
        name = "__".join([*short, *([self.quantization] if self.quantization else [])])
        return "".join(c if c.isalnum() or c in "-._" else "_" for c in name)

    @property
    def tokenizer_name(self) -> str:
        """Where the tokenizer is."""
        return self.tokenizer or self.model


def check(run: Run) -> None:
    """Refuse settings that do not go together, all at once.

    Raises:
        ModelError: what is wrong with them.
    """
    faults = []
    if run.quantization and run.backend != "hf":
        faults.append(
            f"--quantization {run.quantization} works with --backend hf; {run.backend} runs "
            "checkpoints that were quantised before (AWQ, GPTQ) as they are"
        )
    if run.backend == "openai":
        if not run.base_url:
            faults.append("--backend openai needs --base-url, for example http://localhost:8000/v1")
        if run.adapter:
            faults.append(
                "--adapter: with --backend openai the server chooses; name its adapter as MODEL"
            )
        if not run.tokenizer:
            faults.append("--backend openai needs --tokenizer, the served model's folder or Hub id")
    elif run.base_url or run.tokenizer:
        faults.append("--base-url and --tokenizer belong to --backend openai")
    if run.limit is not None and run.limit < 1:
        faults.append(f"--limit {run.limit} must be at least 1")
    if run.num_fewshot is not None and run.num_fewshot < 0:
        faults.append(f"--num-fewshot {run.num_fewshot} must be at least 0")
    if run.batch_size != "auto" and not re.fullmatch(r"[1-9]\d*", run.batch_size):
        faults.append(f"--batch-size {run.batch_size} must be a number of at least 1, or auto")
    if run.dtype not in DTYPES:
        faults.append(f"--dtype {run.dtype} must be one of {', '.join(DTYPES)}")
    if run.gen_kwargs and not all("=" in part for part in run.gen_kwargs.split(",")):
        faults.append(f"--gen-kwargs {run.gen_kwargs} must look like a=1,b=2")
    if faults:
        raise ModelError("\n".join(faults))
