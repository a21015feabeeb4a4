# `make demo` and `make test` do everything on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP = $(VENV)/.installed

.PHONY: help install demo test lint format docs docs-serve bench validation adaptation study dist clean

help:
	@echo "make demo    environment, install, quickstart pipeline, report"
	@echo "make test    environment, install, lint, types, tests with coverage, docs build"
	@echo "make lint    ruff and mypy only"
	@echo "make docs    build the documentation into site/"
	@echo "make bench   measure speed and memory (minutes)"
	@echo "make validation   compare the Monte Carlo with measurements (a quarter of an hour)"
	@echo "make adaptation   compare ways of adaptation on stacks with hidden truth (hours)"
	@echo "make study   the paper's study, with all its tables and figures (hours)"
	@echo "make dist    build sdist and wheel into dist/"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "fib needs Python 3.11 or newer; set PYTHON=... to one"; exit 1; }
	@$(PYTHON) -m ensurepip --version >/dev/null 2>&1 || \
		{ [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -yq python3-venv; } || \
		{ echo "this Python cannot make environments: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install --upgrade pip
	$(PIP) install --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

install: $(STAMP)

demo: $(STAMP)
	$(BIN)/fib run examples/quickstart.json

test: lint $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal --cov --cov-report=term:skip-covered
	$(BIN)/python -m coverage report --include='fibcore/*' --fail-under=90 --format=total
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: $(STAMP)
	$(BIN)/mkdocs serve

bench: $(STAMP)
	$(BIN)/python benchmarks/run_all.py

validation: $(STAMP)
	$(BIN)/python -m benchmarks.validation

adaptation: $(STAMP)
	$(BIN)/python -m benchmarks.adaptation

study: $(STAMP)
	$(BIN)/python -m benchmarks.study

dist: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build

clean:
	rm -rf build dist site *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache
