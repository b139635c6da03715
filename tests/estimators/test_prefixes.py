"""Whether paths may share prefixes is found out once for a space and task."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from archsieve.estimators.contract import Context
from archsieve.estimators.prefixes import holds_chains
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic

TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=60)


@dataclass(frozen=True)
class Counted(NASBenchMacro):
    """Counts how often its supernet is built."""

    stem_width: int = 4
    widths: tuple[int, ...] = (6,)
    stages: tuple[int, ...] = (2,)
    head_width: int = 8
    built: ClassVar[list[object]] = []

    def supernet(self, task):
        self.built.append(task)
        return super().supernet(task)


@dataclass(frozen=True)
class CountedCells(NASBench201):
    """Counts how often its supernet, which is no chain, is built."""

    built: ClassVar[list[object]] = []

    def supernet(self, task):
        self.built.append(task)
        return super().supernet(task)


@dataclass(frozen=True)
class WithAList(Counted):
    """A setting that cannot be hashed."""

    notes: list[str] = field(default_factory=list)


def test_the_supernet_is_built_once_to_see_whether_it_is_a_chain():
    Counted.built.clear()
    space = Counted()
    assert [holds_chains(s, t) for s in (space, replace(space)) for t in (TASK, replace(TASK))] == [True] * 4
    assert len(Counted.built) == 1
    assert holds_chains(replace(space, head_width=10), TASK)
    assert holds_chains(space, replace(TASK, num_outputs=5))
    assert len(Counted.built) == 3


def test_scoring_networks_that_are_no_chains_builds_no_supernet_again(tmp_path):
    CountedCells.built.clear()
    space, estimator = CountedCells(width=4, cells=1, stages=2), ZeroCost("l2_norm")
    context = Context(space, TASK, tmp_path)
    for code in range(6):
        assert estimator.chunk_size(space, TASK) == 32
        estimator.score([(code % 5, 1, 1, 1, 1, 1)], context)
    assert len(CountedCells.built) == 1


def test_a_space_with_settings_that_cannot_be_hashed_is_asked_each_time():
    WithAList.built.clear()
    assert [holds_chains(WithAList(), TASK) for _ in range(2)] == [True, True]
    assert len(WithAList.built) == 2


def test_a_space_that_forbids_sharing_builds_nothing():
    @dataclass(frozen=True)
    class Alone(Counted):
        is_shareable: ClassVar[bool] = False

    Counted.built.clear()
    assert not holds_chains(Alone(), TASK)
    assert Counted.built == []
