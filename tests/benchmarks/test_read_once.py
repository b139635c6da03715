"""A process parses the file of a benchmark once, and again when the file has changed."""

import json
from dataclasses import replace

import pytest

from archsieve.benchmarks import (
    published_proxies,
)
from archsieve.benchmarks.digits import DIGITS
from archsieve.benchmarks.nasbench301 import stand_in
from archsieve.benchmarks.nasbench301.stand_in import STANDIN
from archsieve.benchmarks.published_proxies import PROXIES, PublishedProxies
from archsieve.estimators.contract import Context
from archsieve.estimators.lookup import Lookup
from archsieve.registry import BENCHMARKS
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.tasks.form_only import FormOnly
from plugins.shipped import shipped


def scores(snip):
    return {"(0, 0, 4, 3, 0, 2)": dict.fromkeys(PROXIES, snip) | {"params": 0.344346, "val_accuracy": 90.0}}


@pytest.fixture
def reads(monkeypatch):
    """How often JSON files were read."""
    calls, read = [], published_proxies.read_json
    monkeypatch.setattr(published_proxies, "read_json", lambda path: calls.append(path) or read(path))
    return calls


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    path = tmp_path / published_proxies.CIFAR10.source.file
    path.write_text(json.dumps(scores(7.0)))
    return path


def test_sixty_lookups_read_the_file_once(file, reads, tmp_path):
    context = Context(NASBench201(), FormOnly("cifar10", (3, 32, 32), 10), tmp_path)
    estimator = Lookup("snip", "nasbench201-published-proxies")
    arch = published_proxies.CIFAR10.load().archs[0]
    assert [float(estimator.score([arch], context)[0]) for _ in range(60)] == [7.0] * 60
    assert reads == [file]


def test_a_changed_file_is_read_again(file, reads):
    assert published_proxies.CIFAR10.load().columns["snip"] == [7.0]
    file.write_text(json.dumps(scores(8.5)))
    assert published_proxies.CIFAR10.load().columns["snip"] == [8.5]
    assert len(reads) == 2


def test_a_damaged_file_is_not_remembered(file, reads):
    for text in ("{", json.dumps(scores(1.0))):
        file.write_text(text)
        if text == "{":
            with pytest.raises(ValueError, match="is damaged"):
                published_proxies.CIFAR10.load()
    assert published_proxies.CIFAR10.load().columns["snip"] == [1.0]


def test_another_benchmark_of_the_same_file_is_another_table(file, reads):
    other = replace(published_proxies.CIFAR10, columns=("snip", "val_accuracy"))
    assert isinstance(other, PublishedProxies)
    assert published_proxies.CIFAR10.load() is published_proxies.CIFAR10.load()
    assert other.load() is not published_proxies.CIFAR10.load()


def test_nobody_can_change_the_shared_table():
    with pytest.raises(ValueError, match="read-only"):
        DIGITS.load().columns["test_acc"][0] = 0.0


def test_the_trees_of_a_surrogate_are_read_once(monkeypatch):
    STANDIN.load()
    monkeypatch.setattr(stand_in.Trees, "read", lambda path: pytest.fail("read again"))
    arch = (0,) * len(STANDIN.space.choices)
    assert STANDIN.load() is STANDIN.load()
    assert STANDIN.load().lookup(stand_in.COLUMN, [STANDIN.space.canonical(arch)]).shape == (1,)


@pytest.mark.parametrize("name", shipped(BENCHMARKS))
def test_every_shipped_benchmark_is_read_once(name):
    benchmark = BENCHMARKS[name]
    assert type(benchmark).__module__.startswith("archsieve.benchmarks.")
    assert hasattr(type(benchmark).load, "__wrapped__")
    assert hash(benchmark) == hash(replace(benchmark))
