"""The topology space on its three data sets: a user's table, and every way to join it wrongly."""

from __future__ import annotations

import csv
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from archsieve.benchmarks.contract import is_about, task_of
from archsieve.benchmarks.nasbench201 import CIFAR10
from archsieve.benchmarks.nats_topology import CIFAR100, IMAGENET16
from archsieve.benchmarks.records import Table
from archsieve.benchmarks.topology_join import _reaches_output, check_accuracies
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
    write(folder, *shuffled, benchmark, valid_acc=truth[order] + 0.5, note=["x"] * len(ARCHS))
    table = benchmark.load()
    assert table.lookup("test_acc_200", ARCHS).tolist() == truth.tolist()
    assert table.lookup("valid_acc", ARCHS[5:6]) == truth[5] + 0.5
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


ON_CIFAR10 = np.where(TRUTH == 1, 10.0, TRUTH + 20)


@pytest.mark.parametrize("column", CIFAR10.columns[:4])
def test_a_wrong_join_to_cifar10_is_refused_by_each_column_of_accuracies(column):
    def check(values):
        CIFAR10.check_join(Path("own.csv"), Table(tuple(ARCHS), {"test_acc_200": ON_CIFAR10, column: values}))

    check(ON_CIFAR10)
    for moved in (np.array((1, 0, 2, 3, 4))[CODES], CODES[:, [0, 1, 3, 2, 4, 5]], np.roll(CODES, 1, axis=0)):
        with pytest.raises(DataError, match="do not belong together"):
            check(ON_CIFAR10[rows_of(moved)])


def test_a_file_of_cifar10_is_checked(folder):
    write(folder, truth=ON_CIFAR10, benchmark=CIFAR10, val_acc_12=ON_CIFAR10)
    assert CIFAR10.load().lookup("val_acc_12", ARCHS).tolist() == ON_CIFAR10.tolist()
    write(folder, truth=np.where(TRUTH == 1, 1.0, ON_CIFAR10), benchmark=CIFAR10)
    with pytest.raises(DataError, match=r"the accuracy 1 as test_acc_200 of .*less than chance, which is 10 percent"):
        CIFAR10.load()


NETWORKS = np.array([SPACE.canonical(arch) for arch in ARCHS])
PUBLISHED_LIKE = np.where(
    TRUTH == 1, 1.0, 30 + (GAINS[NETWORKS] * [1.1, 1, 1, 1.3, 1, 0.9]).sum(1) + np.sin(NETWORKS @ [1, 2, 3, 5, 7, 11])
)
"""Accuracies that cells of one network share, as published ones do but for their noise."""


def accepted(orders, values, chance=1):
    """Return the (edges, operations) under which values are not refused."""
    kept = []
    for edges, operations in orders:
        try:
            check_accuracies(Path("copy.csv"), values[rows_of(np.array(operations)[CODES][:, edges])], chance, "acc")
        except DataError:
            continue
        kept.append((list(edges), list(operations)))
    return kept


EDGES, OPERATIONS = range(6), range(5)
OF_OPERATIONS = [(EDGES, order) for order in itertools.permutations(OPERATIONS)]
OF_EDGES = [(order, OPERATIONS) for order in itertools.permutations(EDGES)]


def noisy(noise=0.3):
    moved = np.random.default_rng(0).normal(0, noise, len(ARCHS))
    return np.where(PUBLISHED_LIKE == 1, 1, PUBLISHED_LIKE + moved)


def test_every_other_order_of_operations_is_refused():
    assert accepted(OF_OPERATIONS, noisy()) == [([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4])]


def test_every_other_order_of_edges_is_refused():
    assert accepted(OF_EDGES, noisy()) == [([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4])]


def test_a_part_of_the_values_is_checked_as_well():
    values = noisy()
    values[::3] = np.nan
    swapped = (EDGES, (0, 1, 3, 2, 4)), ((5, 4, 2, 3, 1, 0), OPERATIONS), ((1, 0, 2, 3, 4, 5), OPERATIONS)
    assert accepted([*swapped, (EDGES, OPERATIONS)], values) == [([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4])]


