"""archsieve: neural architecture search as a funnel of performance estimators.

Importing the package imports none of its modules: each public name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsieve.errors import ArchsieveError, ScoringError
    from archsieve.estimators.contract import Context, Scores
    from archsieve.estimators.zero_cost.proxy import Probe, proxy
    from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio
    from archsieve.networks.form import Input
    from archsieve.registry import BENCHMARKS, ESTIMATORS, PROXIES, SEARCHERS, SPACES, TASKS
    from archsieve.runs.session import Session
    from archsieve.searchers.contract import Candidates, Round, SearchResult, Stage
    from archsieve.searchers.differential_evolution import differential_evolution
    from archsieve.searchers.funnel import run_funnel
    from archsieve.searchers.random_search import random_search
    from archsieve.searchers.regularized_evolution import regularized_evolution
    from archsieve.spaces.contract import Architecture, SearchSpace, enumerate_space
    from archsieve.spaces.limits import Limits, Within

_HOMES = {
    "BENCHMARKS": "registry",
    "ESTIMATORS": "registry",
    "PROXIES": "registry",
    "SEARCHERS": "registry",
    "SPACES": "registry",
    "TASKS": "registry",
    "Architecture": "spaces.contract",
    "ArchsieveError": "errors",
    "Candidates": "searchers.contract",
    "Context": "estimators.contract",
    "Input": "networks.form",
    "Limits": "spaces.limits",
    "Probe": "estimators.zero_cost.proxy",
    "Round": "searchers.contract",
    "Scores": "estimators.contract",
    "ScoringError": "errors",
    "SearchResult": "searchers.contract",
    "SearchSpace": "spaces.contract",
    "Session": "runs.session",
    "Stage": "searchers.contract",
    "Within": "spaces.limits",
    "differential_evolution": "searchers.differential_evolution",
    "enumerate_space": "spaces.contract",
    "kendall_tau": "judging.metrics",
    "minimum_keeping_ratio": "judging.metrics",
    "proxy": "estimators.zero_cost.proxy",
    "random_search": "searchers.random_search",
    "regularized_evolution": "searchers.regularized_evolution",
    "run_funnel": "searchers.funnel",
}
"""The module of each public name."""

__all__ = [
    "BENCHMARKS",
    "ESTIMATORS",
    "PROXIES",
    "SEARCHERS",
    "SPACES",
    "TASKS",
    "Architecture",
    "ArchsieveError",
    "Candidates",
    "Context",
    "Input",
    "Limits",
    "Probe",
    "Round",
    "Scores",
    "ScoringError",
    "SearchResult",
    "SearchSpace",
    "Session",
    "Stage",
    "Within",
    "differential_evolution",
    "enumerate_space",
    "kendall_tau",
    "minimum_keeping_ratio",
    "proxy",
    "random_search",
    "regularized_evolution",
    "run_funnel",
]


def __getattr__(name: str) -> Any:
    """Return a public name, whose module is imported now."""
    if name not in _HOMES:
        raise AttributeError(f"module 'archsieve' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return the public names beside what the module holds already."""
    return sorted({*globals(), *__all__})
