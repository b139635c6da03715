# `make demo` and `make test` are all a newcomer needs; both set up what they use in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK ?= yes
LOCKS := $(wildcard supply/locks/*.txt)
INSTALL := $(BIN)/python supply/install.py $(if $(filter no,$(LOCK)),--no-lock)
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal --doctest-modules --doctest-glob=README.md src tests README.md

.PHONY: demo test test-slow coverage docs lint clean test-faults audit locks package-check

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
	cd tests && PYTHONPATH=. ../$(BIN)/python -m faults.run $(FAULTS)
	cd tests && PYTHONPATH=. ../$(BIN)/python -m hostile.run --changes 2000 $(FAULTS)
	ARCHSIEVE_FUZZ_EXAMPLES=100 $(BIN)/python -m pytest -n 2 tests/hostile tests/test_reading.py

audit: $(VENV)/.ready-dev # what is installed, in the database of known vulnerabilities
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/python supply/audit.py --pip-audit $(VENV)-audit/bin/pip-audit

locks: # of this Python on this platform, as pip chooses today
	$(PYTHON) supply/make_locks.py

package-check: $(VENV)/.ready-dev # wheel and source distribution in clean environments of every Python at hand
	$(BIN)/python supply/package_check.py

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

$(VENV)/.ready-demo: $(VENV)/bin/python pyproject.toml constraints.txt $(LOCKS)
	$(INSTALL) demo
	touch $@

$(VENV)/.ready-dev: $(VENV)/bin/python pyproject.toml constraints.txt $(LOCKS)
	$(INSTALL) test
	touch $@ $(VENV)/.ready-demo
