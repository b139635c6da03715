"""The size space of NATS-Bench: a user's table, and every way to join it wrongly."""

from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest

from archsieve.benchmarks.contract import caution_of, task_of
from archsieve.benchmarks.nats_size import CIFAR10, CIFAR100, IMAGENET16
from archsieve.errors import DataError
from archsieve.notices import listening
from archsieve.registry import BENCHMARKS
from archsieve.spaces.contract import enumerate_space
from plugins.commands import invoke

SPACE = CIFAR10.space
ARCHS = list(enumerate_space(SPACE))
NAMES = [SPACE.describe(arch) for arch in ARCHS]
SIZES = (8 + 8 * np.array(ARCHS)) ** 2.0 @ [1, 1 / 4, 1 / 4, 1 / 16, 1 / 16]
"""About the multiply-adds: channels squared, at a fourth of the positions behind each residual block."""
TRUTH = 50 + 10 * np.log10(SIZES / SIZES.min()) + np.random.default_rng(0).normal(0, 0.5, len(ARCHS))


def write(folder, names=NAMES, truth=TRUTH, benchmark=CIFAR10, **columns):
    columns = {"arch_str": names, "test_acc_90": truth, **columns}
    with (folder / benchmark.source.file.replace(".parquet", ".csv")).open("w", newline="") as stream:
        csv.writer(stream).writerows([list(columns), *zip(*columns.values(), strict=True)])


def test_a_table_of_the_published_strings(folder):
    order = np.random.default_rng(1).permutation(len(ARCHS))
    write(folder, np.array(NAMES)[order], TRUTH[order], test_acc_12=TRUTH[order] - 5)
    table = CIFAR10.load()
    assert table.lookup("test_acc_90", ARCHS).tolist() == TRUTH.tolist()
    assert table.lookup("test_acc_12", ARCHS[9:10]) == pytest.approx(TRUTH[9] - 5)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([":".join(reversed(name.split(":"))) for name in NAMES], "do not follow the sizes of its networks"),
        (NAMES[::-1], "do not follow the sizes of its networks"),
        (["".join(map(str, arch)) for arch in ARCHS], "which does not say whose numbers these are"),
        (["8:16:24:32:65", *NAMES[1:]], "holds a wrong architecture"),
        ([NAMES[1], *NAMES[1:]], "twice"),
    ],
    ids=["backwards", "rows reversed", "digits", "unknown channels", "twice"],
)
def test_a_wrong_join_is_refused(folder, names, sentence):
    write(folder, names)
    with pytest.raises(DataError, match=sentence):
        CIFAR10.load()


@pytest.mark.parametrize("exchanged", list(itertools.combinations(range(5), 2)))
def test_sizes_tell_numbers_exchanged(exchanged, tmp_path):
    order = list(range(5))
    order[exchanged[0]], order[exchanged[1]] = exchanged[::-1]
    archs = ARCHS[::101]
    macs = np.array([SPACE.macs(arch, task_of(CIFAR10)) for arch in archs]) / 1e6
    CIFAR10._check_order(tmp_path, "flops", archs, macs)
    with pytest.raises(DataError, match="were exchanged"):
        CIFAR10._check_order(tmp_path, "flops", [tuple(arch[o] for o in order) for arch in archs], macs)


def test_a_column_of_sizes_is_compared(folder):
    macs = np.array([SPACE.macs(arch, task_of(CIFAR10)) for arch in ARCHS])
    write(folder, [":".join(np.array(name.split(":"))[[1, 0, 2, 3, 4]]) for name in NAMES], flops=macs)
    with pytest.raises(DataError, match="if their numbers 1 and 2 were exchanged"):
        CIFAR10.load()


def test_fractions_are_refused(folder):
    write(folder, truth=TRUTH / 100)
    with pytest.raises(DataError, match="where percent are expected"):
        CIFAR10.load()


@pytest.mark.parametrize(
    ("truth", "sentence"),
    [
        (np.roll(TRUTH, 1), "means do not rise with number 5 of its strings"),
        (np.roll(TRUTH, 1000), "means do not rise with number 2 of its strings"),
        (100 - TRUTH, "do not follow the sizes"),
        (np.where(np.arange(len(TRUTH)) == 7, TRUTH / 100, TRUTH), "write percent, not a fraction"),
    ],
    ids=["shifted by one", "shifted by a thousand", "errors", "one fraction"],
)
def test_accuracies_of_other_networks_are_refused(folder, truth, sentence):
    write(folder, truth=truth)
    with pytest.raises(DataError, match=sentence):
        CIFAR10.load()


def test_a_join_that_was_not_fully_checked_is_told(folder):
    """Without a column of sizes, two numbers exchanged go unnoticed: the user must know."""
    write(folder)
    told = []
    with listening(told.append):
        table = CIFAR10.load()
    assert table.remarks == tuple(told)
    assert "the order of the channels in arch_str was not fully checked" in told[0]
    assert told[0] in caution_of(CIFAR10, table)
    macs = np.array([SPACE.macs(arch, task_of(CIFAR10)) for arch in ARCHS])
    write(folder, flops=macs)
    assert CIFAR10.load().remarks == ()
    write(folder, flops=[1.0] * len(ARCHS))
    with pytest.raises(DataError, match="holds in its column 'flops' no sizes"):
        CIFAR10.load()


def test_what_is_said_about_accuracies_and_early_ones_are_read(folder):
    """Deviations and ranks are no accuracies; after one epoch, small networks are still near chance."""
    macs = [SPACE.macs(arch, task_of(CIFAR10)) for arch in ARCHS]
    ranks = np.argsort(np.argsort(-TRUTH)) + 1
    early = np.where(np.arange(len(TRUTH)) == 0, 10.0, TRUTH - 40)
    write(folder, flops=macs, test_acc_90_std=[0.2] * len(ARCHS), acc_rank=ranks, test_acc_1=early)
    assert CIFAR10.load().remarks == ()


@pytest.mark.slow
def test_measure_takes_it_by_name(folder):
    write(folder, benchmark=IMAGENET16, truth=TRUTH - 40)
    result = invoke("measure", "nats-size", "--benchmark", "nats-size-imagenet16-120")
    assert result.exit_code == 0, result.stderr
    assert "Truth: test_acc_90 of nats-size-imagenet16-120, 32768 codes" in result.stdout
    assert "archsieve has no task of this data set" in result.stdout
    assert "was not fully checked" in result.stderr


def test_they_are_in_the_catalogue():
    tables = (CIFAR10, CIFAR100, IMAGENET16)
    assert [BENCHMARKS[table.name] for table in tables] == list(tables)
    assert [task_of(table).num_outputs for table in tables] == [10, 100, 120]
