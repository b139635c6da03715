"""The laws of a searcher for every registered one."""

from __future__ import annotations

import pytest

from archsieve.registry import SEARCHERS
from archsieve.testing import SearcherContract

SMALL = {
    "random_search": {"batch": 6},
    "regularized_evolution": {"population": 10, "tournament": 4, "batch": 3},
    "differential_evolution": {"population": 10, "batch": 3},
    "optuna": {"sampler": "tpe", "population": 8, "batch": 3},
}
SHIPPED = [name for name in SEARCHERS if name in SMALL or SEARCHERS[name].__module__.startswith("archsieve.")]


class TestEverySearcher(SearcherContract):
    @pytest.fixture(autouse=True, params=SHIPPED)
    def _searcher(self, request):
        if request.param == "optuna":
            pytest.importorskip("optuna")
        self.searcher = SEARCHERS[request.param](**SMALL.get(request.param, {}))
        self.repeats = request.param != "optuna"  # its model learns from what it is told instead
