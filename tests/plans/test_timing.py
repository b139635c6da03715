"""Which networks are timed by whole trainings."""

from itertools import count

import pytest

from archsieve.estimators.partial_training import PartialTraining
from archsieve.plans.timing import largest_of, whole_trainings
from archsieve.randomness import generator
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic

SPACE = NASBenchMacro(stem_width=4, widths=(4, 4), stages=(2, 2), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=60)


def drawn(number, seed=0):
    rng = generator(seed, "sample", "trained")
    return [SPACE.canonical(SPACE.sample(rng)) for _ in range(number)]


def test_the_largest_of_those_drawn_by_multiply_adds():
    archs = drawn(6)
    found = largest_of(6, SPACE, TASK, generator(0, "sample", "trained"))
    assert SPACE.macs(found, TASK) == max(SPACE.macs(arch, TASK) for arch in archs)
    assert largest_of(1, SPACE, TASK, generator(0, "sample", "trained")) == archs[0]


@pytest.mark.parametrize("number", [1, 4])
def test_large_networks_are_trained_if_asked_for(number, monkeypatch):
    trained = []
    monkeypatch.setattr(PartialTraining, "score", lambda self, archs, ctx: trained.extend(archs))
    ticks = count()
    whole_trainings(SPACE, TASK, PartialTraining(), 0, 1.0, 1000.0, "cpu", lambda: float(next(ticks)), number)
    archs = drawn(8 * number)
    groups = [archs[i : i + number] for i in range(0, len(archs), number)]
    expected = [max(group, key=lambda arch: SPACE.macs(arch, TASK)) for group in groups]
    assert trained == [arch for arch in expected for _ in range(2)]  # one epoch, then three


def test_networks_that_cannot_be_counted_are_taken_as_drawn(monkeypatch):
    def refuse(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("archsieve.plans.timing.size_of", refuse)
    assert largest_of(4, SPACE, TASK, generator(0, "sample", "trained")) == drawn(1)[0]
