"""What callers give in a wrong type is refused, and what a mask hides is no value."""

import math

import numpy as np
import pytest
import torch

from archsieve.benchmarks.records import Table
from archsieve.design.designer import Prices, offers
from archsieve.errors import ArchitectureError, ArchsieveError, MissingDataError, SettingError
from archsieve.estimators.chance import Chance
from archsieve.judging import metrics
from archsieve.judging.score_files import read_scores
from archsieve.plans.contract import Pool
from archsieve.plans.plan_files import find_plan
from archsieve.registry import TASKS
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.searchers.funnel import funnel_search
from archsieve.searchers.random_search import random_search
from archsieve.searchers.regularized_evolution import regularized_evolution
from archsieve.spaces.contract import check
from archsieve.spaces.sampling import draw_pool
from archsieve.tasks.arrays import Arrays
from archsieve.tasks.image_folder import ImageFolder
from archsieve.values import as_floats, check_whole, field_value, field_values, is_whole, path_in
from plugins.toy import TASK, Counting, Toy

SPACE = Toy(3)


@pytest.mark.parametrize("option", [1.9, 1.0, np.float32(1), "1", None, True, np.True_, np.ma.masked])
def test_options_must_be_whole_numbers(option):
    with pytest.raises(
        ArchitectureError, match=r"is not an architecture of toy: decision 1 is .*, but must be a whole num"
    ):
        check(SPACE, (0, option, 2))


@pytest.mark.parametrize("code", [(0, 1, 2), np.array([0, 1, 2], dtype=np.int8), torch.tensor([0, 1, 2])])
def test_whole_numbers_of_any_kind_are_a_code(code):
    found = check(SPACE, code)
    assert found == (0, 1, 2)
    assert [type(option) for option in found] == [int] * 3


