"""Laws of an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.estimators.contract import Context, Estimator, Grouped
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing.laws import expect, random_states, samples

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from archsieve.spaces.contract import SearchSpace
    from archsieve.tasks.contract import Task


class EstimatorContract:
    """Laws of an estimator that needs no fitting. Set `estimator`, `space`, and `task` as for a space."""

    estimator: ClassVar[Estimator]
    space: ClassVar[SearchSpace]
    task: ClassVar[Task] = Synthetic()

    def test_scores_do_not_depend_on_order(self, tmp_path: Path) -> None:
        """A score depends on the architecture, and not on the others scored with it."""
        archs, ctx = samples(self.space), Context(self.space, self.task, tmp_path)
        scores = np.asarray(self.estimator.score(archs, ctx))
        expect(scores.shape == (len(archs),), f"scores have shape {scores.shape}")
        backwards = np.asarray(self.estimator.score(archs[::-1], ctx))[::-1]
        expect(np.array_equal(scores, backwards, equal_nan=True), "scores depend on the order")
        for i in range(len(archs)):
            alone = self.estimator.score(archs[i : i + 1], ctx)
            expect(self._equal(scores[i : i + 1], alone), f"the score of {archs[i]} depends on its company")

    def test_scores_leave_random_state_alone(self, tmp_path: Path) -> None:
        """The caller's generators are untouched."""
        before = random_states()
        self.estimator.score(samples(self.space, 1), Context(self.space, self.task, tmp_path))
        expect(before == random_states(), "the caller's generators moved")

    def test_group_equals_members(self, tmp_path: Path) -> None:
        """A member's column in a pass is what the member gives alone."""
        if isinstance(self.estimator, Grouped):
            member: Any = self.estimator
            archs, ctx = samples(self.space, 2), Context(self.space, self.task, tmp_path)
            together = member.score_group([member, member], archs, ctx)
            for column in together.T:
                expect(self._equal(column, member.score(archs, ctx)), "a pass changes scores")

    @staticmethod
    def _equal(first: ArrayLike, second: ArrayLike) -> bool:
        return np.asarray(first).tobytes() == np.asarray(second).tobytes()
