"""A mixture as evaluation and publishing meet it: read as it is, refused where it cannot run."""

from pathlib import Path

import pytest
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from medbench.engine.adapter import read_adapter
from medbench.engine.adapter_switch import AdapterSwitch
from medbench.engine.hf import MedbenchHF
from medbench.errors import ModelError
from medbench.publish.gates.tensors import adapter_shapes, skeleton
from medbench.training.adapted import shapes
from tests.mixtures import mixture_checkpoint

QUESTIONS = [
    ("Which vitamin prevents scurvy?\nA. Vitamin C\nB. Vitamin D\nAnswer:", [" A", " B", " AB"]),
    ("Which organ makes insulin?\nA. Liver\nB. Pancreas\nAnswer:", [" A", " B", " AB"]),
    ("Which organ makes insulin?\nA. Pancreas\nB. Spleen\nAnswer:", [" A", " B", " AB"]),
]
REQUESTS = [
    Instance("loglikelihood", {}, (prompt, letter), index)
    for index, (prompt, letters) in enumerate(QUESTIONS)
    for letter in letters
]


@pytest.fixture(scope="module")
def mixture(wide_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixture_checkpoint(wide_model, tmp_path_factory.mktemp("mixture") / "mixture")


def scores(lm: HFLM) -> list[float]:
    return [score for score, _ in lm.loglikelihood(REQUESTS, disable_tqdm=True)]


def test_packed_letters_are_those_of_stock(wide_model: Path, mixture: Path) -> None:
    """The engine computes shared tokens once, and may lay experts' matrices out anew."""
    told = {"pretrained": str(wide_model), "dtype": "float32", "device": "cpu", "batch_size": 1}
    ours = MedbenchHF(**told, peft=str(mixture))
    assert ours.can_pack
    stock = HFLM(**told, peft=str(mixture), softmax_dtype="float32")
    assert scores(ours) == pytest.approx(scores(stock), abs=1e-4)
    bare = MedbenchHF(**told)
    before = scores(bare)
    assert scores(ours) != pytest.approx(before, abs=1e-2)
    switch = AdapterSwitch(bare)
    switch.use(str(mixture))
    assert scores(bare) == pytest.approx(scores(ours), abs=1e-5)
    switch.use(None)
    assert scores(bare) == before


def test_vllm_refuses_it_and_names_the_way_out(mixture: Path) -> None:
    with pytest.raises(ModelError, match="mixture of experts, which vLLM cannot run") as error:
        read_adapter(mixture).check_vllm()
    assert "`medbench merge --only shared`" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_should_be_saved_of_it_is_known(wide_model: Path, mixture: Path) -> None:
    found = shapes(mixture / "adapter_model.safetensors")
    least, most = adapter_shapes(mixture, skeleton(str(wide_model), None, False), found)
    assert least == found and most.items() > found.items()
