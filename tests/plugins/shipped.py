"""What the package itself registers. Test modules add parts of their own when they are imported, in whatever order."""

from archsieve.registry import BENCHMARKS, ESTIMATORS, PROXIES, SEARCHERS, SPACES, TASKS

_NAMES = {id(each): tuple(each) for each in (BENCHMARKS, ESTIMATORS, PROXIES, SEARCHERS, SPACES, TASKS)}
"""By catalogue; `conftest.py` imports this module before any test."""


def shipped(catalogue):
    """Return the names that the package registers in a catalogue, whatever was added since."""
    return _NAMES[id(catalogue)]
