# `make demo` and `make test` do everything on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# plugins/ is the package fib_plugins: therefore an editable install goes by an import hook, and
# setuptools warns of other folders that have the name of a package. There are none here.
PIP = $(BIN)/python -W 'ignore:Editable installation' -m pip --disable-pip-version-check --quiet
STAMP = $(VENV)/.installed

# what `make gpu` runs on: the machine's own Python, which has PyTorch and Numba for its GPU
GPU_PYTHON ?= $(PYTHON)
GPU_PYTHON_VERSION ?= 3.12
WHEELS ?= build/gpu-wheels
OUT ?= docs
PARTS ?=
BUDGET ?= 1

.PHONY: help install demo reconstruct test test-long lint format fuzz crash docs docs-serve bench bench-large validation adaptation study \
	simulations backscatter-table gpu gpu-dry gpu-wheels dist clean

help:
	@echo "make demo    environment, install, quickstart pipeline, report"
	@echo "make reconstruct   a raw stack is reconstructed, beside its hidden truth (five minutes)"
	@echo "make test    environment, install, lint, types, tests with coverage, docs build"
	@echo "make test-long  long tests that make test leaves out (minutes)"
	@echo "make lint    ruff and mypy only"
	@echo "make fuzz    5000 damaged files, changed pipelines and models (two minutes)"
	@echo "make crash   100 kills at random moments, and the same bytes in the end (half an hour)"
	@echo "make docs    build the documentation into site/"
	@echo "make bench   measure speed and memory (minutes)"
	@echo "make bench-large   the same for stacks of up to 33.6 GB (two hours, 40 GB of disk)"
	@echo "make validation   compare the Monte Carlo with measurements (half an hour)"
	@echo "make adaptation   compare ways of adaptation on stacks with hidden truth (hours)"
	@echo "make study   the paper's study, with all its tables and figures (hours)"
	@echo "make simulations   Monte Carlo, the paper's way and the surrogate compared (half an hour)"
	@echo "make backscatter-table   simulate the table that physics/monte_carlo looks up (20 minutes)"
	@echo "make gpu     measure everything on an NVIDIA GPU, into docs/gpu.md (eight minutes)"
	@echo "make gpu-wheels   what a GPU machine without a network lacks, into build/gpu-wheels"
	@echo "make gpu-dry      make gpu in tiny sizes on the CPU, into build/gpu-dry"
	@echo "make dist    build sdist and wheel into dist/"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "fib needs Python 3.11 or newer; set PYTHON=... to one"; exit 1; }
	@$(PYTHON) -m ensurepip --version >/dev/null 2>&1 || \
		{ [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -yq python3-venv; } || \
		{ echo "this Python cannot make environments: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python pyproject.toml setup.py constraints.txt
	$(PIP) install --upgrade pip
	$(PIP) install --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

install: $(STAMP)

demo: $(STAMP)
	$(BIN)/fib run examples/quickstart.json

reconstruct: $(STAMP)
	$(BIN)/python tools/demo.py

test: lint $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal -m "not long" \
		--cov --cov-report=term:skip-covered
	$(BIN)/python -m coverage report --include='fibcore/*' --fail-under=90 --format=total

test-long: $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 -m long

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz.files --count 2000
	$(BIN)/python -m tests.fuzz.pipelines --count 2000
	$(BIN)/python -W ignore -m tests.fuzz.models --count 1000

crash: $(STAMP)
	$(BIN)/python -m tests.crash.kills --kills 100

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: $(STAMP)
	$(BIN)/mkdocs serve

bench: $(STAMP)
	$(BIN)/python -m benchmarks.run_all

bench-large: $(STAMP)
	$(BIN)/python -m benchmarks.run_all 'large metrics' 'large labels' 'large correctors' 'large check'

validation: $(STAMP)
	$(BIN)/python -m benchmarks.validation

adaptation: $(STAMP)
	$(BIN)/python -m benchmarks.adaptation

study: $(STAMP)
	$(BIN)/python -m benchmarks.study

simulations: $(STAMP)
	$(BIN)/python -m benchmarks.study simulations

backscatter-table: $(STAMP)
	$(BIN)/python tools/make_backscatter_table.py

gpu:
	$(GPU_PYTHON) benchmarks/gpu/start.py --wheels '$(WHEELS)' --out '$(OUT)' \
		--parts '$(PARTS)' --budget '$(BUDGET)'

gpu-dry: $(STAMP)
	$(BIN)/python benchmarks/gpu/start.py --dry --wheels '$(WHEELS)' --out build/gpu-dry \
		--parts '$(PARTS)' --budget '$(BUDGET)'

gpu-wheels: $(STAMP)
	$(BIN)/python -m benchmarks.gpu.wheels --out '$(WHEELS)' --python '$(GPU_PYTHON_VERSION)'

dist: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build

clean:
	rm -rf build dist site *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache
