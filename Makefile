# Everything starts here, on a machine with Python 3.11 or later and make: each target builds what it needs in .venv.
PYTHON ?= python3
ARGS ?=
BENCH ?=
SEED ?= 1
MESSAGES ?= 50000
MINUTES ?= 10
RATE ?= 2000
SIEGE_RATE ?= 1000
LINES ?= 1000000

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links

# Bytecode is kept, also where the environment says otherwise: without it each process that a test starts, and each that
# `make run` does, compiles the product again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install lock run test quick lint bench chaos outage siege truth fuzz pictures clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 16

install: $(INSTALLED) ## build .venv with everything in requirements.txt

# Built again when the requirements change; a failed installation leaves no stamp. Every package, whoever needs it, is
# installed as .locks has it, by its hash.
$(INSTALLED): requirements.txt .locks/all.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes --requirement .locks/all.txt
	@touch $(INSTALLED)

lock: ## write .locks anew after requirements.txt was changed
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/pip install -qq $$(grep -o '^uv==[0-9.]*' requirements.txt); }
	@mkdir -p .locks
	@sed '/^# Embedded servers/,$$d' requirements.txt > .locks/runtime.in
	@$(LOCK) requirements.txt --output-file .locks/all.txt
	@$(LOCK) .locks/runtime.in --output-file .locks/runtime.txt
	@rm .locks/runtime.in

run: $(INSTALLED) ## run the whole system until Ctrl-C (ARGS="--port 9000")
	@$(BIN)/python manage.py up $(ARGS)

test: $(INSTALLED) ## run all tests (ARGS="-k breaker")
	@$(BIN)/python -m tests $(ARGS)

quick: $(INSTALLED) ## run the tests that need no server, in seconds
	@$(BIN)/python -m pytest -q --no-header -n 2 --quick tests $(ARGS)

lint: $(INSTALLED) ## check style, format and types
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo 'run .venv/bin/ruff format'; exit 1; }
	@$(BIN)/mypy --no-error-summary

bench: $(INSTALLED) ## measure (BENCH="name")
	@$(BIN)/python -m tests.benchmarks $(BENCH)

chaos: $(INSTALLED) ## kill everything under traffic, then count (SEED=1 MESSAGES=50000)
	@$(BIN)/python -m tests.chaos --seed $(SEED) --messages $(MESSAGES)

outage: $(INSTALLED) ## keep the database away under traffic, then count (MINUTES=10 RATE=2000)
	@$(BIN)/python -m tests.chaos.outage --minutes $(MINUTES) --rate $(RATE)

siege: $(INSTALLED) ## attack everything beside honest traffic, then count (MINUTES=10 SIEGE_RATE=1000)
	@$(BIN)/python -m tests.siege --minutes $(MINUTES) --rate $(SIEGE_RATE)

truth: $(INSTALLED) ## put faults into a simulated sea, then count what is caught (SEED=1)
	@$(BIN)/python -m tests.truth --seed $(SEED)

fuzz: $(INSTALLED) ## feed mutated lines of every format (LINES=1000000 SEED=n)
	@$(BIN)/python -m tests.fuzz --lines $(LINES) $(if $(filter command line,$(origin SEED)),--seed $(SEED))

pictures: $(INSTALLED) ## take the README's pictures anew, in a real Chromium
	@$(BIN)/python -m tests.pictures $(ARGS)

clean: ## remove .venv and caches; your data in .data stays
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find manage.py tracking ingest resilience tests -name __pycache__ -prune -exec rm -rf {} +
