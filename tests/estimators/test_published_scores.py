"""Proxies on real pictures against the scores that NAS-Bench-Suite-Zero published for the same cells.

Their batch and their initial weights are not ours, so that only what depends little on them can agree closely.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from archsieve.errors import PartialScoringError
from archsieve.estimator import Context
from archsieve.estimators.zero_cost import ZeroCost
from archsieve.registry import BENCHMARKS, TASKS

pytestmark = [pytest.mark.data, pytest.mark.slow]

CELLS = 20
PROXIES = ("synflow_log", "snip", "l2_norm", "grad_norm", "fisher", "jacov")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Our scores and the published ones, by proxy."""
    benchmark, task = BENCHMARKS["nasbench201-published-proxies"], TASKS["cifar10"]()
    for needed in (benchmark, task):
        if not needed.is_present():
            pytest.skip(f"the files of {needed.name} are not there: see `archsieve data`")
    table = benchmark.load()
    chosen = sorted(np.random.default_rng(0).choice(len(table.archs), CELLS, replace=False))
    archs = [table.archs[i] for i in chosen]
    ctx = Context(benchmark.space, task, tmp_path_factory.mktemp("unused"))
    members = [ZeroCost(name) for name in PROXIES]
    try:
        scores = members[0].score_group(members, archs, ctx)
    except PartialScoringError as failed:  # a cell that connects nothing has no jacov, here and there
        scores = failed.scores
    columns = [table.lookup(name.removesuffix("_log"), archs) for name in PROXIES]
    return {name: (scores[:, i], columns[i]) for i, name in enumerate(PROXIES)}


@pytest.mark.parametrize(
    ("name", "statistic", "least"),
    [
        ("synflow_log", spearmanr, 0.95),
        ("synflow_log", pearsonr, 0.999),
        ("l2_norm", pearsonr, 0.999),
        ("snip", spearmanr, 0.9),
        ("grad_norm", spearmanr, 0.9),
        ("fisher", spearmanr, 0.9),
        ("jacov", spearmanr, 0.9),
    ],
)
def test_agreement(both, name, statistic, least):
    ours, published = both[name]
    known = np.isfinite(ours) & np.isfinite(published)
    assert known.sum() >= CELLS - 2
    agreement = statistic(ours[known], published[known])[0]
    print(f"{name}: {statistic.__name__} {agreement:.4f} over {known.sum()} cells")
    assert agreement >= least


def test_synflow_is_the_published_number_itself(both):
    # The published column is the logarithm of the sum, or 0 where nothing flows; 1 in 100 is for other initial weights.
    ours, published = both["synflow_log"]
    flows = np.isfinite(ours)
    assert flows.tolist() == (published != 0).tolist()
    np.testing.assert_allclose(ours[flows], published[flows], rtol=0.01)


def test_l2_norm_is_the_published_number_itself(both):
    ours, published = both["l2_norm"]
    np.testing.assert_allclose(ours, published, rtol=0.01)
