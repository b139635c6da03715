"""Proxies on real pictures against the scores that NAS-Bench-Suite-Zero published for the same cells.

Ours of NAS-Bench-201 are those of the shipped table. Their batch and their initial weights are not ours, so that only
what depends little on them can agree closely: plain and grasp are signed sums that mostly cancel.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from archsieve.estimators.contract import Context
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.registry import BENCHMARKS, TASKS
from archsieve.runs.score_tables import shipped

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def both():
    """Our scores and the published ones, by proxy; NaN where either gave none."""
    benchmark = BENCHMARKS["nasbench201-published-proxies"]
    if not benchmark.is_present():
        pytest.skip(f"the file of {benchmark.name} is not there: see `archsieve data`")
    published = benchmark.load()
    table = next(t for t in shipped() if t.name == "nasbench201-cifar10")
    found = {}
    for name in table.card.estimators:
        if (column := name.removesuffix("_log")) not in published.columns:
            continue
        assert table.column_of(ZeroCost(name)) == name
        canonical = [benchmark.space.canonical(arch) for arch in published.archs]
        scores = {arch: score for arch, (score, _) in table.get(name, canonical).items()}
        found[name] = np.array([scores[arch] for arch in canonical]), published.lookup(column, published.archs)
    return found


@pytest.mark.parametrize(
    ("name", "statistic", "least"),
    [
        ("l2_norm", pearsonr, 0.999),
        ("synflow_log", spearmanr, 0.99),
        ("snip", spearmanr, 0.97),
        ("fisher", spearmanr, 0.95),
        ("grad_norm", spearmanr, 0.95),
        ("jacov", spearmanr, 0.93),
        ("epe_nas", spearmanr, 0.78),  # see the test of its batch
    ],
)
def test_agreement(both, name, statistic, least):
    ours, published = both[name]
    known = np.isfinite(ours) & np.isfinite(published)
    assert known.sum() >= 230
    agreement = statistic(ours[known], published[known])[0]
    print(f"{name}: {statistic.__name__} {agreement:.4f} over {known.sum()} cells")
    assert agreement >= least


def test_synflow_is_the_published_number_itself(both):
    # The published column is the logarithm of the sum, or 0 where nothing flows; 1 in 50 is for other initial weights.
    ours, published = both["synflow_log"]
    flows = np.isfinite(ours)
    assert flows.tolist() == (published != 0).tolist()
    np.testing.assert_allclose(ours[flows], published[flows], rtol=0.02)


def test_the_published_epe_nas_is_of_half_the_batch(both, tmp_path):
    # epe_nas sums over the pairs of inputs of one class: a batch of 32 has a quarter of those that 64 inputs have. By
    # 32 our own seeds agree with each other in .88 to .90 only, so that .81 with the published numbers is their noise.
    benchmark = BENCHMARKS["nasbench201-published-proxies"]
    cells = [benchmark.space.canonical(arch) for arch in benchmark.load().archs[:12]]
    ctx = Context(benchmark.space, TASKS["cifar10"](), tmp_path)
    half, published = ZeroCost("epe_nas", batch_size=32).score(cells, ctx), both["epe_nas"][1][:12]
    assert 0.6 < np.median(half) / np.median(published) < 1.6
    assert 3 < np.median(both["epe_nas"][0][:12]) / np.median(published) < 6


def test_l2_norm_is_the_published_number_itself(both):
    ours, published = both["l2_norm"]
    np.testing.assert_allclose(ours, published, rtol=0.02)


def test_agreement_on_darts_cells_with_few_and_with_many_poolings(tmp_path):
    # The published networks normalise what poolings put out. With bare poolings the three are .94, .92 and .85 here,
    # and the scores of cells with many poolings are 15 %, 22 % and 73 % too high beside those of cells with few.
    benchmark = BENCHMARKS["nasbench301-published-proxies"]
    if not benchmark.is_present():
        pytest.skip(f"the file of {benchmark.name} is not there: see `archsieve data`")
    published, space = benchmark.load(), benchmark.space
    poolings = [
        sum("pool" in o for edges in space.picture(a).cells.values() for *_, o in edges) for a in published.archs
    ]
    order = sorted(range(len(poolings)), key=poolings.__getitem__)
    few, many = order[:5], order[-7:]
    assert (max(poolings[i] for i in few), min(poolings[i] for i in many)) == (1, 8)
    least = {"snip": 0.97, "grad_norm": 0.95, "fisher": 0.9}
    members = [ZeroCost(name, batch_size=8) for name in least]
    cells = [published.archs[i] for i in few + many]
    scores = members[0].score_group(members, cells, Context(space, TASKS["cifar10"](), tmp_path))
    for (name, bound), ours in zip(least.items(), scores.T, strict=True):
        theirs = published.columns[name][few + many]
        agreement, ratios = spearmanr(ours, theirs)[0], np.log(ours / theirs)
        drift = ratios[len(few) :].mean() - ratios[: len(few)].mean()
        print(f"{name}: rho {agreement:.3f}, many poolings beside few {np.exp(drift) - 1:+.0%}")
        assert agreement >= bound
        assert abs(drift) < 0.1
