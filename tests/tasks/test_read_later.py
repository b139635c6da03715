"""A task that makes its batches when they are asked for: `batches` are those of `pending`, made in order."""

from typing import ClassVar

import numpy as np
import pytest
import torch

from archsieve.errors import SettingError
from archsieve.tasks.contract import reads_ahead
from archsieve.tasks.read_later import ReadLater, in_parts


class Numbers(ReadLater):
    """Seven numbers."""

    name = "numbers"
    input_shape = (1,)
    num_outputs = 2
    made: ClassVar[list[slice]] = []

    def answer(self, request):
        order = np.arange(7) if request.rng is None else request.rng.permutation(7)

        def make(part):
            self.made.append(part)
            return torch.tensor(order[part]).float()[:, None], torch.tensor(order[part])

        return in_parts(len(order), request.batch_size, make)

    def loss(self, outputs, targets):
        return outputs.mean()

    def metric(self):
        raise NotImplementedError


class OneByOne(Numbers):
    makes_ahead = False


@pytest.mark.parametrize(("task", "made"), [(Numbers(), 3), (OneByOne(), 1)])
def test_batches_are_made_in_order_and_at_most_two_ahead(task, made):
    task.made.clear()
    batches = task.batches("train", batch_size=2)
    assert task.made == []
    first, targets = next(batches)
    assert (first.tolist(), targets.tolist()) == ([[0.0], [1.0]], [0, 1])
    assert 1 <= len(task.made) <= made
    assert [len(targets) for _, targets in batches] == [2, 2, 1]
    assert [(part.start, part.stop) for part in task.made] == [(0, 2), (2, 4), (4, 6), (6, 7)]


def test_all_that_is_random_is_drawn_before_the_first_batch_is_made():
    rng, same = np.random.default_rng(3), np.random.default_rng(3)
    batches = Numbers().batches("train", batch_size=3, rng=rng)
    state = rng.bit_generator.state
    order = torch.cat([targets for _, targets in batches]).tolist()
    assert rng.bit_generator.state == state
    assert order == same.permutation(7).tolist()
    assert reads_ahead(Numbers())


def test_what_makes_no_sense_is_refused_before_the_task_is_asked():
    with pytest.raises(SettingError, match="needs an `rng`"):
        Numbers().pending("train", batch_size=2, augment=True)
    with pytest.raises(SettingError, match="batch_size"):
        Numbers().pending("train", batch_size=0)
