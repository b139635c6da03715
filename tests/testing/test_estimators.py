"""The laws of an estimator catch estimators whose scores would be wrong, and pass those that are right."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

import numpy as np
import pytest

from archsieve.estimators.contract import Price
from archsieve.spaces.contract import SearchSpace
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import EstimatorContract

from .broken import broken_laws, laws_of

TASK = Synthetic(shape=(1, 4, 4), num_outputs=2, images=12, test_images=4)


class Codes(SearchSpace):
    """Sums of options; no networks."""

    choices = (7,) * 5
    build = None


@dataclass(frozen=True)
class Sum:
    """The sum of the options, some digits added."""

    factor: float = 1 / 3
    name: ClassVar[str] = "sum"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        return np.array([self.of(arch) for arch in archs])

    def of(self, arch):
        return self.factor * sum((i + 1) * option for i, option in enumerate(arch))


class Centred(Sum):
    """Relative to what else is scored, and does not say so."""

    def score(self, archs, ctx):
        scores = super().score(archs, ctx)
        return scores - scores.mean()


class Running(Sum):
    """Starts from the score before."""

    def score(self, archs, ctx):
        return np.cumsum(super().score(archs, ctx))


class Drawing(Sum):
    """Adds noise of numpy's own generator."""

    def score(self, archs, ctx):
        return super().score(archs, ctx) + np.random.random(len(archs))  # noqa: NPY002


class SinglePrecision(Sum):
    def score(self, archs, ctx):
        return super().score(archs, ctx).astype(np.float32)


class Rows(Sum):
    def score(self, archs, ctx):
        return super().score(archs, ctx)[:, None]


class Infinite(Sum):
    def of(self, arch):
        return np.inf if sum(arch) > 2 else super().of(arch)


class VersionOfThePackage(Sum):
    version = "0.1.0"


@dataclass
class Unfrozen:
    factor: float = 1.0
    name: ClassVar[str] = "unfrozen"
    version: ClassVar[int] = 1
    score, of = Sum.score, Sum.of


@dataclass(frozen=True)
class HoldsAList(Sum):
    weights: list = field(default_factory=lambda: [1, 2])


class Remembers(Sum):
    """Scores by how often it was asked."""

    asked = count()

    def score(self, archs, ctx):
        return super().score(archs, ctx) + next(self.asked)


class Together(Sum):
    """Is rounded in company."""

    group = "sums"

    def score_group(self, members, archs, ctx):
        return np.stack([np.round(member.score(archs, ctx), 1) for member in members], axis=1)


@dataclass(frozen=True)
class Taught:
    """The sum of the options over the mean of some labels."""

    teacher: Any = Sum()
    name: ClassVar[str] = "taught"
    version: ClassVar[int] = 1
    learns_from_pool: ClassVar[bool] = False

    def fit(self, pool, ctx, scores):
        if not (ctx.workdir / "mean").exists():
            ctx.workdir.mkdir(parents=True, exist_ok=True)
            self.write(ctx, float(scores([self.teacher], pool).mean()))

    def write(self, ctx, mean):
        (ctx.workdir / "mean").write_text(repr(mean))

    def score(self, archs, ctx):
        return np.array([float(sum(arch)) for arch in archs]) / float((ctx.workdir / "mean").read_text())


class TaughtAgain(Taught):
    def fit(self, pool, ctx, scores):
        ctx.workdir.mkdir(parents=True, exist_ok=True)
        self.write(ctx, float(scores([self.teacher], pool).mean()))


class Epochs(Sum):
    """Goes on from a file of the epochs before."""

    lineage = Sum()

    def score(self, archs, ctx):
        ctx.workdir.mkdir(parents=True, exist_ok=True)
        return super().score(archs, ctx)

    def forget(self, archs, ctx):
        pass


class ForgetsMore(Epochs):
    """Scores something else once a state is gone."""

    def score(self, archs, ctx):
        return super().score(archs, ctx) * (2 if (ctx.workdir / "gone").exists() else 1)

    def forget(self, archs, ctx):
        (ctx.workdir / "gone").touch()


class Priced(Sum):
    def price(self, n, space, task):
        return Price(0.5 * n, n / 3)


class CheaperByTheDozen(Sum):
    def price(self, n, space, task):
        return Price(1.0, 1.0 / n)


class PaidFor(Sum):
    def price(self, n, space, task):
        return Price(-1.0, 0.0)


@dataclass(frozen=True)
class Mean:
    parts: tuple = (Sum(), Sum(0.7))
    calibration: int | None = None
    name: ClassVar[str] = "mean"

    def combine(self, columns, reference):
        return columns.mean(axis=1) - reference.mean()


class Overwrites(Mean):
    def combine(self, columns, reference):
        columns /= 2
        return columns.sum(axis=1)


class SpreadsNaN(Mean):
    def combine(self, columns, reference):
        return columns.mean(axis=1) - columns.mean()


class ByPlace(Mean):
    """Ties are broken by the place in the round."""

    def combine(self, columns, reference):
        return columns.mean(axis=1) + 1e-3 * np.arange(len(columns))


WRONG = [
    (VersionOfThePackage(), "test_its_settings_are_plain"),
    (Unfrozen(), "test_its_settings_are_plain"),
    (HoldsAList(), "test_its_settings_are_plain"),
    (SinglePrecision(), "test_scores_are_numbers"),
    (Rows(), "test_scores_are_numbers"),
    (Infinite(), "test_scores_are_numbers"),
    (Centred(), "test_scores_do_not_depend_on_order"),
    (Running(), "test_scores_do_not_depend_on_order"),
    (ByPlace(), "test_scores_do_not_depend_on_order"),
    (Remembers(), "test_a_copy_scores_the_same"),
    (Drawing(), "test_a_copy_scores_the_same"),
    (Drawing(), "test_scores_leave_random_state_alone"),
    (Together(), "test_group_equals_members"),
    (TaughtAgain(), "test_what_it_learnt_is_kept"),
    (ForgetsMore(), "test_forgetting_changes_no_score"),
    (CheaperByTheDozen(), "test_its_price_grows"),
    (PaidFor(), "test_its_price_grows"),
    (Overwrites(), "test_a_composite_only_combines"),
    (SpreadsNaN(), "test_a_composite_only_combines"),
]


@pytest.mark.parametrize(("wrong", "law"), WRONG, ids=[f"{type(wrong).__name__}-{law}" for wrong, law in WRONG])
def test_a_wrong_estimator_is_caught(wrong, law, tmp_path):
    assert law in broken_laws(EstimatorContract, tmp_path, estimator=wrong, space=Codes(), task=TASK)


def test_every_law_catches_something():
    assert {law for _, law in WRONG} == set(laws_of(EstimatorContract))


RIGHT = [Sum(), Taught(), Epochs(), Priced(), Mean(), Mean(calibration=8), Mean((Taught(), Sum()))]


@pytest.mark.parametrize("right", RIGHT, ids=lambda value: type(value).__name__)
def test_a_right_estimator_passes(right, tmp_path):
    assert broken_laws(EstimatorContract, tmp_path, estimator=right, space=Codes(), task=TASK) == []
