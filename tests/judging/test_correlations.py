"""Rank correlations equal scipy's, ties included; and the judging of a table imports neither scipy.stats nor torch."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import kendalltau, rankdata, spearmanr, weightedtau

from archsieve.judging.correlations import mean_ranks, spearman_rho, tau_b, weighted_tau_b
from archsieve.judging.metrics import kendall_tau, spearman, weighted_tau
from archsieve.values import dense_ranks


def sides(count, kinds, seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, kinds, count)
    second = np.where(rng.random(count) < 0.5, first, rng.integers(0, kinds, count))
    first[0], second[0] = kinds, kinds + 1  # neither is constant
    return dense_ranks(first), dense_ranks(second)


@pytest.mark.parametrize("kinds", [1, 2, 5, 60, 10_000])
@pytest.mark.parametrize("count", [2, 3, 7, 64, 500])
def test_they_are_those_of_scipy(count, kinds):
    for seed in range(4):
        first, second = sides(count, kinds, seed)
        if first.max() == 0 or second.max() == 0:
            continue
        assert tau_b(first, second) == kendalltau(first, second, variant="b").statistic
        assert spearman_rho(first, second) == spearmanr(first, second).statistic
        assert weighted_tau_b(first, second) == pytest.approx(weightedtau(first, second).statistic, abs=1e-12)
        assert mean_ranks(first).tolist() == rankdata(first).tolist()


def test_tau_by_hand():
    # Of the six pairs of 1 2 3 4 and 1 4 2 3 two are discordant: (4, 2) and (4, 3).
    assert tau_b(np.arange(4), np.array([0, 3, 1, 2])) == pytest.approx((4 - 2) / 6)
    # A tie on one side: five pairs are left there, four of them agree and one does not.
    assert tau_b(np.array([0, 0, 1, 2]), np.array([0, 1, 3, 2])) == pytest.approx((4 - 1) / (5 * 6) ** 0.5)


def test_reversed_rankings_are_minus_one():
    places = np.arange(33)
    for correlation in (tau_b, spearman_rho, weighted_tau_b):
        assert correlation(places, places[::-1].copy()) == pytest.approx(-1)
        assert correlation(places, places) == pytest.approx(1)


def test_minus_infinity_and_nan_are_places_too():
    scores, truth = [np.nan, -np.inf, 2.0, 3.0, 2.0], [1.0, 2.0, 3.0, 5.0, 4.0]
    stand_ins = [-2.0, -1.0, 2.0, 3.0, 2.0]
    assert kendall_tau(scores, truth) == kendalltau(stand_ins, truth).statistic
    assert spearman(scores, truth) == spearmanr(stand_ins, truth).statistic
    assert weighted_tau(scores, truth) == pytest.approx(weightedtau(stand_ins, truth).statistic, abs=1e-12)


def test_measuring_from_the_tables_imports_neither_torch_nor_scipy_stats():
    program = (
        "import sys; from archsieve.cli import app\n"
        "from typer.testing import CliRunner\n"
        "arguments = ['measure', 'nasbench-macro', '--benchmark', 'nasbench-macro-digits', '--proxy', 'nwot']\n"
        "done = CliRunner().invoke(app, arguments)\n"
        "print(done.exit_code, [name for name in ('torch', 'scipy.stats', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n", done.stdout
