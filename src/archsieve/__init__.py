"""archsieve: neural architecture search as a funnel of performance estimators.

Importing the package imports none of its modules: each public name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsieve.benchmarks.contract import Benchmark
    from archsieve.benchmarks.records import Table
    from archsieve.errors import ArchsieveError, ScoringError
    from archsieve.estimators.chance import Chance
    from archsieve.estimators.combined.az_nas import AZNAS
    from archsieve.estimators.combined.mean_rank import MeanRank
    from archsieve.estimators.combined.swap_regularised import RegularisedSwap
    from archsieve.estimators.combined.vote import Vote
    from archsieve.estimators.contract import Context, Scores
    from archsieve.estimators.lookup import Lookup, Replay
    from archsieve.estimators.partial_training import PartialTraining
    from archsieve.estimators.predictor import Predictor
    from archsieve.estimators.size import Size
    from archsieve.estimators.supernet.one_shot import OneShot
    from archsieve.estimators.zero_cost.estimator import ZeroCost
    from archsieve.estimators.zero_cost.proxy import Probe, proxy
    from archsieve.judging.judge import judge
    from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio
    from archsieve.networks.form import Input
    from archsieve.plans.contract import Plan, Pool
    from archsieve.plans.read import load_plan
    from archsieve.plans.run import run_plan
    from archsieve.registry import BENCHMARKS, ESTIMATORS, PROXIES, SEARCHERS, SPACES, TASKS
    from archsieve.runs.session import Session
    from archsieve.searchers.batches import Batches
    from archsieve.searchers.contract import Candidates, Round, SearchResult, Stage
    from archsieve.searchers.differential_evolution import differential_evolution
    from archsieve.searchers.funnel import funnel_search, run_funnel
    from archsieve.searchers.random_search import random_search
    from archsieve.searchers.regularized_evolution import regularized_evolution
    from archsieve.spaces.choices.declaration import space_of
    from archsieve.spaces.choices.verbs import choice, one_of
    from archsieve.spaces.contract import Architecture, SearchSpace, enumerate_space
    from archsieve.spaces.limits import Limits
    from archsieve.spaces.within import Within
    from archsieve.tasks.classification import Accuracy
    from archsieve.tasks.contract import Task

    __version__: str

_HOMES = {
    "BENCHMARKS": "registry",
    "ESTIMATORS": "registry",
    "PROXIES": "registry",
    "SEARCHERS": "registry",
    "SPACES": "registry",
    "TASKS": "registry",
    "AZNAS": "estimators.combined.az_nas",
    "Accuracy": "tasks.classification",
    "Architecture": "spaces.contract",
    "ArchsieveError": "errors",
    "Batches": "searchers.batches",
    "Benchmark": "benchmarks.contract",
    "Chance": "estimators.chance",
    "Candidates": "searchers.contract",
    "Context": "estimators.contract",
    "Input": "networks.form",
    "Limits": "spaces.limits",
    "Lookup": "estimators.lookup",
    "MeanRank": "estimators.combined.mean_rank",
    "OneShot": "estimators.supernet.one_shot",
    "PartialTraining": "estimators.partial_training",
    "Plan": "plans.contract",
    "Pool": "plans.contract",
    "Predictor": "estimators.predictor",
    "Probe": "estimators.zero_cost.proxy",
    "RegularisedSwap": "estimators.combined.swap_regularised",
    "Replay": "estimators.lookup",
    "Round": "searchers.contract",
    "Scores": "estimators.contract",
    "ScoringError": "errors",
    "SearchResult": "searchers.contract",
    "SearchSpace": "spaces.contract",
    "Session": "runs.session",
    "Size": "estimators.size",
    "Stage": "searchers.contract",
    "Table": "benchmarks.records",
    "Task": "tasks.contract",
    "Vote": "estimators.combined.vote",
    "Within": "spaces.within",
    "ZeroCost": "estimators.zero_cost.estimator",
    "choice": "spaces.choices.verbs",
    "differential_evolution": "searchers.differential_evolution",
    "enumerate_space": "spaces.contract",
    "funnel_search": "searchers.funnel",
    "judge": "judging.judge",
    "kendall_tau": "judging.metrics",
    "load_plan": "plans.read",
    "minimum_keeping_ratio": "judging.metrics",
    "one_of": "spaces.choices.verbs",
    "proxy": "estimators.zero_cost.proxy",
    "random_search": "searchers.random_search",
    "regularized_evolution": "searchers.regularized_evolution",
    "run_funnel": "searchers.funnel",
    "run_plan": "plans.run",
    "space_of": "spaces.choices.declaration",
}
"""The module of each public name."""

__all__ = [
    "AZNAS",
    "BENCHMARKS",
    "ESTIMATORS",
    "PROXIES",
    "SEARCHERS",
    "SPACES",
    "TASKS",
    "Accuracy",
    "Architecture",
    "ArchsieveError",
    "Batches",
    "Benchmark",
    "Candidates",
    "Chance",
    "Context",
    "Input",
    "Limits",
    "Lookup",
    "MeanRank",
    "OneShot",
    "PartialTraining",
    "Plan",
    "Pool",
    "Predictor",
    "Probe",
    "RegularisedSwap",
    "Replay",
    "Round",
    "Scores",
    "ScoringError",
    "SearchResult",
    "SearchSpace",
    "Session",
    "Size",
    "Stage",
    "Table",
    "Task",
    "Vote",
    "Within",
    "ZeroCost",
    "__version__",
    "choice",
    "differential_evolution",
    "enumerate_space",
    "funnel_search",
    "judge",
    "kendall_tau",
    "load_plan",
    "minimum_keeping_ratio",
    "one_of",
    "proxy",
    "random_search",
    "regularized_evolution",
    "run_funnel",
    "run_plan",
    "space_of",
]


def __getattr__(name: str) -> Any:
    """Import the module of a public name and return the object."""
    if name == "__version__":
        value: Any = importlib.import_module("importlib.metadata").version("archsieve")
    elif name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'archsieve' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names in the module, all public names included."""
    return sorted({*globals(), *__all__})
