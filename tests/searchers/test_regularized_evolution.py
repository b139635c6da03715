"""Ageing and tournaments, on runs small enough to follow by hand."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.searchers.regularized_evolution import regularized_evolution
from archsieve.spaces.contract import SearchSpace


@dataclass(frozen=True)
class Counting(SearchSpace):
    """Draws 0, 1, 2, ...; a child is its parent plus ten."""

    drawn: list = field(default_factory=list)

    @property
    def choices(self):
        return (120,)

    def build(self, arch, task):
        raise NotImplementedError

    def sample(self, rng):
        self.drawn.append(len(self.drawn))
        return (self.drawn[-1],)

    def mutate(self, arch, rng):
        return (arch[0] + 10,)


def test_the_oldest_dies_not_the_worst(recorder):
    # Alive, oldest first, with scores: {0: 9, 1: 5, 2: 1} -> the child of 0 is 10, and 0, the best of all, dies;
    # {1: 5, 2: 1, 10: 2} -> 11; {2: 1, 10: 2, 11: 3} -> 21; {10: 2, 11: 3, 21: 0} -> 21 again.
    scores = {0: 9, 1: 5, 2: 1, 10: 2, 11: 3, 21: 0}
    evaluate = recorder(lambda arch: scores[arch[0]])
    result = regularized_evolution(
        Counting(), evaluate, budget=7, rng=np.random.default_rng(0), population=3, tournament=3
    )
    assert evaluate.batches == [[(0,), (1,), (2,)], [(10,)], [(11,)], [(21,)], [(21,)]]
    assert result.best == (0,)
    assert result.best_score == 9


@pytest.mark.parametrize("seed", range(20))
def test_a_tournament_of_two_never_chooses_the_worst_of_three(seed, recorder):
    evaluate = recorder(lambda arch: -arch[0] % 10)
    regularized_evolution(Counting(), evaluate, budget=4, rng=np.random.default_rng(seed), population=3, tournament=2)
    assert evaluate.batches[1] in ([(10,)], [(11,)], [(12,)])
    worst = min(range(3), key=lambda k: -k % 10)
    assert evaluate.batches[1] != [(worst + 10,)]


def test_a_tournament_of_one_draws_parents_uniformly(recorder):
    parents = []
    for seed in range(600):
        evaluate = recorder(sum)
        regularized_evolution(
            Counting(), evaluate, budget=4, rng=np.random.default_rng(seed), population=3, tournament=1
        )
        parents.append(evaluate.asked[-1][0] - 10)
    assert [parents.count(k) for k in range(3)] == pytest.approx([200] * 3, abs=50)


def test_nan_loses_the_tournament(recorder):
    scores = {0: float("nan"), 1: float("-inf"), 2: float("nan"), 11: 0}
    evaluate = recorder(lambda arch: scores[arch[0]])
    regularized_evolution(Counting(), evaluate, budget=4, rng=np.random.default_rng(0), population=3, tournament=3)
    assert evaluate.asked[-1] == (11,)


def test_it_climbs(toy, recorder):
    result = regularized_evolution(toy((5,) * 8), recorder(sum), budget=1000, rng=np.random.default_rng(0))
    assert result.best == (4,) * 8


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"population": 3, "tournament": 4}, "but got tournament=4, population=3"),
        ({"tournament": 0}, "`1 <= tournament <= population` must hold, but got tournament=0"),
        ({"population": 0, "tournament": 0}, "but got tournament=0, population=0"),
        ({"population": 101}, "`budget >= population` must hold, but got budget=100, population=101"),
    ],
)
def test_settings_out_of_range_are_refused(settings, sentence, toy, recorder):
    with pytest.raises(SettingError, match=sentence):
        regularized_evolution(toy(), recorder(sum), budget=100, rng=np.random.default_rng(0), **settings)
