"""What cannot be loaded ends in one error with the library's own reason."""

import json
import shutil
from pathlib import Path

import pytest

from medbench.engine.backends import load_model
from medbench.engine.loading import not_loaded
from medbench.engine.run import Run
from medbench.errors import ModelError


@pytest.mark.parametrize(
    ("method", "library"), [("awq", "install gptqmodel`"), ("gptq", "install optimum`")]
)
def test_weights_that_need_another_library(
    tiny_model: Path, tmp_path: Path, method: str, library: str
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / method)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["quantization_config"] = {"quant_method": method, "bits": 4, "group_size": 32}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(ModelError) as found:
        load_model(Run(str(folder), ("usmle",)), {None: None})
    assert f"{method} could not be loaded: " in str(found.value)
    assert library in str(found.value)
    assert "--backend vllm runs AWQ and GPTQ weights" in str(found.value)


def test_other_reasons_name_no_backend() -> None:
    message = str(not_loaded("m", OSError("no file\n\nlong advice")))
    assert message == "m could not be loaded: no file"
