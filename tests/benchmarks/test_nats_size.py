"""The size space of NATS-Bench: a user's table, and every way to join it wrongly."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from archsieve.benchmarks.contract import task_of
from archsieve.benchmarks.nats_size import CIFAR10, CIFAR100, IMAGENET16
from archsieve.errors import DataError
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


@pytest.mark.parametrize("exchanged", [(0, 1), (3, 4)])
def test_sizes_tell_numbers_exchanged(folder, exchanged):
    order = np.arange(5)
    order[list(exchanged)] = exchanged[::-1]
    macs = np.array([SPACE.macs(arch, task_of(CIFAR10)) for arch in ARCHS]) / 1e6
    write(folder, [":".join(np.array(name.split(":"))[order]) for name in NAMES], flops=macs)
    numbers = f"if their numbers {exchanged[0] + 1} and {exchanged[1] + 1} were exchanged"
    with pytest.raises(DataError, match=numbers):
        CIFAR10.load()
    write(folder, flops=macs)
    assert len(CIFAR10.load().archs) == len(ARCHS)


def test_fractions_are_refused(folder):
    write(folder, truth=TRUTH / 100)
    with pytest.raises(DataError, match="where percent are expected"):
        CIFAR10.load()


@pytest.mark.slow
def test_measure_takes_it_by_name(folder):
    write(folder, benchmark=IMAGENET16, truth=TRUTH - 40)
    result = invoke("measure", "nats-size", "--benchmark", "nats-size-imagenet16-120")
    assert result.exit_code == 0, result.stderr
    assert "Truth: test_acc_90 of nats-size-imagenet16-120, 32768 codes" in result.stdout
    assert "archsieve has no task of this data set" in result.stdout


def test_they_are_in_the_catalogue():
    tables = (CIFAR10, CIFAR100, IMAGENET16)
    assert [BENCHMARKS[table.name] for table in tables] == list(tables)
    assert [task_of(table).num_outputs for table in tables] == [10, 100, 120]
