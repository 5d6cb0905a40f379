PYTHON ?= python3
BIN     = .venv/bin

.PHONY: demo test lint notebooks clean

demo: .venv/.ready
	$(BIN)/inverse-inr run problems/ct.toml --out runs/ct --force --threads 1

test: .venv/.ready-test
	$(BIN)/pytest -n 2 --dist loadfile

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

.venv/.ready-dev: .venv/.ready-test
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[test,dev]"
	@touch $@

clean:
	rm -rf .venv runs build *.egg-info
