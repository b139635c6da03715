"""Recipes: learning rates, drop path, and what cannot be."""

from __future__ import annotations

import math

import pytest

from archsieve.errors import SettingError
from archsieve.training.recipe import Recipe

LINE = {"schedule": "linear", "learning_rate": 0.5, "warm_up": 5, "cool_down": 5}


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 0.1), (4, 0.5), (5, 0.489796), (100, 0.295918), (244, 0.00204082), (249, 0.000408163)]
)
def test_a_line_between_warm_up_and_cool_down_by_published_values(epoch, rate):
    assert Recipe(horizon=250, **LINE).rate(epoch) == pytest.approx(rate, rel=3e-6)


def test_a_line_by_hand():
    # Down from 8 to 0 in four steps, then what is left before the end, a quarter of 8, in two.
    recipe = Recipe(horizon=6, learning_rate=8.0, schedule="linear", cool_down=2)
    assert [recipe.rate(e) for e in range(9)] == [8.0, 6.0, 4.0, 2.0, 2.0, 1.0, 0.0, 0.0, 0.0]
    plain = Recipe(horizon=4, learning_rate=5.0, final_learning_rate=1.0, schedule="linear")
    assert [plain.rate(e) for e in range(6)] == [5.0, 4.0, 3.0, 2.0, 1.0, 1.0]


def test_a_cosine_of_six_hundred_epochs():
    recipe = Recipe(horizon=600, learning_rate=0.025)
    expected = {0: 0.025, 150: 0.0125 * (1 + math.sqrt(0.5)), 300: 0.0125, 450: 0.0125 * (1 - math.sqrt(0.5)), 600: 0}
    assert {e: recipe.rate(e) for e in expected} == pytest.approx(expected)


