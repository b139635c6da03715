"""Cells of the page on determinism that are quick to compute: equal to the last bit, whatever computes them."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.zero_cost.estimator import ZeroCost

SCRIPT = Path(__file__).parents[1] / "studies" / "determinism.py"


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("determinism", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["determinism"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["determinism"]


@pytest.fixture(scope="module")
def plain(study):
    return {kind: study.scored(estimators, study.Way("plain")) for kind, estimators in CELLS.items()}


CELLS = {
    "proxies": tuple(ZeroCost(name, batch_size=8) for name in ("nwot", "zen", "synflow", "snip")),
    "partial training": (PartialTraining(epochs=1, horizon=2, fraction_of_data=0.1),),
    "guided search": (),
}


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("title", ["two threads", "reverse order", "one by one", "chunks of 3", "stopped and resumed"])
def test_quick_cells_are_equal_to_the_last_bit(study, plain, kind, title):
    (way,) = [way for way in study.WAYS if way.title == title]
    assert study.agreement(plain[kind], study.scored(CELLS[kind], way)) == "equal"


def test_what_differs_is_said(study):
    first = np.array([1.0, np.nan, -2.0])
    assert study.agreement(first, first.copy()) == "equal"
    assert study.agreement(first, np.array([1.0, np.nan, -2.0 * (1 + 1e-7)])) == "1e-07"
    assert study.agreement(first, np.array([1.0, 3.0, -2.0])) == "differs"
    assert study.agreement(first, first[:2]) == "differs"


def test_every_kind_of_proxy_is_in_the_matrix(study):
    from archsieve.registry import PROXIES

    assert len(study.KINDS["zero-cost proxies"]) >= len(PROXIES) - 1
