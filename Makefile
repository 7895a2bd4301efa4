# What a developer does, one word each; `make help` lists the words.
# Needs Python 3.11 or newer, make, and a package index that pip can reach.

PYTHON ?= python3
PORT ?= 5000
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUNTIME := .venv/installed-runtime
DEVELOPMENT := .venv/installed-development
DEMO := demo
# Half of the tests' time is spent waiting: one process more than there are cores, 4 at most.
PROCESSES := from benchmarks.machine import count_cores; print(min(4, count_cores() + 1))
PARALLEL = -n $(shell $(BIN)/python -c "$(PROCESSES)") --dist worksteal

.DEFAULT_GOAL := help
REQUESTS ?= 20000
SEED ?=
MINUTES ?= 30
RATE ?=
STORE ?= sqlite

.PHONY: help install install-dev run test test-fuzz test-faults soak check format bench lock clean

help: ## list these words
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

install: $(RUNTIME) ## install Gridlore into .venv, with the versions of requirements.lock

install-dev: $(DEVELOPMENT) ## the same with what tests and checks need, of requirements-dev.lock

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Gridlore needs Python 3.11 or newer; got " + sys.version + ". Name another: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing into .venv ..."
	$(PIP) install -r requirements.lock
	$(PIP) install --no-deps --editable .
	@touch $@

$(DEVELOPMENT): requirements-dev.lock pyproject.toml $(RUNTIME)
	@echo "Installing what tests and checks need into .venv ..."
	$(PIP) install -r requirements-dev.lock
	@touch $@

run: export GRIDLORE_PORT := $(PORT)
run: $(RUNTIME) $(DEMO)/complete ## make the demo world (once) and serve it; PORT=8080 serves it elsewhere
	@$(BIN)/gridlore --database-url sqlite:///$(DEMO)/gridlore.db demo --if-empty
	@$(BIN)/gridlore --database-url sqlite:///$(DEMO)/gridlore.db serve

# Made whole or made again: a demo that was interrupted is no demo.
$(DEMO)/complete: | $(RUNTIME)
	@mkdir -p $(DEMO)
	@rm -f $(DEMO)/gridlore.db $(DEMO)/gridlore.db-wal $(DEMO)/gridlore.db-shm
	@echo "Making the demo world in $(DEMO)/gridlore.db ..."
	@$(BIN)/gridlore --database-url sqlite:///$(DEMO)/gridlore.db demo --no-guide
	@touch $@

include make/browser.mk

test: $(DEVELOPMENT) browser ## run all tests; ARGS="-k world -x" goes to pytest, "-n 0" runs them in one process
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-fuzz: $(DEVELOPMENT) ## send 20,000 strange requests; REQUESTS=100000 more, SEED=7 the same again
	GRIDLORE_TEST_FUZZ=$(REQUESTS) GRIDLORE_TEST_SEED=$(SEED) $(BIN)/python -m pytest -o timeout=3600 tests/fuzz $(ARGS)

test-faults: $(DEVELOPMENT) ## break what can break, long: 20 kills, full disks, PostgreSQL away, overload
	GRIDLORE_TEST_FAULTS=1 $(BIN)/python -m pytest -o timeout=900 -rP tests/faults $(ARGS)

soak: $(DEVELOPMENT) ## steady mixed load at 70 % of capacity for MINUTES=30: is it flat? STORE=postgres
	$(BIN)/python -m tests.soak --minutes $(MINUTES) --store $(STORE) $(if $(RATE),--rate $(RATE)) $(ARGS)

check: $(DEVELOPMENT) ## lint, format, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

format: $(DEVELOPMENT) ## bring the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEVELOPMENT) ## measure how fast it is, 10 minutes (QUICK=1: below 2), and keep the figures in bench.json
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) --json bench$(if $(QUICK),-quick).json $(ARGS)

lock: ## write both lock files anew, with the newest versions that pyproject.toml allows
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip --disable-pip-version-check --quiet install .
	build/lock/bin/pip freeze --exclude gridlore | sed "s/^uvloop==.*/&; sys_platform != 'win32'/" > requirements.lock
	build/lock/bin/pip --disable-pip-version-check --quiet install '.[dev]'
	build/lock/bin/pip freeze --exclude gridlore | sed "s/^uvloop==.*/&; sys_platform != 'win32'/" > requirements-dev.lock

clean: ## remove what was made here: .venv, demo and caches
	rm -rf .venv $(DEMO) bench*.json build src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
