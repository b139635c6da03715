"""Facts of the published tables: how the cheapest estimators rank, and where the optima are.

Ties count against the estimator; of tied optima any will do.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, spearman
from archsieve.registry import BENCHMARKS
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench201.space import unique_string

pytestmark = pytest.mark.data
CIFAR = SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10)


def best_of(table, column):
    values = table.columns[column]
    return {table.archs[i] for i in np.flatnonzero(values == values.max())}, float(values.max())


def judged(table, column, truth, archs=None):
    archs = table.archs if archs is None else archs
    scores, values = table.lookup(column, archs), table.lookup(truth, archs)
    return kendall_tau(scores, values), minimum_keeping_ratio(scores, values)


@pytest.mark.parametrize(("column", "tau", "ratio"), [("flops", 0.5560, 0.0198), ("params", 0.2176, 0.2588)])
def test_macro_over_all_codes(macro, column, tau, ratio):
    assert len(macro.archs) == 6561
    found = judged(macro, column, "mean_acc")
    assert found == (pytest.approx(tau, abs=5e-5), pytest.approx(ratio, abs=5e-5))


@pytest.mark.parametrize(("column", "tau", "ratio"), [("flops", 0.5461, 0.0300), ("params", 0.2155, 0.3401)])
def test_macro_over_distinct_networks(macro, column, tau, ratio):
    space = BENCHMARKS["nasbench-macro-cifar10"].space
    distinct = [arch for arch in macro.archs if space.canonical(arch) == arch]
    assert len(distinct) == 3969
    found = judged(macro, column, "mean_acc", distinct)
    assert found == (pytest.approx(tau, abs=5e-5), pytest.approx(ratio, abs=5e-5))


def test_macro_optimum_is_one_network_with_two_codes(macro):
    space = BENCHMARKS["nasbench-macro-cifar10"].space
    codes, accuracy = best_of(macro, "mean_acc")
    assert codes == {space.parse("22212220"), space.parse("22212202")}
    assert accuracy == pytest.approx(93.1267, abs=5e-5)
    assert len({space.canonical(code) for code in codes}) == 1


def test_macro_landmarks(macro):
    space = BENCHMARKS["nasbench-macro-cifar10"].space
    accuracies = macro.columns["mean_acc"]
    assert accuracies.min() == pytest.approx(45.363, abs=5e-4)
    assert accuracies.mean() == pytest.approx(90.247, abs=5e-4)
    assert np.median(accuracies) == pytest.approx(90.990, abs=5e-4)
    assert np.quantile(accuracies, 0.99) == pytest.approx(92.810, abs=5e-4)
    assert macro.row(space.parse("22222221"))["mean_acc"] == pytest.approx(93.1067, abs=5e-5)
    assert macro.row(space.parse("22212220"))["params"] == 1_985_514
    assert list(enumerate_space(space)).index(space.parse("22212220")) == 6477


def test_the_noise_of_a_cell(cells):
    """Cells of one network were trained separately: what they differ by is noise."""
    benchmark = BENCHMARKS["nasbench201-cifar10"]
    networks = {}
    for row, arch in enumerate(cells.archs):
        networks.setdefault(benchmark.space.canonical(arch), []).append(row)
    good = [rows for rows in networks.values() if len(rows) > 1 and cells.columns["test_acc_200"][rows].min() > 88]
    freedom = sum(len(rows) - 1 for rows in good)
    for column, deviation in benchmark.noise.items():
        values = cells.columns[column]
        squares = sum(((values[rows] - values[rows].mean()) ** 2).sum() for rows in good)
        assert (squares / freedom) ** 0.5 == pytest.approx(deviation, abs=0.006)


def test_macro_mean_is_the_mean_of_its_runs(macro):
    runs = np.stack([macro.columns[f"test_acc_{run}"] for run in (1, 2, 3)])
    np.testing.assert_allclose(runs.mean(0), macro.columns["mean_acc"], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("column", "truth", "tau", "ratio", "within"),
    [
        ("val_acc_12", "test_acc_200", 0.5943, 0.000064, 5e-7),
        ("test_acc_12", "test_acc_200", 0.7000, 0.00032, 5e-6),
        ("val_acc_12", "val_acc_200", 0.6332, 0.00032, 5e-6),
    ],
)
def test_cheap_training_of_cells(cells, column, truth, tau, ratio, within):
    assert len(cells.archs) == 15_625
    found = judged(cells, column, truth)
    assert found == (pytest.approx(tau, abs=5e-5), pytest.approx(ratio, abs=within))


def test_cell_optima(cells):
    parse = BENCHMARKS["nasbench201-cifar10"].space.parse
    codes, accuracy = best_of(cells, "test_acc_200")
    assert codes == {parse("333132"), parse("333123")}
    assert accuracy == pytest.approx(94.3733, abs=5e-5)
    assert best_of(cells, "val_acc_200") == ({parse("323123")}, 91.57)
    ranked = sorted(codes, key=lambda code: -cells.row(code)["val_acc_12"])
    places = [int((cells.columns["val_acc_12"] >= cells.row(code)["val_acc_12"]).sum()) for code in ranked]
    assert places == [1, 17]


def test_published_zen_gave_no_score_in_341_cells(cells):
    zen = cells.columns["published_zen"]
    assert np.isnan(zen).sum() == 341
    assert np.nanmin(zen) > -1e7


def test_cells_come_in_the_order_of_nats_bench(cells):
    np.testing.assert_array_equal(cells.columns["index"], np.arange(15_625))
    parse = BENCHMARKS["nasbench201-cifar10"].space.parse
    first = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    assert cells.archs[0] == parse(first)


def test_unique_strings_follow_the_rule_and_merge_networks_of_different_size(cells):
    benchmark = BENCHMARKS["nasbench201-cifar10"]
    strings = benchmark.text("unique_str")
    assert all(strings[arch] == unique_string(arch) for arch in cells.archs)
    sizes = {}
    for arch, text in strings.items():
        sizes.setdefault(text, set()).add(benchmark.space.params(arch, CIFAR))
    assert len(sizes) == 6466
    assert sum(len(values) > 1 for values in sizes.values()) == 578
    assert max(max(values) / min(values) for values in sizes.values()) == pytest.approx(10.9, abs=0.05)


def test_analog_baseline(analog, cells):
    benchmark = BENCHMARKS["nasbench201-analog"]
    codes, accuracy = best_of(analog, "baseline_accuracy")
    assert codes == {benchmark.space.parse("333123")}
    assert accuracy == pytest.approx(94.0664, abs=5e-5)
    assert analog.columns["baseline_accuracy"].min() == 10.0
    agreement = spearman(analog.columns["baseline_accuracy"], cells.lookup("test_acc_200", analog.archs))
    assert agreement == pytest.approx(0.991, abs=5e-4)


@pytest.mark.parametrize("count", ["params", "macs"])
def test_size_against_the_analog_baseline(analog, count):
    space = BENCHMARKS["nasbench201-analog"].space
    sizes = [getattr(space, count)(arch, CIFAR) for arch in analog.archs]
    assert len(set(sizes)) == 28
    truth = analog.columns["baseline_accuracy"]
    assert kendall_tau(sizes, truth) == pytest.approx(0.5676, abs=5e-5)
    assert minimum_keeping_ratio(sizes, truth) == pytest.approx(0.00832, abs=5e-6)


def test_published_proxies(published, cells):
    space = BENCHMARKS["nasbench201-published-proxies"].space
    assert len(published.archs) == 245
    sizes = [space.params(arch, CIFAR) / 1e6 for arch in published.archs]
    np.testing.assert_allclose(published.columns["params"], sizes, rtol=1e-9)
    assert np.isnan(published.columns["jacov"]).sum() == 4
    agreement = spearman(published.columns["val_accuracy"], cells.lookup("val_acc_200", published.archs))
    assert agreement > 0.98  # other runs of the same cells: the codes are decoded in the right order


def test_published_darts_cells(published301):
    space = BENCHMARKS["nasbench301-published-proxies"].space
    assert len(published301.archs) == len({space.canonical(arch) for arch in published301.archs}) == 250
    sizes = np.array([space.params(arch, CIFAR) for arch in published301.archs])
    assert spearman(sizes, published301.columns["params"]) > 0.9999
    ratios = published301.columns["params"] * 1e6 / sizes  # theirs are about one per cent lower
    assert 0.988 < ratios.min() < ratios.max() < 0.9951
    truth = published301.columns["val_accuracy"]
    assert (truth.min(), truth.max()) == (pytest.approx(90.728, abs=5e-4), pytest.approx(94.330, abs=5e-4))
    assert kendall_tau(published301.columns["params"], truth) == pytest.approx(0.357, abs=5e-4)
