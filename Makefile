PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-all lint typecheck bench figures clean

help:
	@echo "make demo      the main job: a vectorized sweep over optimizers and learning rates"
	@echo "make test      the tests, at reduced sizes"
	@echo "make test-all  the tests in full"
	@echo "make figures   draws the pictures of docs/figures.md again"
	@echo "make lint typecheck bench clean"

# Installs again only when what it installs from has changed.
.venv/ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: .venv/ready
	$(BIN)/python examples/demo.py

test: .venv/ready
	$(BIN)/python -m pytest

test-all: .venv/ready
	GRADTX_FULL=1 $(BIN)/python -m pytest

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: .venv/ready
	$(BIN)/pyright

bench: .venv/ready
	$(BIN)/python -m benchmarks.cost

figures: .venv/ready
	$(BIN)/python examples/figures.py

clean:
	rm -rf .venv runs build dist .pytest_cache .ruff_cache .hypothesis
