# The two commands a new user needs: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two workers with one thread each beat one worker with two.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test test-all lint clean

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	# The plain CPU build of torch, before anything else can ask for a larger one.
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,ray]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/kgdistill run pipelines/quickstart.toml

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2

test-all: $(VENV)/.installed
	$(BIN)/python -m pytest -m ''

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs build *.egg-info
