"""Rank correlations beside scipy's, over ties, constants and few items."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, rankdata, spearmanr, weightedtau

from archsieve.judging.correlations import hyperbolic_tau, mean_ranks, spearman_rho, tau_b

PAIRS = st.integers(2, 40).flatmap(
    lambda n: st.integers(0, 45).flatmap(
        lambda top: st.tuples(*[st.lists(st.integers(-1, top), min_size=n, max_size=n)] * 2)
    )
)


@given(PAIRS)
@settings(max_examples=150, deadline=None)
def test_they_are_those_of_scipy(pair):
    x, y = map(np.array, pair)
    np.testing.assert_array_equal(mean_ranks(x), rankdata(x))
    if len(set(pair[0])) == 1 or len(set(pair[1])) == 1:
        assert all(math.isnan(correlation(x, y)) for correlation in (tau_b, spearman_rho, hyperbolic_tau))
        return
    assert tau_b(x, y) == kendalltau(x, y).statistic
    assert spearman_rho(x, y) == spearmanr(x, y).statistic
    assert hyperbolic_tau(x, y) == pytest.approx(weightedtau(x, y).statistic, abs=1e-14)


@pytest.mark.parametrize("ties", [1, 3, 500])
def test_they_are_those_of_scipy_over_a_whole_space(ties):
    rng = np.random.default_rng(ties)
    x = rng.permutation(15_625) // ties
    y = np.where(rng.random(len(x)) < 0.5, x, rng.permutation(len(x)))
    assert tau_b(x, y) == kendalltau(x, y).statistic
    assert spearman_rho(x, y) == spearmanr(x, y).statistic
    assert hyperbolic_tau(x, y) == pytest.approx(weightedtau(x, y).statistic, abs=1e-12)


def test_figures_of_a_ranking_import_no_scipy():
    code = (
        "import sys; from archsieve.judging import metrics as m; a, b = [1, 2, 3, 2], [1, 3, 2, 4];"
        "m.kendall_tau(a, b), m.spearman(a, b), m.weighted_tau(a, b), m.ndcg_at_k(a, b, 2);"
        "m.partial_spearman(a, b, a);"
        "print('scipy' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
