"""The laws of an estimator for every registered one; proxies have a module of their own."""

from __future__ import annotations

import shlex
import sys

import pytest

from archsieve.benchmarks.digits import DIGITS
from archsieve.registry import ESTIMATORS, PROXIES
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import EstimatorContract
from plugins.shipped import shipped

SMALL = {
    "chance": {},
    "command": {"command": f"{shlex.quote(sys.executable)} -S -c 'print(len(\"{{digits}}\"))'", "device": "here"},
    "latency": {"rounds": 3, "seconds": 0.001, "spread": 10.0, "least_share": 1e-3},
    "lookup": {"column": "test_acc"},
    "replay": {"epochs": 3},
    "predictor": {"teacher": ESTIMATORS["params"](), "samples": 8, "model": "KNeighborsRegressor"},
    "mean_rank": {"parts": (ESTIMATORS["params"](), ESTIMATORS["zero_cost"]("l2_norm"))},
    "repeated": {"estimator": ESTIMATORS["zero_cost"]("nwot", batch_size=8), "repeats": 2},
    "vkdnw_agg": {"batch_size": 8},
    "vote": {"parts": (ESTIMATORS["params"](), ESTIMATORS["zero_cost"]("l2_norm")), "calibration": 8},
    "objectives": {"parts": (ESTIMATORS["chance"](), ESTIMATORS["zero_cost"]("l2_norm"))},
    "lower": {"of": ESTIMATORS["params"]()},
    "zero_cost": {"proxy": "nwot", "batch_size": 4},
    "one_shot": {"epochs": 1, "batch_size": 8},
    "own_training": {"function": "plugins.trainings:fitted", "budget": 1},
    "partial_training": {"epochs": 1, "horizon": 2, "batch_size": 8},
    "az_nas": {"batch_size": 4},
    "swap_regularised": {"batch_size": 4},
}
"""Settings under which each is quick; without a row here, those that it has unless told."""
# What is told by hand computes nothing, and the space of these tests has no FLOPs of its own.
SHIPPED = [name for name in shipped(ESTIMATORS) if name not in {*PROXIES, "told", "published_flops"}]


class TestEveryEstimator(EstimatorContract):
    task = Synthetic(shape=(3, 8, 8), num_outputs=3, images=24, test_images=8)

    @pytest.fixture(autouse=True, params=SHIPPED)
    def _estimator(self, request):
        is_recorded = request.param in ("lookup", "replay")
        self.space = DIGITS.space if is_recorded else NASBench201(width=2, cells=1, stages=1)
        self.estimator = ESTIMATORS[request.param](**SMALL.get(request.param, {}))
