# make demo                         everything once, on rendered clips
# make cache DATASET=mosi ROOT=…    stage 1
# make train DATASET=mosi           stage 2
# make eval  DATASET=mosi
# make test

PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin
DATASET ?= demo
READY   := $(VENV)/.ready

.PHONY: help setup demo cache train eval test lint clean

help:
	@sed -n '1,/^$$/s/^# //p' Makefile

setup: $(READY)

# Made again when the dependencies change; a set-up that was interrupted leaves no .ready behind.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	$(BIN)/semanticmac demo

cache: setup
	$(BIN)/semanticmac cache $(DATASET) $(if $(ROOT),--root '$(ROOT)') $(if $(ENCODER),--encoder '$(ENCODER)')

train: setup
	$(BIN)/semanticmac train --from-cache --dataset $(DATASET) $(if $(SEED),--seed $(SEED))

eval: setup
	$(BIN)/semanticmac eval --split test --dataset $(DATASET)

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache
