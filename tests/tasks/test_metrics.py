"""Metrics by name against values worked out on paper, and splits drawn by seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archsieve.errors import DataError, SettingError
from archsieve.tasks.contract import Measure
from archsieve.tasks.data.splits import Fractions, codes_of, parted
from archsieve.tasks.metrics import DEFAULTS, METRICS, check_metric, metric_of

THIRD = torch.tensor([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [2.0, 0.0, 1.0], [0.0, 1.0, 2.0]])  # says 0, 1, 0, 2
TRUTH = torch.tensor([0, 1, 1, 2])
LOGITS = torch.tensor([[-2.0], [-1.0], [1.0], [2.0], [3.0]])  # no, no, yes, yes, yes
ANSWERS = torch.tensor([[0.0], [1.0], [0.0], [1.0], [1.0]])


def value(name, kind, outputs, targets, scale=None):
    metric = metric_of(name, kind, outputs.shape[1], scale)
    for batch in (slice(0, 1), slice(1, None)):
        metric.update(outputs[batch], targets[batch])
    return metric.compute()


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("accuracy", 75.0),  # three of four
        ("balanced_accuracy", 100 * (1 + 1 / 2 + 1) / 3),
        ("f1", (2 / 3 + 2 / 3 + 1) / 3),
        # Shares are .67, .24, .09. Class 0: .67 above .09 twice, and a tie; class 1: .67 and .09 against .24 twice.
        ("auc", (2.5 / 3 + 2 / 4 + 1) / 3),
    ],
)
def test_several_classes(name, by_hand):
    assert value(name, "classification", THIRD, TRUTH) == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("accuracy", 60.0),
        ("balanced_accuracy", 100 * (1 / 2 + 2 / 3) / 2),
        ("f1", 2 / 3),  # two of three yes are right, and two of three are found
        ("auc", 5 / 6),  # of six pairs, only -1 below 1 is wrong
    ],
)
def test_yes_or_no(name, by_hand):
    assert value(name, "binary", LOGITS, ANSWERS) == pytest.approx(by_hand)


def test_several_labels():
    outputs, targets = torch.cat([LOGITS, -LOGITS], 1), torch.cat([ANSWERS, ANSWERS], 1)
    assert value("accuracy", "multi-label", outputs, targets) == pytest.approx((60 + 40) / 2)
    assert value("f1", "multi-label", outputs, targets) == pytest.approx((2 / 3 + 2 / 5) / 2)
    assert value("auc", "multi-label", outputs, targets) == pytest.approx((5 / 6 + 1 / 6) / 2)


def test_numbers_in_the_unit_of_the_user():
    outputs = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
    targets = torch.tensor([[1.0, 1.0], [0.0, 3.0]])
    scale = np.array([10.0, 1.0])  # differences: -10, 0; 20, -2
    assert value("mae", "regression", outputs, targets, scale) == pytest.approx((30 / 2 + 2 / 2) / 2)
    assert value("mse", "regression", outputs, targets, scale) == pytest.approx((500 / 2 + 4 / 2) / 2)
    assert value("rmse", "regression", outputs, targets, scale) == pytest.approx((250**0.5 + 2**0.5) / 2)
    assert value("r2", "regression", outputs, targets) == pytest.approx(((1 - 5 / 0.5) + (1 - 4 / 2)) / 2)
    assert value("mae", "regression", outputs[:, :1].flatten()[:, None], targets[:, :1]) == 1.5


def test_classes_that_do_not_occur_count_for_nothing():
    assert value("balanced_accuracy", "classification", THIRD[:2], TRUTH[:2]) == 100
    assert np.isnan(value("auc", "classification", THIRD[:2], TRUTH[:2]))
    assert np.isnan(value("auc", "binary", LOGITS[3:], ANSWERS[3:]))


def test_no_items_and_nan_have_no_value():
    assert np.isnan(metric_of("f1", "binary", 1).compute())
    broken = LOGITS.clone()
    broken[0] = torch.nan
    assert np.isnan(value("f1", "binary", broken, ANSWERS))
    assert np.isnan(value("f1", "classification", THIRD * torch.nan, TRUTH))


def test_each_is_shown_in_its_own_direction():
    shown = {name: Measure(metric.title, metric.higher_is_better) for name, metric in METRICS.items()}
    assert shown["mae"].text(-0.25) == "0.25 (lower is better)"
    assert shown["balanced_accuracy"].text(91.256) == "91.26"
    assert shown["auc"].text(0.91256) == "0.9126"
    assert all(kind in METRICS[name].kinds for kind, name in DEFAULTS.items())
    with pytest.raises(SettingError, match=r"There is no metric 'acc'"):
        check_metric("acc", "binary")


def test_every_item_is_in_one_split():
    strata = np.arange(100) % 10 // 9  # a tenth is of class 1
    parts = parted("tens", 100, Fractions(0.2, 0.1, seed=3), strata=strata)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [70, 20, 10]
    assert sorted(np.concatenate([parts.train, parts.validation, parts.test]).tolist()) == list(range(100))
    assert [int(strata[part].sum()) for part in (parts.train, parts.validation, parts.test)] == [7, 2, 1]
    other = parted("tens", 100, Fractions(0.2, 0.1, seed=4), strata=strata)
    assert set(other.test) != set(parts.test)


def test_items_of_one_group_come_into_one_split():
    groups = np.arange(60) // 3
    parts = parted("threes", 60, Fractions(0.2, 0.2, seed=0), groups=groups)
    found = [set(groups[part].tolist()) for part in (parts.train, parts.validation, parts.test)]
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [36, 12, 12]
    assert sum(map(len, found)) == len(set.union(*found)) == 20


def test_a_given_split_stays_as_it_is():
    given = np.array([0] * 30 + [2] * 10, dtype=np.int8)
    parts = parted("given", 40, Fractions(0.1, 0.5, seed=0), given=given)
    assert parts.test.tolist() == list(range(30, 40))
    assert (len(parts.train), len(parts.validation)) == (27, 3)


def test_words_that_name_no_split():
    assert codes_of(["Train", " val ", "TEST"], "it", str).tolist() == [0, 1, 2]
    with pytest.raises(
        DataError, match=r"must say train, validation or test, but says 'tset' in 1. Did you mean 'test'"
    ):
        codes_of(["train", "tset"], "it", str)