@pytest.mark.data
@pytest.mark.parametrize("column", CIFAR10.columns[:4])
def test_of_the_published_accuracies_only_the_right_join_is_accepted(column):
    """All 119 other orders of operations, all 719 of edges, and some of both at once."""
    values = CIFAR10.load().lookup(column, ARCHS)
    rng = np.random.default_rng(0)
    both = [(rng.permutation(6), rng.permutation(5)) for _ in range(50)]
    shifted = [np.roll(values, 1), np.roll(values, 1000), values[::-1]]
    assert accepted([*OF_OPERATIONS[1:], *OF_EDGES, *both], values, 10) == [([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4])]
    assert [accepted([(EDGES, OPERATIONS)], each, 10) for each in shifted] == [[], [], []]


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
        (
            {"names": [*NAMES[:-1], NAMES[0]]},
            "holds the architecture .* twice, in rows 1 and 15625",
        ),
        (
            {"names": NAMES[:-1], "truth": TRUTH[:-1]},
            "holds 15,624 .*has 15,625; one that is missing",
        ),
        ({"truth": [*TRUTH[:-1], 101]}, "holds 101.0 as test_acc_200"),
        ({"truth": TRUTH / 100}, "holds values from 0 to 1 in its column 'test_acc_200', where percent are expected"),
        (
            {"truth": ["high", *TRUTH[1:]]},
            "holds more than numbers in its column 'test_acc_200': 'high' is .*in row 1",
        ),
        ({"names": ["|none~0|+|none~0|none~1|+|none~0|none~1|conv~2|", *NAMES[1:]]}, "holds a wrong architecture"),
    ],
    ids=["twice", "one less", "no percent", "fractions", "text", "an unknown operation"],
)
def test_a_damaged_table_is_a_sentence(folder, change, sentence):
    write(folder, **change)
    with pytest.raises(DataError, match=sentence):
        CIFAR100.load()


@pytest.mark.parametrize(("benchmark", "classes"), [(CIFAR100, 100), (IMAGENET16, 120), (CIFAR10, 10)])
@pytest.mark.parametrize("column", ["test_acc_200", "valid_acc"])
def test_one_fraction_among_percent_is_refused_above_half_of_chance_too(folder, benchmark, classes, column):
    chance = 100 / classes
    right = np.where(TRUTH == 1, chance, TRUTH)
    values = {"test_acc_200": right, "valid_acc": right}
    row = NAMES.index(SPACE.describe((3, 3, 3, 3, 3, 3)))
    for fraction in (0.735, 0.4, 0.51 * chance / 100):
        wrong = right.copy()
        wrong[row] = fraction if benchmark is not IMAGENET16 else fraction * 0.64  # its best has 47 percent
        changed = values | {column: wrong}
        write(folder, truth=changed["test_acc_200"], valid_acc=changed["valid_acc"], benchmark=benchmark)
        with pytest.raises(DataError, match=r"less than chance, which is .* percent: it is a fraction"):
            benchmark.load()


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (100 - TRUTH, "do not belong together"),
        (np.random.default_rng(0).permutation(TRUTH), "do not belong together"),
        (TRUTH / 100, "less than chance"),
    ],
    ids=["errors", "shuffled", "fractions"],
)
def test_a_further_column_of_accuracies_is_checked_as_the_truth_is(folder, column, sentence):
    write(folder, valid_acc=column)
    with pytest.raises(DataError, match=sentence):
        CIFAR100.load()


def test_a_column_of_equal_sizes_is_refused(folder):
    write(folder, params=[1] * len(ARCHS))
    with pytest.raises(DataError, match="the same size for all of its networks in its column 'params'"):
        CIFAR100.load()


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (
            "arch_str,accuracy",
            "lacks the columns test_acc_200; it has arch_str, accuracy. If they have other titles in",
        ),
        ("ARCH_STR,Test_acc_200", "it has ARCH_STR, Test_acc_200. Rename 'ARCH_STR' to 'arch_str', 'Test_acc_200' to"),
        ("arch_str, test_acc_200", "it has arch_str, ' test_acc_200'. Rename ' test_acc_200' to 'test_acc_200'."),
        (f"{NAMES[0]},93.5", "Its first line holds values: add a line of titles before it."),
    ],
)
def test_a_table_without_the_column_says_what_it_has_and_what_to_do(folder, header, sentence):
    (folder / "nasbench201-cifar100.csv").write_text(f"{header}\n")
    with pytest.raises(DataError, match=re.escape(sentence)):
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


def test_a_looked_up_column_is_of_the_named_benchmark(folder):
    """Both data sets have a column `valid_acc`: `--benchmark` names whose."""
    imagenet = np.minimum(TRUTH, 47)
    write(folder, valid_acc=TRUTH)
    write(folder, benchmark=IMAGENET16, truth=imagenet, valid_acc=imagenet)
    asked = ("measure", "nasbench201", "--lookup", "valid_acc", "--json")
    for benchmark in (CIFAR100, IMAGENET16):
        result = invoke(*asked, "--benchmark", benchmark.name)
        (found,) = [each for each in json.loads(result.stdout) if each["estimator"] == "valid_acc"]
        assert found["tau"] == 1.0


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
