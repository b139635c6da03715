"""Laws of an estimator, including fitted estimators and composites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.estimators.contract import (
    Composite,
    Context,
    Fittable,
    Grouped,
    Priced,
    Resumable,
    is_measured,
    is_relative,
)
from archsieve.fingerprints import fingerprint
from archsieve.tasks.contract import says_count
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing.laws import SAMPLES, copy_of, expect, expect_plain_settings, random_states, samples
from archsieve.values import is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_REFERENCE = 8
"""Codes that stand for the reference sample of a composite with a calibration, which has more."""


class EstimatorContract:
    """Laws of an estimator or composite. Set `estimator`, `space` and `task`.

    One that is taught is taught on the few codes that it scores.
    """

    estimator: ClassVar[AnyEstimator]
    space: ClassVar[SearchSpace]
    task: ClassVar[Task] = Synthetic()

    def test_its_settings_are_plain(self) -> None:
        """It has a name, a version and a fingerprint, and its settings are hashable."""
        mine: Any = self.estimator
        expect(isinstance(mine.name, str) and bool(mine.name), f"the name is {mine.name!r}")
        if not isinstance(mine, Composite):
            expect(is_whole(mine.version) and mine.version >= 1, f"the version is {mine.version!r}")
        expect_plain_settings(mine)

    def test_scores_are_numbers(self, tmp_path: Path) -> None:
        """One score per architecture: a float, NaN or -inf, but never +inf."""
        archs = samples(self.space, 2)
        scores = np.asarray(self._scores(archs, tmp_path))
        expect(scores.shape == (len(archs),), f"scores of {len(archs)} architectures have the shape {scores.shape}")
        expect(scores.dtype == np.float64, f"scores have the type {scores.dtype}")
        expect(not bool((scores == np.inf).any()), "a score is +inf")

    def test_scores_do_not_depend_on_order(self, tmp_path: Path) -> None:
        """A score does not depend on order nor, unless it is relative, on the other architectures.

        What is measured is another number each time: no law binds it.
        """
        if is_measured(self.estimator):
            return
        archs = samples(self.space)
        scores = np.asarray(self._scores(archs, tmp_path))
        backwards = np.asarray(self._scores(archs[::-1], tmp_path))[::-1]
        if is_relative(self.estimator):  # means of other orders differ in the last digits
            expect(np.allclose(scores, backwards, rtol=1e-9, atol=0, equal_nan=True), "scores depend on the order")
            return
        expect(np.array_equal(scores, backwards, equal_nan=True), "scores depend on the order")
        for i in range(len(archs)):
            alone = self._scores(archs[i : i + 1], tmp_path)
            expect(_equal(scores[i : i + 1], alone), f"the score of {archs[i]} depends on its company")

    def test_a_copy_scores_the_same(self, tmp_path: Path) -> None:
        """A worker's copy in an empty folder gives the same scores, from settings, codes and seed.

        Unless they are measured.
        """
        if is_measured(self.estimator):
            return
        archs = samples(self.space, 1)
        copy = copy_of(self.estimator)
        first, again = (self._scores(archs, tmp_path / name, e) for name, e in (("a", self.estimator), ("b", copy)))
        expect(_equal(first, again), f"scores are {first}, and those of a copy {again}")

    def test_scores_leave_random_state_alone(self, tmp_path: Path) -> None:
        """The caller's random generators are unchanged."""
        before = random_states()
        self._scores(samples(self.space, 1), tmp_path)
        expect(before == random_states(), "the caller's generators moved")

    def test_group_equals_members(self, tmp_path: Path) -> None:
        """A member's column in a group equals its scores alone."""
        if isinstance(self.estimator, Grouped):
            member: Any = self.estimator
            archs, ctx = samples(self.space, 2), Context(self.space, self.task, tmp_path)
            together = member.score_group([member, member], archs, ctx)
            expect(together.shape == (2, 2), f"two members have the shape {together.shape} for two architectures")
            for column in together.T:
                expect(_equal(column, member.score(archs, ctx)), "a pass changes scores")

    def test_what_it_learnt_is_kept(self, tmp_path: Path) -> None:
        """A fitted estimator requests no more labels, and scores the same."""
        if not isinstance(self.estimator, Fittable):
            return
        mine: Any = self.estimator
        archs, ctx = samples(self.space), self._context(mine, tmp_path)
        before = self._scores(archs, tmp_path)
        asked = []

        def labels(estimators: Sequence[AnyEstimator], of: Sequence[Architecture]) -> NDArray[np.float64]:
            asked.append(len(of))
            return self._columns(estimators, of, tmp_path)

        mine.fit(archs, ctx, labels)
        expect(not asked, f"it asks for {asked} labels again, although its folder holds what it learnt")
        expect(_equal(before, mine.score(archs, ctx)), "its scores are others after it was taught again")

    def test_forgetting_changes_no_score(self, tmp_path: Path) -> None:
        """A resumable estimator gives the same scores after it has forgotten its state."""
        if not isinstance(self.estimator, Resumable):
            return
        mine: Any = self.estimator
        archs, ctx = samples(self.space, 2), self._context(mine, tmp_path)
        before = self._scores(archs, tmp_path)
        mine.forget(archs, ctx)
        expect(_equal(before, mine.score(archs, ctx)), "its scores are others after it has forgotten")

    def test_its_price_grows(self) -> None:
        """A price is not negative, and more architectures do not cost less."""
        mine: Any = self.estimator
        if not isinstance(mine, Priced) or not says_count(self.task):
            return
        one, many = (mine.price(n, self.space, self.task) for n in (1, 10))
        if one is None or many is None:
            expect(one is many, "it says what some scores cost, and of others nothing")
            return
        for kind in ("training", "scoring"):
            less, more = getattr(one, kind), getattr(many, kind)
            expect(0 <= less < np.inf, f"the price of one is {less} for {kind}")
            expect(less <= more, f"ten cost {more} for {kind}, and one {less}")

    def test_a_composite_only_combines(self, tmp_path: Path) -> None:
        """A composite does not modify columns, and a part's NaN affects only its own architecture."""
        if not isinstance(self.estimator, Composite):
            return
        mine: Any = self.estimator
        expect(len(mine.parts) >= 1, "it has no parts")
        columns = self._columns(mine.parts, samples(self.space), tmp_path)
        before = columns.copy()
        scores = mine.combine(columns, columns)
        expect(np.array_equal(columns, before, equal_nan=True), "it writes to the columns of its parts")
        holed = columns.copy()
        holed[0] = np.nan
        lost = np.isnan(mine.combine(holed, columns)) & ~np.isnan(scores)
        expect(not lost[1:].any(), "an architecture that could not be scored makes others lose their score")

    def _scores(self, archs: Sequence[Architecture], folder: Path, estimator: AnyEstimator | None = None) -> Scores:
        """Return scores, fitted and combined as in a session."""
        mine: Any = estimator or self.estimator
        if isinstance(mine, Composite):
            columns = self._columns(mine.parts, archs, folder)
            sample = samples(self.space, _REFERENCE) if mine.calibration else []
            reference = self._columns(mine.parts, sample, folder) if sample else columns
            return mine.combine(columns, reference)
        ctx = self._context(mine, folder)
        if isinstance(mine, Fittable):
            mine.fit(samples(self.space, SAMPLES), ctx, lambda teachers, of: self._columns(teachers, of, folder))
        return mine.score(archs, ctx)  # type: ignore[no-any-return]

    def _columns(
        self, estimators: Sequence[AnyEstimator], archs: Sequence[Architecture], folder: Path
    ) -> NDArray[np.float64]:
        return np.stack([self._scores(archs, folder, each) for each in estimators], axis=1)

    def _context(self, estimator: AnyEstimator, folder: Path) -> Context:
        return Context(self.space, self.task, folder / fingerprint(estimator))


def _equal(first: ArrayLike, second: ArrayLike) -> bool:
    return np.asarray(first).tobytes() == np.asarray(second).tobytes()
