"""The topology space on CIFAR-100 and ImageNet16-120: a user's table, and every way to join it wrongly."""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from archsieve.benchmarks.contract import is_about, task_of
from archsieve.benchmarks.nasbench201 import CIFAR10
from archsieve.benchmarks.nats_topology import CIFAR100, IMAGENET16, _reaches_output
from archsieve.benchmarks.records import Table
from archsieve.errors import DataError, SettingError
from archsieve.judging.mkr_study import mkr_study
from archsieve.registry import BENCHMARKS, ESTIMATORS
from archsieve.runs.session import Session
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench201.space import NASBench201, to_naslib
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import invoke

SPACE = NASBench201()
ARCHS = list(enumerate_space(SPACE))
CODES = np.array(ARCHS)
GAINS = np.array([0.0, 4.0, 6.0, 8.0, 2.0])
"""What an operation on an edge is worth: none, skip, 1x1, 3x3, pool."""
TRUTH = np.where([_reaches_output(arch) for arch in ARCHS], 20 + GAINS[CODES].sum(1), 1.0)
NAMES = [SPACE.describe(arch) for arch in ARCHS]


def write(folder, names=NAMES, truth=TRUTH, benchmark=CIFAR100, **columns):
    columns = {"arch_str": names, "test_acc_200": truth, **columns}
    path = folder / benchmark.source.file.replace(".parquet", ".csv")
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


@pytest.mark.parametrize("benchmark", [CIFAR100, IMAGENET16], ids=lambda b: b.name)
def test_a_table_of_the_published_strings(folder, benchmark):
    truth = np.minimum(TRUTH, 47)
    order = np.random.default_rng(0).permutation(len(ARCHS))
    shuffled = [np.array(NAMES)[order], truth[order]]
    write(folder, *shuffled, benchmark, valid_acc=truth[order] - 1, note=["x"] * len(ARCHS))
    table = benchmark.load()
    assert table.lookup("test_acc_200", ARCHS).tolist() == truth.tolist()
    assert table.lookup("valid_acc", ARCHS[5:6]) == truth[5] - 1
    assert "note" not in table.columns
    assert benchmark.source.state(check=True) == "unchecked"
    assert benchmark.noise == {}  # that of CIFAR-10 is not theirs


def test_parquet_is_read_as_well(folder):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"arch_str": NAMES, "test_acc_200": TRUTH}), folder / CIFAR100.source.file)
    assert CIFAR100.load().lookup("test_acc_200", ARCHS).tolist() == TRUTH.tolist()


def renumbered(order):
    """Write the strings as somebody would who numbers operations in another order."""
    return [SPACE.describe(tuple(order[o] for o in arch)) for arch in ARCHS]


