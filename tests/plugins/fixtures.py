"""Fixtures of the tests that touch registries, plugins or the environment: what a test adds goes away with it."""

import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from archsieve import registry
from archsieve.benchmarks.records import Surrogate, Table
from archsieve.runs import processes
from plugins.quick import Context

REGISTRIES = (
    registry.SPACES,
    registry.TASKS,
    registry.BENCHMARKS,
    registry.ESTIMATORS,
    registry.PROXIES,
    registry.SEARCHERS,
)
HERE = Path(__file__).parent


@pytest.fixture
def restored(tmp_path):
    """Take back what the test registers, and the plugins it imports."""
    with restoring(tmp_path):
        yield


@contextmanager
def restoring(folder):
    """Take back what is registered inside, and the plugins of the folder, of these plugins or of the examples."""
    names = [set(r) for r in REGISTRIES]
    modules, path = set(sys.modules), list(sys.path)
    try:
        yield
    finally:
        for catalogue, before in zip(REGISTRIES, names, strict=True):
            for name in set(catalogue) - before:
                del catalogue._entries[name]
        sys.path[:] = path
        homes = {folder.resolve(), HERE, HERE.parents[1] / "examples"}
        for name in set(sys.modules) - modules:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and "." not in name and not homes.isdisjoint(Path(origin).parents):
                del sys.modules[name]


@pytest.fixture
def quick_workers(monkeypatch):
    """Start worker processes as forks of one that has imported torch already."""
    monkeypatch.setattr(processes.multiprocessing, "get_context", lambda kind: Context())


@pytest.fixture
def publish(restored):
    """Return a function that registers a made-up benchmark, of columns or a surrogate, until the test ends."""

    def add(space, columns, truth="accuracy", *, archs=None, task="synthetic", name="made-up", caution=""):
        is_table = not isinstance(columns, Surrogate)
        table = Table(tuple(archs if archs is not None else all_codes(space)), columns) if is_table else columns
        registry.BENCHMARKS.add(name, MadeUp(name, space, task, table, truth, caution))

    return add


def all_codes(space):
    from archsieve.spaces.contract import enumerate_space

    return list(enumerate_space(space))


class MadeUp:
    """A benchmark in memory."""

    source = None

    def __init__(self, name, space, task, table, truth, caution):
        self.name, self.space, self.task, self.truth, self.caution = name, space, task, truth, caution
        self._table = table

    @property
    def columns(self):
        return tuple(self._table.columns)

    def is_present(self):
        return True

    def load(self):
        return self._table
