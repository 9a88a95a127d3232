# The bookstore. `make` alone says what there is. Runs on GNU make 3.81 (macOS) and later.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
WORKERS ?= 2
SEED ?= 1

# What a person has set up for pip (an index, a proxy, certificates) stays in force.
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help demo up test check format coverage bench bench-quick bench-commands bench-growth bench-overload simulate torture docs lock clean

help:
	@echo 'make demo      open a throwaway shop and tour it in the terminal'
	@echo 'make up        open the shop: http://127.0.0.1:8000 (ARGS="--port 0" and so on)'
	@echo 'make test      run every test (ARGS="-k purchase" for some, WORKERS=4 for more at once)'
	@echo 'make check     ruff and mypy'
	@echo 'make format    let ruff format the code'
	@echo 'make coverage  run every test and show which branches were not taken'
	@echo 'make bench     measure against a bare handler and ordinary shops, in 10 minutes (bench-quick: in one)'
	@echo 'make bench-commands, make bench-growth   how long commands take; what growing costs'
	@echo 'make bench-overload   ten times the load that the shop can carry, in a minute'
	@echo 'make simulate  replay one simulated shop, line by line (SEED=7, ARGS="--purchases 20")'
	@echo 'make torture   every fault in the large, for an hour (TORTURE=10m for less)'
	@echo 'make docs      write docs/cli.md anew, from the help pages'
	@echo 'make lock      lock the dependencies anew (ARGS=--upgrade for newer ones)'
	@echo 'make clean     remove what was made here'

demo: $(READY)
	@$(BIN)/bookstore demo $(ARGS)

up: $(READY)
	@exec $(BIN)/bookstore up $(ARGS)

test: $(READY)
	@$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

coverage: $(READY)
	@$(BIN)/pytest --cov --cov-report=term-missing $(ARGS)

bench: $(READY)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(READY)
	@$(BIN)/python -m benchmarks --quick $(ARGS)

bench-commands: $(READY)
	@$(BIN)/python -m benchmarks.commands $(ARGS)

bench-growth: $(READY)
	@$(BIN)/python -m benchmarks.growth $(ARGS)

bench-overload: $(READY)
	@$(BIN)/python -m benchmarks.overload $(ARGS)

simulate: $(READY)
	@$(BIN)/python -m tests.simulation $(SEED) $(ARGS)

torture: $(READY)
	@$(BIN)/python -m tests.torture

docs: $(READY)
	@$(BIN)/python -m tests.repo.cli_reference

# The stamp is touched last: an install that was cut off is begun again. The locked files name all
# that is needed, so nothing is resolved: a resolver that meets `coverage[toml]` beside the locked
# `coverage` may take the newest for it, which no hash allows, as soon as there is a newer one.
$(READY): requirements/runtime.txt requirements/dev.txt pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo 'The bookstore needs Python 3.11 or later, and there is no $(PYTHON). Install one, or name it: make PYTHON=/path/to/python3.12' >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The bookstore needs Python 3.11 or later, and $(PYTHON) is `"$(PYTHON)" -V 2>&1`. Name a later one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'This Python cannot make virtual environments. On Debian and Ubuntu install what is missing with: sudo apt install python3-venv' >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  echo 'Making $(VENV) and installing what the bookstore needs; this takes a minute.' >&2; \
	  "$(PYTHON)" -m venv --clear $(VENV); }
	@$(PIP) install --no-deps --require-hashes -r requirements/runtime.txt -r requirements/dev.txt
	@$(PIP) check >&2
	@PYTHONWARNINGS=ignore $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(READY)

# With the oldest Python, so that nothing is left out that only it needs.
lock: $(READY)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo 'Lock with Python 3.11, the oldest that the bookstore runs on: make clean lock PYTHON=python3.11' >&2; exit 1; }
	@cd requirements && for name in runtime dev; do \
	  ../$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	    $(ARGS) --output-file=$$name.txt $$name.in || exit 1; \
	  { echo "# Locked from $$name.in, with the hashes of every file of each release, whatever system it is for."; \
	    echo '# Not edited by hand: `make lock` renews it.'; \
	    grep -v -e '^# Locked from' -e '^# Not edited by hand' $$name.txt; } > $$name.tmp; \
	  mv $$name.tmp $$name.txt; done

clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
