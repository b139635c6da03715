"""What networks score on a split: every item once."""

from __future__ import annotations

import math

import pytest
import torch

from archsieve.errors import ScoringError
from archsieve.tasks.evaluation import evaluate, evaluate_each
from archsieve.tasks.synthetic import Synthetic
from plugins.items import Items

TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=50, test_images=11, signal=1.0)


@pytest.mark.parametrize(
    ("count", "limit", "sizes"),
    [
        (8, None, [4, 4]),
        (10, None, [4, 4, 2]),  # half a batch stays one
        (9, None, [4, 5]),  # less is joined
        (3, None, [3]),
        (1, None, [1]),
        (9, 6, [4, 2]),
        (9, 5, [5]),
        (9, 3, [3]),
        (9, 8, [4, 4]),
        (9, 100, [4, 5]),
    ],
)
def test_every_item_counts_once(count, limit, sizes):
    task, seen = Items(count), []

    def forward(inputs):
        assert not torch.is_grad_enabled()
        seen.append(len(inputs))
        return inputs

    score = evaluate(forward, task, "validation", batch_size=4, limit=limit)
    assert seen == sizes
    taken = min(count, limit or count)
    assert score == taken * (taken - 1) / 2  # the items are 0, 1, 2, ...
    assert task.asked == [("validation", 4, False)]


def test_a_metric_to_minimise_is_negated():
    assert evaluate(lambda inputs: inputs, Items(4, higher_is_better=False), "test") == -6


def test_accuracy_counts_items_and_not_batches():
    # 11 test items in batches of 8: the share of hits of the whole, not a mean of two shares.
    targets = torch.cat([t for _, t in TASK.batches("test", batch_size=100)])
    hits = (targets == 0).sum().item()
    first = torch.nn.functional.one_hot(torch.tensor(0), 4).float()
    score = evaluate(lambda inputs: first.expand(len(inputs), 4), TASK, "test", batch_size=8)
    assert 0 < hits < 11
    assert score == pytest.approx(100 * hits / 11)


def test_outputs_of_nan_are_a_failure_and_not_an_accuracy_of_nothing():
    def forward(inputs):
        outputs = torch.zeros(len(inputs), TASK.num_outputs)
        outputs[0, 0] = torch.nan
        return outputs

    with pytest.raises(ScoringError, match=r"^the network puts out NaN on the split 'test', so that its metric there"):
        evaluate(forward, TASK, "test")
    outputs = {"broken": forward, "whole": lambda inputs: torch.zeros(len(inputs), TASK.num_outputs)}
    found = evaluate_each(lambda inputs: ((key, f(inputs)) for key, f in outputs.items()), TASK, "test")
    assert math.isnan(found["broken"])
    assert 0 <= found["whole"] <= 100
