# `make demo` and `make test` are all a newcomer needs; both set up what they use in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal --doctest-modules --doctest-glob=README.md src tests README.md

.PHONY: demo test test-slow coverage docs lint clean test-faults audit

demo: $(VENV)/.ready-demo
	$(BIN)/archsieve search demo --out runs/demo --workers 2

test: lint
	$(PYTEST) -m "not slow"

coverage: $(VENV)/.ready-dev # takes twice as long as the tests alone
	$(PYTEST) -m "not slow" --cov --cov-report=term:skip-covered

test-slow: $(VENV)/.ready-dev
	$(PYTEST) -m slow

docs: $(VENV)/.ready-dev # the tests build it too
	$(BIN)/python -m mkdocs build --strict --quiet

test-faults: $(VENV)/.ready-dev # kills, failing writes, damage and files from strangers, about half an hour
	cd tests && PYTHONPATH=. ../$(BIN)/python -m faults.run
	cd tests && PYTHONPATH=. ../$(BIN)/python -m hostile.run --changes 2000
	ARCHSIEVE_FUZZ_EXAMPLES=100 $(BIN)/python -m pytest -n 2 tests/hostile tests/test_reading.py

audit: $(VENV)/.ready-dev # what is installed, in the database of known vulnerabilities
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)-audit/bin/pip-audit --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

clean:
	rm -rf $(VENV) $(VENV)-audit runs site .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "archsieve needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-demo: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[torch,data]'
	touch $@

$(VENV)/.ready-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[all,dev,docs]'
	touch $@ $(VENV)/.ready-demo
