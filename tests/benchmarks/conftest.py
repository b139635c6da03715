"""Loaded tables, read once; a test that needs a file that is not there is skipped and says so."""

import pytest

from archsieve.benchmarks import analog as analog_module
from archsieve.benchmarks import column_files
from archsieve.benchmarks.nasbench301 import surrogate
from archsieve.registry import BENCHMARKS


def _loaded(name):
    benchmark = BENCHMARKS[name]
    if not benchmark.is_present():
        pytest.skip(f"{benchmark.source.file} is not there: see `archsieve data`")
    return benchmark.load()


@pytest.fixture(scope="session")
def macro():
    return _loaded("nasbench-macro-cifar10")


@pytest.fixture(scope="session")
def cells():
    return _loaded("nasbench201-cifar10")


@pytest.fixture(scope="session")
def analog():
    return _loaded("nasbench201-analog")


@pytest.fixture(scope="session")
def published():
    return _loaded("nasbench201-published-proxies")


@pytest.fixture(scope="session")
def published301():
    return _loaded("nasbench301-published-proxies")


@pytest.fixture(autouse=True)
def untried(monkeypatch):
    """Read files at once: a trial in a process of its own takes half a second. `tests/test_reading.py` tests trials."""
    for module in (analog_module, column_files, surrogate):
        monkeypatch.setattr(module, "try_first", lambda paths, reader: None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty ARCHSIEVE_DATA."""
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    return tmp_path
