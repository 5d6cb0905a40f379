PYTHON ?= python3
BIN     = .venv/bin
TESTS   =

# a module is compiled once, not again in each of the processes that tests start
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test test-slow test-all versions gpu bench notebooks docs lint clean

demo: .venv/.ready
	$(BIN)/inverse-inr run problems/ct.toml --out runs/ct --force --threads 1

# the fast part of the suite; the rest measures longer fits, real data, presets and notebooks
test: .venv/.ready-test
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow" $(TESTS)

test-slow: .venv/.ready-test
	$(BIN)/pytest -n 2 --dist worksteal -m slow

test-all: test test-slow

# the fast part with the oldest and with the newest versions that pyproject.toml allows, each in an
# environment of its own below build/versions; INVERSE_INR_ENDS=oldest for one of them
versions:
	$(PYTHON) tests/cases/command/both_ends.py $(INVERSE_INR_ENDS)

# what only a CUDA device can show; skipped, with the reason, where there is none. The times of the
# kernels beside their definitions are written to runs/gpu/kernels.md
gpu: .venv/.ready-test
	CUBLAS_WORKSPACE_CONFIG=:4096:8 TRITON_DEFAULT_FP_FUSION=1 INVERSE_INR_TIMINGS=runs/gpu/kernels.md \
		$(BIN)/pytest -m gpu --durations=0

# ratios to ASTRA, scikit-image, finufft, scipy and bare loops, a few minutes; written to docs/speed.md
bench: .venv/.ready-test
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/speed/table.py --page docs/speed.md

# each notebooks/*.ipynb from its .py, with its one figure; runs those whose code changed
notebooks: .venv/.ready-test
	OMP_NUM_THREADS=1 $(BIN)/python docs/making/stored_notebooks.py

# build/docs/index.html; a warning is an error. INVERSE_INR_DOCS_ONLINE=1 also links to the pages of
# Python, numpy, scipy and torch, which needs a network
docs: .venv/.ready-docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -b html -W --keep-going -j 2 -d build/doctrees docs build/docs

lint: .venv/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

.venv/.ready-test: .venv/.ready
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[test]"
	@touch $@

.venv/.ready-docs: .venv/.ready
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[docs]"
	@touch $@

.venv/.ready-dev: .venv/.ready-test
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[test,dev]"
	@touch $@

clean:
	rm -rf .venv runs build *.egg-info
