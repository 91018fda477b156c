# make demo                         everything once, on rendered clips
# make cache DATASET=mosi ROOT=…    stage 1; ENCODER=… names another encoder than ImageBind
# make train DATASET=mosi           stage 2; SEED=2 for another seed
# make eval  DATASET=mosi           scores of the newest run of the dataset on its test split
# make setup                        .venv with the tested versions; the other targets call it
# make test                         in two processes; JOBS=4 for more
# make lint                         ruff and mypy --strict
# make bench                        measures the claims about both stages, a quarter of an hour (benchmarks/README.md)
# make gpu                          checks and figures of a GPU, at most 8 minutes (docs/gpu.md)
# make tiny                         train imagebind-tiny's weights (docs/imagebind-tiny.md)
# make clean                        removes .venv and the caches of the tools

PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin
DATASET ?= demo
JOBS    ?= 2
READY   := $(VENV)/.ready

.PHONY: gpu tiny help setup demo cache train eval test bench lint clean

help:
	@sed -n '1,/^$$/s/^# //p' Makefile

setup: $(READY)

# Made again when the dependencies change; a set-up that was interrupted leaves no .ready behind.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	mkdir -p $(VENV)/src && ln -sfn '$(CURDIR)' $(VENV)/src/semanticmac  # where editors and mypy find the package
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
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

tiny: setup
	$(BIN)/python -m semanticmac.preprocess.demo.training.contrastive

bench: setup
	for each in frames embeddings 'memory --seconds 120' fuzz fuzz_files \
	    read loader train_step 'pseudo_labels --many 0' ablation; do $(BIN)/python -m benchmarks.$$each || exit 1; done

# Without `setup`: a machine that is lent has torch and transformers, and no network.
gpu:
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) benchmarks/gpu.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache
