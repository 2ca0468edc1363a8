"""The sections of a recipe that describe the base model, and what a dry run must know of it."""

from dataclasses import dataclass, field
from typing import Literal

from medbench.recipe.bounds import Count

__all__ = ["Facts", "Load", "Merge", "Model", "Quantization", "Start", "Tokenizer"]

Load = Literal["none", "nf4", "fp4", "int8", "awq", "gptq"]
Merge = Literal["all", "attention", "shared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a dry run must know of a model: it sees neither its weights nor the network."""

    parameters: Count
    """All weights, the embeddings included; tied ones count once."""
    layers: Count
    """Decoder layers."""
    hidden_size: Count
    """Width between the layers."""
    intermediate_size: Count
    """Width inside a feed-forward block."""
    heads: Count
    """Query heads."""
    kv_heads: Count
    """Key and value heads; fewer than `heads` where they are shared."""
    head_size: Count | None = None
    """Width of a head where it is not hidden_size / heads."""
    vocabulary: Count
    """Rows of the embedding matrix."""
    tied_embeddings: bool = False
    """Input and output embeddings are one matrix."""
    context: Count
    """The longest text that it was trained on, in tokens."""
    licence: str = ""
    """As the model card states it; empty: look there."""
    gated: bool = False
    """The Hub asks for a licence to be accepted first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """The tokenizer, where the model's own needs a word said."""

    id: str = ""
    """Hub id or folder; empty: the model's."""
    pad: str = ""
    """The token that fills a batch; empty: its own, or the end of the text where it has none."""
    stop: str = ""
    """The token that ends an answer, and is learnt; empty: the end of the text or of a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Another recipe, whose checkpoint stands for the model's own weights."""

    recipe: str
    """A recipe beside this one, or a name in the zoo; `medbench run` does it first."""
    merge: Merge | None = None
    """What of its adapter becomes part of the weights; all of it unless it says otherwise."""
    folder: str | None = None
    """Where these weights lie; `medbench run` fills it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model to start from."""

    id: str
    """Hub id or folder."""
    revision: str = "main"
    """Branch, tag or commit on the Hub."""
    architecture: str = ""
    """The class that its configuration names: LlamaForCausalLM."""
    layer_class: str = ""
    """The class of one decoder layer, which FSDP wraps: LlamaDecoderLayer."""
    trust_remote_code: bool = False
    """Run code that comes with the model."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    """How attention is computed; auto: the fastest that the machine has."""
    tokenizer: Tokenizer = field(default_factory=Tokenizer)
    """The tokenizer."""
    facts: Facts | None = None
    """Sizes and licence; without them nothing can be estimated."""
    start: Start | None = None
    """What was made of it before."""

    @property
    def weights(self) -> str:
        """Where the weights are read from: the start's folder once it is known, else `id`."""
        return (self.start and self.start.folder) or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How the base model's weights are held."""

    load: Load = "none"
    """nf4, fp4, int8: quantised at load, by bitsandbytes; awq, gptq: the checkpoint already is."""
    double_quant: bool | None = None
    """4 bits: quantise the scales too; on unless it says false."""
    compute_dtype: Literal["bfloat16", "float16", "float32"] | None = None
    """4 bits: what weights become when they are used; bfloat16 unless it says otherwise."""
