"""Published proxies in a user's own file: every way to give scores to other cells, and wrong units."""

from __future__ import annotations

import ast
import itertools
import json

import numpy as np
import pytest

from archsieve.benchmarks.topology_join import all_codes
from archsieve.benchmarks.topology_order import PATHS, WORTH, check_order
from archsieve.errors import DataError
from archsieve.registry import BENCHMARKS
from archsieve.spaces.nasbench201.space import from_naslib

CELLS, GENOTYPES = BENCHMARKS["nasbench201-published-proxies"], BENCHMARKS["nasbench301-published-proxies"]
pytestmark = pytest.mark.data


def published(benchmark):
    path = benchmark.source.find()
    if path is None:
        pytest.skip(f"{benchmark.source.file} is not there: see `archsieve data`")
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def cells():
    return published(CELLS)


@pytest.fixture(scope="module")
def genotypes():
    return published(GENOTYPES)


def check(benchmark, tmp_path, monkeypatch, content):
    """Read a file of a user's own: the same content with other spaces is no longer the known file."""
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    (tmp_path / benchmark.source.file).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return benchmark.load()


def renamed(content, change):
    return {str(change(ast.literal_eval(key))): entry for key, entry in content.items()}


def changed(content, name, change):
    values = change([entry[name] for entry in content.values()])
    return {key: {**entry, name: value} for (key, entry), value in zip(content.items(), values, strict=True)}


def shuffled(values):
    return np.random.default_rng(0).permutation(values).tolist()


def test_the_published_content_and_a_part_of_it_are_read(tmp_path, monkeypatch, cells, genotypes):
    for benchmark, content in ((CELLS, cells), (GENOTYPES, genotypes)):
        for most in (8, 60, len(content)):
            part = dict(itertools.islice(content.items(), most))
            assert len(check(benchmark, tmp_path, monkeypatch, part).archs) == most


WRONG_CELLS = {
    "3x3 for 1x1": lambda cell: tuple((0, 1, 3, 2, 4)[o] for o in cell),
    "skip for none": lambda cell: tuple((1, 0, 2, 3, 4)[o] for o in cell),
    "pooling for skip": lambda cell: tuple((4, 1, 2, 3, 0)[o] for o in cell),
    "our numbers": lambda cell: from_naslib(cell),
    "our edges": lambda cell: tuple(cell[e] for e in (0, 1, 3, 2, 4, 5)),
    "edges backwards": lambda cell: cell[::-1],
}


@pytest.mark.parametrize("kind", WRONG_CELLS)
def test_scores_of_other_cells_are_refused(tmp_path, monkeypatch, cells, kind):
    with pytest.raises(DataError, match="do not belong together"):
        check(CELLS, tmp_path, monkeypatch, renamed(cells, WRONG_CELLS[kind]))


WRONG_GENOTYPES = {
    "normal for reduction": lambda genotype: genotype[::-1],
    "operations backwards": lambda genotype: [[(source, 6 - o) for source, o in cell] for cell in genotype],
    "two operations": lambda genotype: [[(source, {3: 4, 4: 3}.get(o, o)) for source, o in cell] for cell in genotype],
}


@pytest.mark.parametrize("kind", WRONG_GENOTYPES)
def test_scores_of_other_genotypes_are_refused(tmp_path, monkeypatch, genotypes, kind):
    with pytest.raises(DataError, match="do not belong together"):
        check(GENOTYPES, tmp_path, monkeypatch, renamed(genotypes, WRONG_GENOTYPES[kind]))


@pytest.mark.parametrize("benchmark", [CELLS, GENOTYPES], ids=lambda b: b.name)
@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("params", shuffled, "do not belong together"),
        (
            "params",
            lambda values: [1e6 * value for value in values],
            r"of another unit: 1e\+06 times|of another unit: 9",
        ),
        ("flops", shuffled, "do not belong together"),
        ("val_accuracy", shuffled, "do not belong together"),
        ("val_accuracy", lambda values: values[1:] + values[:1], "do not belong together"),
        ("val_accuracy", lambda values: [100 - value for value in values], "errors instead|not a fraction"),
        ("val_accuracy", lambda values: [values[0] / 100, *values[1:]], "write percent, not a fraction"),
        ("snip", lambda values: [float("inf"), *values[1:]], "holds inf as snip of"),
    ],
    ids=["params", "units", "flops", "accuracies", "shifted", "errors", "one fraction", "infinite"],
)
def test_wrong_columns_are_refused(tmp_path, monkeypatch, benchmark, name, change, sentence):
    with pytest.raises(DataError, match=sentence):
        check(benchmark, tmp_path, monkeypatch, changed(published(benchmark), name, change))


def test_nearly_every_other_order_of_edges_and_operations_is_refused(tmp_path, cells):
    archs = np.array([from_naslib(ast.literal_eval(key)) for key in cells])
    values = np.array([entry["val_accuracy"] for entry in cells.values()])
    accepted = []
    edges = [(archs[:, list(order)], order) for order in itertools.permutations(range(6))]
    operations = [(np.array(order)[archs], order) for order in itertools.permutations(range(5))]
    for codes, order in (*edges[::7], *operations[::2]):
        try:
            check_order(tmp_path, codes.tolist(), values, "val_accuracy")
        except DataError:
            continue
        accepted.append(order)
    assert accepted == [(0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4)]


def test_what_paths_are_worth_is_the_least_squares_fit():
    table = BENCHMARKS["nasbench201-cifar10"]
    if not table.is_present():
        pytest.skip(f"{table.source.file} is not there: see `archsieve data`")
    codes, values = np.array(all_codes()), table.load().lookup("test_acc_200", all_codes())
    ranks = np.searchsorted(np.sort(values), values) + np.searchsorted(np.sort(values), values, side="right")
    ranks = (ranks + 1) / 2 / len(values)
    features = []
    for edges in PATHS:
        numbers = sum(codes[:, edge] * 5 ** (len(edges) - 1 - i) for i, edge in enumerate(edges))
        features.append(np.eye(5 ** len(edges))[numbers])
    matrix = np.concatenate(features, axis=1)
    weights = np.linalg.solve(matrix.T @ matrix + np.eye(matrix.shape[1]), matrix.T @ (ranks - ranks.mean()))
    assert np.abs(100 * weights - np.concatenate(WORTH)).max() <= 0.51


@pytest.mark.parametrize("count", [60, 245])
@pytest.mark.parametrize("column", ["test_acc_200", "val_acc_200"])
def test_samples_of_right_accuracies_are_accepted(tmp_path, count, column):
    table = BENCHMARKS["nasbench201-cifar10"]
    if not table.is_present():
        pytest.skip(f"{table.source.file} is not there: see `archsieve data`")
    values = table.load().lookup(column, all_codes())
    for seed in range(10):
        rows = np.random.default_rng(seed).choice(len(values), count, replace=False)
        check_order(tmp_path, [all_codes()[row] for row in rows], values[rows], column)


@pytest.mark.parametrize("count", [60, 200, 1000])
def test_the_best_cells_alone_are_accepted(tmp_path, count):
    """Their accuracies differ by less than 1 %: chance decides their order."""
    table = BENCHMARKS["nasbench201-cifar10"]
    if not table.is_present():
        pytest.skip(f"{table.source.file} is not there: see `archsieve data`")
    values = table.load().lookup("test_acc_200", all_codes())
    rows = np.argsort(-values)[:count]
    check_order(tmp_path, [all_codes()[row] for row in rows], values[rows], "test_acc_200")
