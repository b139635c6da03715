"""archsieve: neural architecture search as a funnel of performance estimators."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from archsieve.errors import ArchsieveError, ScoringError
from archsieve.estimators.contract import Context, Scores
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio
from archsieve.networks.form import Input
from archsieve.registry import BENCHMARKS, ESTIMATORS, PROXIES, SPACES, TASKS
from archsieve.searchers.contract import Round, SearchResult, Stage
from archsieve.spaces.contract import Architecture, SearchSpace, enumerate_space
from archsieve.spaces.limits import Limits, Within

if TYPE_CHECKING:
    from archsieve.estimators.zero_cost.proxy import Probe, proxy
    from archsieve.runs.session import Session
    from archsieve.searchers.differential_evolution import differential_evolution
    from archsieve.searchers.funnel import run_funnel
    from archsieve.searchers.random_search import random_search
    from archsieve.searchers.regularized_evolution import regularized_evolution

_LAZY = {
    "Probe": "archsieve.estimators.zero_cost.proxy",
    "Session": "archsieve.runs.session",
    "differential_evolution": "archsieve.searchers.differential_evolution",
    "proxy": "archsieve.estimators.zero_cost.proxy",
    "random_search": "archsieve.searchers.random_search",
    "regularized_evolution": "archsieve.searchers.regularized_evolution",
    "run_funnel": "archsieve.searchers.funnel",
}

__all__ = [
    "BENCHMARKS",
    "ESTIMATORS",
    "PROXIES",
    "SPACES",
    "TASKS",
    "Architecture",
    "ArchsieveError",
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
    """Import on first use what may need torch."""
    if name not in _LAZY:
        raise AttributeError(f"module 'archsieve' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
