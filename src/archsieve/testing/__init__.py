"""Contract suites: subclass one in your tests, set your space, task or estimator, and run pytest.

    class TestMySpace(SpaceContract):
        space = MySpace()

Each law is a test of its own; it is checked on a few samples.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsieve.testing.benchmarks import BenchmarkContract
    from archsieve.testing.estimators import EstimatorContract
    from archsieve.testing.executors import ExecutorContract
    from archsieve.testing.searchers import SearcherContract
    from archsieve.testing.spaces import SpaceContract
    from archsieve.testing.tasks import TaskContract

_LAZY = {
    "BenchmarkContract": "benchmarks",
    "EstimatorContract": "estimators",
    "ExecutorContract": "executors",
    "SearcherContract": "searchers",
    "SpaceContract": "spaces",
    "TaskContract": "tasks",
}

__all__ = [
    "BenchmarkContract",
    "EstimatorContract",
    "ExecutorContract",
    "SearcherContract",
    "SpaceContract",
    "TaskContract",
]


def __getattr__(name: str) -> Any:
    """Import a suite on first use; the suites of spaces and estimators need torch."""
    if name not in _LAZY:
        raise AttributeError(f"module 'archsieve.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"archsieve.testing.{_LAZY[name]}"), name)
