"""The settings of the MKR paper's comparison, seen from outside."""

from itertools import permutations

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.searchers.differential_evolution import differential_evolution

NAN = float("nan")


def run(space, evaluate, budget=400, seed=0, **settings):
    return differential_evolution(space, evaluate, budget=budget, rng=np.random.default_rng(seed), **settings)


def test_the_first_population_is_one_batch_then_one_at_a_time(toy, recorder):
    evaluate = recorder(sum)
    run(toy(), evaluate, budget=60)
    assert [len(batch) for batch in evaluate.batches] == [50] + [1] * 10


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_optimum_of_a_separable_function(seed, toy, recorder):
    target = (3, 1, 4, 1, 0, 2)
    evaluate = recorder(lambda arch: -sum(abs(a - t) for a, t in zip(arch, target, strict=True)))
    result = run(toy(), evaluate, budget=1000, seed=seed)
    assert result.best == target
    assert result.best_score == 0


def slots(asked, population, better):
    """Return (member of the slot, trial) pairs, the slots visited cyclically, replaced as `better` says."""
    members, pairs = list(asked[:population]), []
    for step, trial in enumerate(asked[population:]):
        target = step % population
        pairs.append((members[target], trial))
        if better(trial, members[target]):
            members[target] = trial
    return pairs


def test_without_crossover_one_dimension_at_most_moves_and_equals_replace(toy, recorder):
    evaluate = recorder(lambda arch: 0)  # nothing is worse: every trial replaces its slot
    run(toy(), evaluate, population=7, cr=0)
    moved = [
        sum(a != b for a, b in zip(member, trial, strict=True))
        for member, trial in slots(evaluate.asked, 7, better=lambda trial, member: True)
    ]
    assert set(moved) == {0, 1}


def test_worse_trials_do_not_replace(toy, recorder):
    evaluate = recorder(sum)
    run(toy(), evaluate, population=7, cr=0)
    pairs = slots(evaluate.asked, 7, better=lambda trial, member: sum(trial) >= sum(member))
    assert max(sum(a != b for a, b in zip(*pair, strict=True)) for pair in pairs) == 1
    assert any(sum(trial) < sum(member) for member, trial in pairs)


def test_a_nan_is_replaced_even_by_a_nan_and_replaces_no_score(toy, recorder):
    def score(arch):
        return NAN if arch[0] else float("-inf")

    evaluate = recorder(score)
    run(toy(), evaluate, population=7, cr=0)

    def better(trial, member):
        return trial[0] == 0 or member[0] != 0

    pairs = slots(evaluate.asked, 7, better)
    assert max(sum(a != b for a, b in zip(*pair, strict=True)) for pair in pairs) == 1
    assert any(member[0] == 0 and trial[0] != 0 for member, trial in pairs)


def mutants(codes, f):
    """Return base + f * (plus - minus) for every choice of the three, in bins."""
    return [a + f * (b - c) for a, b, c in permutations(codes)]


@pytest.mark.parametrize("f", [0.25, 0.5])
def test_a_fully_crossed_trial_is_a_member_plus_a_scaled_difference(f, toy, recorder):
    followed = 0
    for seed in range(200):
        evaluate = recorder(lambda arch: 0)
        run(toy((100,)), evaluate, budget=4, seed=seed, population=3, f=f, cr=1)
        *members, trial = (arch[0] for arch in evaluate.asked)
        expected = mutants(members, f)
        if min(expected) > 2 and max(expected) < 97:  # none is redrawn
            followed += 1
            assert min(abs(trial - value) for value in expected) <= 2  # members lie anywhere in their bins
    assert followed > 50


def test_coordinates_outside_are_drawn_again_and_not_clipped(toy, recorder):
    trials = []
    for seed in range(600):
        evaluate = recorder(lambda arch: 0)
        run(toy((10,)), evaluate, budget=4, seed=seed, population=3, f=2, cr=1)
        trials.append(evaluate.asked[-1][0])
    at_the_ends = sum(trial in (0, 9) for trial in trials)
    assert at_the_ends < 180  # about half of all mutants lie outside: clipped, they would be 300 and more


def test_a_dimension_is_forced_only_where_it_can_move(toy, recorder):
    evaluate = recorder(lambda arch: 0)
    run(toy((1,) * 20 + (50,)), evaluate, budget=100, cr=0)
    pairs = slots(evaluate.asked, 50, better=lambda trial, member: True)
    assert sum(member != trial for member, trial in pairs) > 25


def test_a_dimension_is_forced_only_if_none_was_crossed(toy, recorder):
    both = []
    for seed in range(20):
        evaluate = recorder(lambda arch: 0)
        run(toy((100, 100)), evaluate, budget=100, seed=seed)
        pairs = slots(evaluate.asked, 50, better=lambda trial, member: True)
        both += [all(a != b for a, b in zip(member, trial, strict=True)) for member, trial in pairs]
    assert np.mean(both) == pytest.approx(0.25, abs=0.05)  # forced always, it would be one half


def test_a_space_of_one_architecture(toy, recorder):
    evaluate = recorder(lambda arch: 2)
    result = run(toy((1, 1)), evaluate, budget=60)
    assert (result.best, result.best_score, len(evaluate.asked)) == ((0, 0), 2, 60)


def test_codes_cover_equal_bins(toy, recorder):
    evaluate = recorder(lambda arch: 0)
    run(toy((4,)), evaluate, budget=4000, population=2000)
    counts = [evaluate.asked[:2000].count((k,)) for k in range(4)]
    assert counts == pytest.approx([500] * 4, abs=90)


def test_a_tight_space_is_searched_with_fresh_points(toy, recorder):
    evaluate = recorder(sum)
    result = run(toy((9,) * 3, limit=1), evaluate, budget=200, population=3)
    assert set(evaluate.asked) <= {(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)}
    assert len(evaluate.asked) == 200
    assert result.best_score == 1


def test_where_no_trial_is_valid_a_fresh_point_of_the_space_is_tried(toy, recorder):
    valid = [(5,) * 12, (50,) * 12, (90,) * 12]  # a fully crossed mixture of the three is none of them

    class Islands(toy):
        def is_valid(self, arch):
            return arch in valid

        def sample(self, rng):
            drawn.append(valid[len(drawn) % 3])
            return drawn[-1]

    drawn = []
    evaluate = recorder(sum)
    result = run(Islands((100,) * 12), evaluate, budget=4, population=3, cr=1)
    assert evaluate.asked == [*valid, valid[0]] == drawn
    assert result.best == (90,) * 12


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"population": 2}, "`population >= 3` must hold, but got population=2"),
        ({"population": 401}, "`budget >= population` must hold, but got budget=400, population=401"),
        ({"f": 0}, "`0 < f <= 2` must hold, but got f=0"),
        ({"f": 2.5}, "but got f=2.5"),
        ({"f": NAN}, "but got f=nan"),
        ({"cr": -0.1}, "`0 <= cr <= 1` must hold, but got cr=-0.1"),
        ({"cr": 1.5}, "but got cr=1.5"),
    ],
)
def test_settings_out_of_range_are_refused(settings, sentence, toy, recorder):
    evaluate = recorder(sum)
    with pytest.raises(SettingError, match=sentence):
        run(toy(), evaluate, **settings)
    assert evaluate.batches == []
