"""What holds for every registered benchmark."""

import dataclasses
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from archsieve.errors import MissingDataError
from archsieve.registry import BENCHMARKS, SPACES
from archsieve.sources import Source
from archsieve.testing import BenchmarkContract
from plugins.shipped import shipped

SHIPPED = shipped(BENCHMARKS)
EVERY = pytest.mark.parametrize("name", SHIPPED)
# No test has their files.
ABSENT = (
    *("nasbench301", "nasbench201-cifar100", "nasbench201-imagenet16-120"),
    *(f"nats-size-{data_set}" for data_set in ("cifar10", "cifar100", "imagenet16-120")),
    *(
        name
        for name in BENCHMARKS
        if name.startswith(("transnas-", "nasbench101", "nasbench1shot1", "flexibert", "vitbench"))
    ),
)
IN_PACKAGE = [name for name in SHIPPED if BENCHMARKS[name].source.origin == "this package"]
OF_FILES = [name for name in SHIPPED if name not in (*ABSENT, *IN_PACKAGE)]


@functools.cache
def loaded(name):
    return BENCHMARKS[name].load() if BENCHMARKS[name].is_present() else None


class TestEveryBenchmark(BenchmarkContract):
    @pytest.fixture(
        autouse=True, params=[*ABSENT, *IN_PACKAGE, *(pytest.param(name, marks=pytest.mark.data) for name in OF_FILES)]
    )
    def _benchmark(self, request):
        self.benchmark, self.records = BENCHMARKS[request.param], loaded(request.param)


@EVERY
def test_what_is_known_before_reading(name):
    benchmark = BENCHMARKS[name]
    assert benchmark.name == name
    assert name.startswith((benchmark.space.name, "nasbench301"))
    assert benchmark.truth in benchmark.columns


@EVERY
def test_the_space_that_is_known_without_an_import_is_that_of_the_benchmark(name):
    about = {space for space in shipped(SPACES) if BENCHMARKS.may_be_about(name, space)}
    assert about == {BENCHMARKS[name].space.name}


@EVERY
def test_provenance_is_complete(name):
    source = BENCHMARKS[name].source
    assert isinstance(source, Source)
    if name not in ABSENT:  # of which no copy is known byte for byte
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
    if source.origin == "this package":
        assert (Path(__file__).parents[2] / source.citation).exists()
    else:
        assert re.search(r"arXiv \d{4}\.\d{5}", source.citation)
        assert "https://" in source.origin
    assert source.licence


@EVERY
def test_it_is_frozen(name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        BENCHMARKS[name].truth = "other"


@EVERY
def test_a_missing_file_says_where_it_comes_from(name, folder, monkeypatch):
    benchmark = BENCHMARKS[name]
    if name == "nasbench201-analog":
        absent = dataclasses.replace(benchmark.source, package="archsieve_no_such_package")
        benchmark = dataclasses.replace(benchmark, source=absent)
    elif benchmark.source.origin == "this package":
        absent = dataclasses.replace(benchmark.source, file="no_such.npz")
        benchmark = dataclasses.replace(benchmark, source=absent)
    assert not benchmark.is_present()
    assert benchmark.source.state(check=True) == "missing"
    with pytest.raises(MissingDataError) as caught:
        benchmark.load()
    assert benchmark.source.file in str(caught.value)
    assert benchmark.source.licence in str(caught.value)


@pytest.mark.data
@pytest.mark.parametrize(
    ("fixture", "name"),
    [
        ("macro", "nasbench-macro-cifar10"),
        ("cells", "nasbench201-cifar10"),
        ("analog", "nasbench201-analog"),
        ("published", "nasbench201-published-proxies"),
        ("published301", "nasbench301-published-proxies"),
    ],
)
def test_the_known_file_holds_what_was_announced(fixture, name, request):
    table, benchmark = request.getfixturevalue(fixture), BENCHMARKS[name]
    assert benchmark.source.state(check=True) == "present"
    assert set(table.columns) == set(benchmark.columns)
    truth = table.columns[benchmark.truth]
    assert truth.min() >= 0
    assert 89 < truth.max() < 95  # percent


def test_names_and_columns_need_no_torch():
    code = (
        "import sys\nfrom archsieve.registry import BENCHMARKS\n"
        "[BENCHMARKS[name].space.choices for name in BENCHMARKS]\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'pyarrow', 'analognasbench', 'xgboost', 'lightgbm')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
