"""Published tables, read once; a test that needs a file that is not there is skipped and says so."""

import pytest

from archsieve.registry import BENCHMARKS


def present(name):
    benchmark = BENCHMARKS[name]
    if not benchmark.is_present():
        pytest.skip(f"{benchmark.source.file} is not there: see `archsieve data`")
    return benchmark


@pytest.fixture(scope="session")
def macro_table():
    return present("nasbench-macro-cifar10").load()


@pytest.fixture(scope="session")
def cell_benchmark():
    return present("nasbench201-cifar10")


@pytest.fixture(scope="session")
def published():
    return present("nasbench201-published-proxies").load()


@pytest.fixture(scope="session")
def published301():
    return present("nasbench301-published-proxies").load()