NUMBERS = {"a fraction": 1.5, "a float": 2.0, "text": "2", "a truth value": True}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=list(NUMBERS))
@pytest.mark.parametrize(
    ("name", "give"),
    [
        ("seed", lambda number, folder: Session(folder, SPACE, TASK, seed=number)),
        ("top", lambda number, folder: Stage(Chance(), top=number)),
        ("sample", lambda number, folder: Pool(sample=number)),
        ("sample", lambda number, folder: draw_pool(SPACE, 0, number)),
        ("budget", lambda number, folder: Pool(evolve=Chance(), budget=number)),
        ("population", lambda number, folder: Pool(evolve=Chance(), population=number)),
        ("tournament", lambda number, folder: Pool(evolve=Chance(), tournament=number)),
        ("budget", lambda number, folder: random_search(SPACE, len, budget=number, rng=np.random.default_rng(0))),
        (
            "population",
            lambda number, folder: regularized_evolution(
                SPACE, len, budget=9, rng=np.random.default_rng(0), population=number, tournament=1
            ),
        ),
        (
            "tournament",
            lambda number, folder: regularized_evolution(
                SPACE, len, budget=9, rng=np.random.default_rng(0), population=5, tournament=number
            ),
        ),
    ],
)
def test_settings_that_count_must_be_whole_numbers(name, give, number, tmp_path):
    with pytest.raises(SettingError, match=rf"^`{name}` must be a whole number, but got {name}={number!r}\.$"):
        give(number, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_numpys_whole_numbers_are_taken(tmp_path):
    assert Stage(Chance(), top=np.int64(2)).count(5) == 2
    assert len(draw_pool(SPACE, np.int64(0), np.int32(4))) == 4
    with Session(tmp_path, SPACE, TASK, seed=np.int64(3)) as session:
        assert session.pool(Pool(sample=np.int8(2)).sample) == draw_pool(SPACE, 3, 2)
    check_whole("x", np.uint8(0))
    assert not is_whole(np.float64(1))


def test_a_pool_is_a_sample_or_an_evolution():
    with pytest.raises(SettingError, match="A pool is either a sample or an evolution, but got sample=5 too"):
        Pool(sample=5, evolve=Chance())


MASKED = np.ma.MaskedArray([3.0, 99.0, 1.0], mask=[False, True, False])


def test_what_is_masked_is_no_value():
    np.testing.assert_array_equal(as_floats(MASKED), [3, np.nan, 1])
    np.testing.assert_array_equal(as_floats(np.ma.MaskedArray([1, 7], mask=[False, True])), [1, np.nan])
    table = Table(((0,), (1,), (2,)), {"accuracy": MASKED})
    np.testing.assert_array_equal(table.lookup("accuracy", [(1,), (2,)]), [np.nan, 1])
    # The best is the second: an estimator that has no score of it must keep all.
    assert metrics.minimum_keeping_ratio(MASKED, [1, 3, 2]) == 1.0
    np.testing.assert_array_equal(metrics.shares_to_keep(MASKED), metrics.shares_to_keep([3, np.nan, 1]))
    with pytest.raises(SettingError, match="The truth holds 1 NaN"):
        metrics.kendall_tau([1, 2, 3], MASKED)
    archs = [(0, 0, 0), (0, 0, 1), (0, 0, 2)]
    found = funnel_search((Stage(Chance(), top=1),), archs, lambda estimators, codes: MASKED[:, None])
    assert (found.best, found.best_score, found.rounds[0].failures) == (archs[0], 3.0, 1)
    searched = random_search(SPACE, lambda codes: MASKED, budget=3, rng=np.random.default_rng(0))
    assert searched.best_score == 3.0


def test_a_masked_truth_of_a_pilot_is_refused():
    truth = np.ma.MaskedArray(np.arange(12.0), mask=[True] + [False] * 11)
    with pytest.raises(SettingError, match=r"The truth of 1 networks of the pilot is not a number"):
        offers(np.ones((12, 1)), truth, Prices((0.0,), (1.0,), 9.0, 100))


class Masking(Counting):
    """Hides the scores of codes that end with 2."""

    name = "masking"

    def score(self, archs, ctx):
        scores = super().score(archs, ctx)
        return np.ma.MaskedArray(scores, mask=[arch[-1] == 2 for arch in archs])


def test_a_masked_score_of_an_estimator_could_not_be_scored(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        pool = session.pool()
        scores = session.scores([Masking()], pool)[:, 0]
    assert np.isnan(scores).tolist() == [arch[-1] == 2 for arch in pool]


@pytest.mark.parametrize(
    "fields", [[1.5, None, 3], ["1.5", "", "nan"], [None, None], ["1", 2.0, True], [math.inf, -0.0], []], ids=str
)
def test_a_column_is_read_as_its_fields_are(fields):
    alone = np.array([field_value(field) for field in fields], dtype=float)
    np.testing.assert_array_equal(field_values(fields), alone, strict=True)


@pytest.mark.parametrize("fields", [["1_0"], ["½", 1.0], [object()]], ids=["underscore", "half", "object"])
def test_a_field_that_is_no_number_is_refused_in_a_column_too(fields):
    with pytest.raises((TypeError, ValueError)):
        field_values(fields)


@pytest.mark.parametrize("name", ["a\0b", "x" * 256, "x/" * 2001, "\ud800", "a/" + "\u00e9" * 128])
def test_a_name_that_no_file_can_have_is_refused(name, tmp_path):
    with pytest.raises(MissingDataError, match="no file can have this name"):
        path_in(name)
    for use in (
        lambda: Arrays(file=f"{name}.npz"),
        lambda: ImageFolder(folder=name),
        lambda: TASKS["cifar10"](source=name).load(),
        lambda: read_scores(tmp_path / name),
    ):
        with pytest.raises(ArchsieveError):
            use()
    assert not TASKS["cifar10"](source=name).is_present()
    with pytest.raises(ArchsieveError):
        find_plan(name)


def test_names_that_files_have_are_paths(tmp_path):
    for name in ("x" * 255, "\u00e9" * 127, "\udcff", "a b/c"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        assert path_in(str(path)) == path