WRONG = {
    "skip for none": renumbered((1, 0, 2, 3, 4)),
    "pool for none": renumbered((4, 1, 2, 3, 0)),
    "1x1 for 3x3": renumbered((0, 1, 3, 2, 4)),
    "NASLib's operations": renumbered((1, 0, 3, 2, 4)),
    "NASLib's edges": [SPACE.describe(tuple(arch[e] for e in (0, 1, 3, 2, 4, 5))) for arch in ARCHS],
    "edges backwards": [SPACE.describe(arch[::-1]) for arch in ARCHS],
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_join_is_refused(folder, kind):
    path = write(folder, WRONG[kind])
    with pytest.raises(DataError, match="Its rows and their architectures do not belong together") as refused:
        CIFAR100.load()
    assert str(path) in str(refused.value)


NETWORKS = np.array([SPACE.canonical(arch) for arch in ARCHS])
PUBLISHED_LIKE = np.where(
    TRUTH == 1, 1.0, 30 + (GAINS[NETWORKS] * [1.1, 1, 1, 1.3, 1, 0.9]).sum(1) + np.sin(NETWORKS @ [1, 2, 3, 5, 7, 11])
)
"""Accuracies that cells of one network share, as published ones do but for their noise."""


def accepted(values_of_orders, noise=0.3):
    """Return the orders whose values are not refused."""
    values = np.where(PUBLISHED_LIKE == 1, 1, PUBLISHED_LIKE + np.random.default_rng(0).normal(0, noise, len(ARCHS)))
    kept = []
    for order, rows in values_of_orders:
        try:
            CIFAR100.check_values(Path("copy.csv"), values[rows])
        except DataError:
            continue
        kept.append(order)
    return kept


def test_every_other_order_of_operations_is_refused(folder):
    rows = ((order, rows_of(np.array(order)[CODES])) for order in itertools.permutations(range(5)))
    assert accepted(rows) == [(0, 1, 2, 3, 4)]


def test_every_other_order_of_edges_is_refused_but_from_output_to_input(folder):
    rows = ((order, rows_of(CODES[:, order])) for order in map(list, itertools.permutations(range(6))))
    assert accepted(rows) == [[0, 1, 2, 3, 4, 5], [5, 4, 2, 3, 1, 0]]


def test_edges_from_output_to_input_are_refused_where_cifar10_is_at_hand(monkeypatch):
    known = Table(tuple(ARCHS), {"truth": 2 * PUBLISHED_LIKE})
    there = SimpleNamespace(is_present=lambda: True, load=lambda: known, truth="truth")
    monkeypatch.setattr("archsieve.benchmarks.nats_topology.CIFAR10", there)
    orders = [[0, 1, 2, 3, 4, 5], [5, 4, 2, 3, 1, 0]]
    assert accepted((order, rows_of(CODES[:, order])) for order in orders) == orders[:1]


@pytest.mark.data
def test_the_accuracies_published_for_cifar10_pass_as_such_a_table():
    """Another training of the cells stands for another data set; wrong orders of its rows are refused."""
    values = CIFAR10.load().lookup("val_acc_200", ARCHS)
    table = replace(CIFAR100, classes=10)
    table.check_values(Path("copy.csv"), values)
    wrong = [CODES[:, [5, 4, 2, 3, 1, 0]], CODES[:, [0, 2, 1, 3, 4, 5]], np.array([0, 2, 1, 3, 4])[CODES]]
    for codes in wrong:
        with pytest.raises(DataError, match="do not belong together"):
            table.check_values(Path("copy.csv"), values[rows_of(codes)])


def rows_of(codes):
    """Return the places of codes among all codes."""
    return codes @ 5 ** np.arange(5, -1, -1)


def test_sizes_that_are_not_those_of_the_cells_are_refused(folder):
    """Where accuracies tell nothing: a column of sizes belongs to other cells."""
    sizes = 1000.0 + 100 * (CODES[::-1] == 3).sum(1)
    write(folder, params=sizes)
    with pytest.raises(DataError, match="holds sizes in its column 'params' that are not those of its codes"):
        CIFAR100.load()


@pytest.mark.parametrize(
    "names",
    [
        ["".join(map(str, arch)) for arch in ARCHS],
        [str(to_naslib(arch)) for arch in ARCHS],
        [str(list(arch)) for arch in ARCHS],
    ],
    ids=["digits", "NASLib's tuples", "lists"],
)
def test_codes_of_an_unknown_order_are_impossible(folder, names):
    write(folder, names)
    with pytest.raises(DataError, match="which does not say whose order of edges and operations it has: write the pub"):
        CIFAR100.load()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"names": [*NAMES[:-1], NAMES[0]]}, "holds the architecture .* twice"),
        ({"names": NAMES[:-1], "truth": TRUTH[:-1]}, "holds 15,624 architectures, but nasbench201 has 15,625"),
        ({"truth": [*TRUTH[:-1], 101]}, "holds 101.0 as test_acc_200"),
        ({"truth": TRUTH / 100}, "holds values from 0 to 1 in its column 'test_acc_200', where percent are expected"),
        ({"truth": ["high", *TRUTH[1:]]}, "holds more than numbers in its column 'test_acc_200'"),
        ({"names": ["|none~0|+|none~0|none~1|+|none~0|none~1|conv~2|", *NAMES[1:]]}, "holds a wrong architecture"),
    ],
    ids=["twice", "one less", "no percent", "fractions", "text", "an unknown operation"],
)
def test_a_damaged_table_is_a_sentence(folder, change, sentence):
    write(folder, **change)
    with pytest.raises(DataError, match=sentence):
        CIFAR100.load()


def test_a_table_without_the_column_names_those_that_it_has(folder):
    (folder / "nasbench201-cifar100.csv").write_text("arch_str,accuracy\n")
    with pytest.raises(DataError, match="lacks the columns test_acc_200; it has arch_str, accuracy"):
        CIFAR100.load()


def test_the_data_set_without_a_task_has_noise_of_its_form():
    task = task_of(IMAGENET16)
    assert (task.input_shape, task.num_outputs) == ((3, 16, 16), 120)
    assert not is_about(IMAGENET16, Synthetic())
    assert "noise of its form (3 x 16 x 16, 120 classes)" in IMAGENET16.caution
    assert CIFAR100.caution == ""


def test_measure_takes_it_by_name(folder):
    write(folder, benchmark=IMAGENET16, truth=np.minimum(TRUTH, 47), other=TRUTH)
    ask = ("measure", "nasbench201", "--benchmark", "nasbench201-imagenet16-120")
    result = invoke(*ask)
    assert result.exit_code == 0, result.stderr
    assert "Truth: test_acc_200 of nasbench201-imagenet16-120, 15625 codes" in result.stdout
    assert "archsieve has no task of this data set" in result.stdout
    assert "Truth: other of" in invoke(*ask, "--truth", "other").stdout
    (told,) = [line for line in invoke("data").stdout.splitlines() if "nasbench201-imagenet16-120" in line][:1]
    assert "present" in told or "unchecked" in told


def test_two_data_sets_are_studied_together(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 20)
    write(folder)
    write(folder, benchmark=IMAGENET16, truth=np.minimum(TRUTH, 47))
    estimators = [ESTIMATORS[name]() for name in ("params", "macs", "chance")]
    names = [CIFAR100.name, IMAGENET16.name]
    with Session(tmp_path / "run", SPACE, task_of(IMAGENET16)) as session:
        study = mkr_study(session, estimators, benchmark=names, seeds=1, budget=50, searchers=("random_search",))
        with pytest.raises(SettingError, match="named twice"):
            mkr_study(session, estimators, benchmark=[names[0]] * 2, seeds=1, budget=50)
    assert [claim.truth for claim in study.claims] == [*(f"{name} test_acc_200" for name in names), "all truths"]


def test_both_are_in_the_catalogue():
    assert [BENCHMARKS[benchmark.name] for benchmark in (CIFAR100, IMAGENET16)] == [CIFAR100, IMAGENET16]
