"""Repeated scores of one network: the probability that it beats others, averaged over random draws."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.estimators.combined.mean_rank import percentile_rank
from archsieve.estimators.contract import Composite, Fittable, Resumable, check_estimator
from archsieve.randomness import derive_seed
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Context, Price, Scores
    from archsieve.estimators.zero_cost.estimator import ZeroCost
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class Repetition:
    """Scores by a proxy with another seed: different weights, batch and noise.

    Args:
        estimator: the proxy.
        number: of the repetition, from 1; its seed depends on the run's seed and on this.
    """

    estimator: ZeroCost = field(metadata={"catalogue": "estimator"})
    number: int = 1

    def __post_init__(self) -> None:
        """Check the repetition number."""
        check_whole("number", self.number, 1)

    @property
    def name(self) -> str:
        """The proxy's name and the repetition number."""
        return f"{self.estimator.name}, repetition {self.number}"

    @property
    def version(self) -> int:
        """The proxy's version."""
        return self.estimator.version

    @property
    def needs(self) -> tuple[str, ...]:
        """What the proxy needs."""
        return self.estimator.needs

    @property
    def group(self) -> Hashable:
        """Repetitions with one number share networks if their proxies do."""
        return ("repetition", self.number, self.estimator.group)

    def chunk_size(self, space: SearchSpace, task: Task) -> int:
        """Return the proxy's chunk size."""
        return self.estimator.chunk_size(space, task)

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return the proxy's cost."""
        return self.estimator.price(n, space, task)

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the proxy's scores with another seed, shape (n,)."""
        return self.score_group([self], archs, ctx)[:, 0]

    def score_group(self, members: Sequence[Any], archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the scores of all members, shape (n, k)."""
        seed = derive_seed(ctx.seed, "sample", "repetition", self.number)
        return self.estimator.score_group([m.estimator for m in members], archs, replace(ctx, seed=seed))


@dataclass(frozen=True)
class Repeated:
    """Scores an architecture by the probability that its proxy beats that of another, in [0, 1], higher is better.

    A proxy is scored `repeats` times, each with other weights, another batch and other noise. The score is the
    probability that a repetition of this network, drawn at random, is above one of a network of the reference, ties
    counted half: the mean over the reference of the Mann-Whitney statistics. A network that stochastically dominates
    another never scores less than it. NaN in a repetition ranks lowest. Source: Rumiantsev and Coates, "Variation
    Matters: from Mitigating to Embracing Zero-Shot NAS Ranking Function Variation", arXiv 2502.19657, who order the
    two networks that a search compares; here each is compared with all of the reference, which is a ranking.

    Args:
        estimator: the proxy.
        repeats: how often it is scored; the first score is that of the proxy alone.
        calibration: codes of the space to compare with; None for the codes being scored.
    """

    estimator: ZeroCost = field(metadata={"catalogue": "estimator"})
    repeats: int = 5
    calibration: int | None = None
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        check_estimator(self.estimator)
        check_whole("repeats", self.repeats, 2)
        if self.calibration is not None:
            check_whole("calibration", self.calibration, 1)
        if isinstance(self.estimator, Composite | Fittable | Resumable) or not hasattr(self.estimator, "needs"):
            raise SettingError(f"Only a zero-cost proxy can be repeated, but {self.estimator.name!r} is none.")

    @property
    def name(self) -> str:
        """The proxy's name and the number of repetitions."""
        return f"{self.estimator.name} x {self.repeats}"

    @property
    def parts(self) -> tuple[AnyEstimator, ...]:
        """The proxy and its repetitions."""
        return (self.estimator, *(Repetition(self.estimator, number) for number in range(1, self.repeats)))

    def combine(self, columns: NDArray[np.float64], reference: NDArray[np.float64]) -> Scores:
        """Return the probabilities, shape (n,), from the repetitions (n, k) and those of the reference (m, k)."""
        ranks = percentile_rank(columns.ravel(), reference.ravel()).reshape(columns.shape)
        return np.asarray(ranks.mean(axis=1), dtype=np.float64)