def test_warm_up_hands_over_to_the_schedule_where_it_would_have_been():
    warm, plain = Recipe(horizon=10, learning_rate=1.0, warm_up=4), Recipe(horizon=10, learning_rate=1.0)
    assert [warm.rate(e) for e in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert [warm.rate(e) for e in range(4, 12)] == [plain.rate(e) for e in range(4, 12)]


def test_drop_path_grows_with_the_epochs():
    recipe = Recipe(horizon=600, learning_rate=0.1, drop_path=0.3)
    assert [recipe.drop_path_at(e) for e in (0, 1, 300, 599)] == pytest.approx([0.0, 0.0005, 0.15, 0.2995])


def test_drop_path_may_begin_anywhere():
    recipe = Recipe(horizon=4, learning_rate=0.1, drop_path=0.1, first_drop_path=0.3)
    assert [recipe.drop_path_at(e) for e in (0, 1, 4, 9)] == pytest.approx([0.3, 0.25, 0.1, 0.1])
    constant = Recipe(horizon=4, learning_rate=0.1, drop_path=0.1, first_drop_path=0.1)
    assert {constant.drop_path_at(e) for e in range(5)} == {0.1}


def test_a_rate_that_falls_by_the_step_after_a_warm_up():
    # As TopFormer's is published: 1.2e-4 * (1 - step / 160,000), of which the first 1,500 steps take a growing share.
    recipe = Recipe(
        horizon=160, learning_rate=1.2e-4, schedule="linear", by_step=True, warm_up_steps=1500, optimiser="adamw"
    )
    expected = {
        0: 1.2e-10,
        750: 1.2e-4 * (1 - 750 / 160_000) * (0.5 + 0.5e-6),
        1500: 1.2e-4 * (1 - 1500 / 160_000),
        80_000: 0.6e-4,
        159_999: 1.2e-4 / 160_000,
        160_000: 0.0,
    }
    assert {step: recipe.rate_at(step, 1000) for step in expected} == pytest.approx(expected)


def test_a_rate_by_the_epoch_is_that_of_all_its_steps():
    recipe = Recipe(horizon=3, learning_rate=1.0)
    assert [recipe.rate_at(step, 2) for step in range(6)] == [recipe.rate(e) for e in (0, 0, 1, 1, 2, 2)]
    cosine = Recipe(horizon=3, learning_rate=1.0, by_step=True)
    assert cosine.rate_at(3, 2) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"schedule": "step"}, "`schedule` must be 'cosine' or 'linear', but got 'step'"),
        ({"warm_up": 10}, "must leave at least one epoch of the horizon between them, but got 10 and 0 of 10"),
        ({"warm_up": -1}, "must leave at least one epoch"),
        ({"schedule": "linear", "warm_up": 5, "cool_down": 5}, "but got 5 and 5 of 10"),
        ({"cool_down": 1}, "`cool_down` needs the linear schedule"),
        ({"label_smoothing": 1.0}, "`0 <= label_smoothing < 1` must hold, but got 1"),
        ({"drop_path": -0.1}, "`0 <= drop_path < 1` must hold, but got -0.1"),
        ({"auxiliary_weight": -1.0}, "`0 <= auxiliary_weight <= 1e\\+30` must hold"),
        ({"micro_batches": 0}, "A batch must divide evenly, but got batch_size=64 for 0 micro-batches"),
        ({"micro_batches": 3}, "got batch_size=64 for 3 micro-batches in each of 1 processes"),
        ({"weight_decay": math.nan}, "must be numbers"),
        ({"weight_decay": -1.0}, "must be finite and not negative, but got -1.0 and 0.9"),
        ({"momentum": -0.5}, "must be finite and not negative, but got 0.0 and -0.5"),
        ({"momentum": 1.0}, "`0 <= momentum < 1` must hold, but got momentum=1.0"),
        ({"momentum": 2}, "`0 <= momentum < 1` must hold, but got momentum=2"),
        ({"momentum": math.inf}, "must be finite and not negative, but got 0.0 and inf"),
        ({"momentum": math.nan}, "must be numbers, but got momentum=nan"),
        ({"learning_rate": math.inf}, "`learning_rate` must be finite, but got learning_rate=inf"),
        ({"learning_rate": math.nan}, "must be numbers, but got learning_rate=nan"),
        ({"learning_rate": -0.1}, "`learning_rate > 0` and `clip > 0` must hold, but got learning_rate=-0.1, clip=5.0"),
        ({"final_learning_rate": -0.1}, "`0 <= final_learning_rate <= learning_rate` must hold, but got -0.1 and 0.1"),
        ({"final_learning_rate": 0.2}, "`0 <= final_learning_rate <= learning_rate` must hold, but got 0.2 and 0.1"),
        ({"final_learning_rate": math.inf}, "must hold, but got inf and 0.1"),
        ({"weight_decay": math.inf}, "must be finite and not negative, but got inf and 0.9"),
        ({"clip": -1.0}, "must hold, but got learning_rate=0.1, clip=-1.0"),
        ({"clip": math.nan}, "must be numbers, but got clip=nan"),
        ({"label_smoothing": -0.1}, "`0 <= label_smoothing < 1` must hold, but got -0.1"),
        ({"drop_path": 1.0}, "`0 <= drop_path < 1` must hold, but got 1.0"),
        ({"horizon": 0}, r"but got horizon=0 \(`epochs` in a recipe file\), batch_size=64"),
        ({"horizon": 2.5}, "`horizon` must be a whole number, but got horizon=2.5"),
        ({"batch_size": 0}, "must hold, but got .*batch_size=0"),
        ({"betas": (-0.1, 0.9)}, "must be two numbers"),
        ({"betas": (0.9, math.nan)}, "must be numbers"),
        ({"betas": (0.9,)}, r"`betas` must be two numbers in \[0, 1\), but got \(0.9,\)"),
        ({"betas": (0.9, 1.0)}, "must be two numbers"),
        ({"optimiser": "adam"}, "`optimiser` must be 'sgd' or 'adamw', but got 'adam'"),
        ({"head_factor": 0.0}, "`0 < head_factor < inf` must hold, but got 0.0"),
        ({"first_drop_path": 1.0}, "`0 <= first_drop_path < 1` must hold, but got 1"),
        ({"warm_up_steps": 5}, "and 0 unless `by_step`, but got 5 with by_step=False"),
        ({"warm_up_steps": -1, "by_step": True}, "`warm_up_steps >= 0` must hold"),
        ({"warm_up": 1, "by_step": True}, "but got 1 and 0 with by_step=True: use `warm_up_steps`"),
    ],
)
def test_settings_that_cannot_be(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        Recipe(**{"horizon": 10, "learning_rate": 0.1, **given})


def test_a_batch_parts_evenly_among_processes():
    recipe = Recipe(horizon=1, learning_rate=0.1, batch_size=24, micro_batches=3)
    assert [recipe.micro_batch_size(n) for n in (1, 2, 4)] == [8, 4, 2]
    with pytest.raises(SettingError, match="batch_size=24 for 3 micro-batches in each of 5 processes"):
        recipe.micro_batch_size(5)
