"""The estimator contract: scores of architectures, higher is better; each optional ability is a small protocol."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from archsieve.errors import SettingError
from archsieve.values import check_list, named_in, offers, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from pathlib import Path

    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

Scores: TypeAlias = NDArray[np.float64]
"""Shape (n,), higher is better. NaN: could not be scored. -inf is a score; +inf is a failure."""


class Outcome(NamedTuple):
    """A score, or NaN with the reason for the missing score."""

    score: float
    reason: str | None = None

    @classmethod
    def failed(cls, reason: str) -> Outcome:
        """Return an outcome without a score."""
        return cls(math.nan, reason)


@dataclass(frozen=True)
class Context:
    """The context of an estimator, as plain values that can be sent to worker processes.

    `workdir` is the estimator's own folder for what it learns and can learn again (a supernet, checkpoints); the first
    write creates it.
    `seed` is the run's; draw from it through `archsieve.randomness` by purpose. `log` is where TensorBoard reads what
    is trained, None if nobody asked. `progress` takes what `fit` has done and how much there is, such as epochs; it is
    there in `fit` alone.
    """

    space: SearchSpace
    task: Task
    workdir: Path
    seed: int = 0
    device: str = "cpu"
    log: Path | None = None
    progress: Callable[[int, int], None] | None = field(default=None, compare=False, repr=False)


@runtime_checkable
class Estimator(Protocol):
    """A frozen dataclass of settings with an integer `version`, raised whenever its scores change.

    Optional attributes: `by_code = True` scores raw codes rather than canonical ones (recorded tables);
    `chunk_size`, the codes a worker gets at a time, or a function of space and task that returns it;
    `uses_device = False` computes nothing on the session's device (costs, recorded values, chance), so that its scores
    are the same on all; `scores_metric = True` scores by the task's metric, so that reports show its scores as values
    of that metric; `is_measured = True` measures, so that another run agrees within the spread of what it measures and
    not bit for bit: each score is stored once and kept; `measure`, an `archsieve.tasks.contract.Measure`, says what its
    scores are to a reader, as milliseconds with the sign that they have; `place(device)` returns plain values, part of
    the key of its scores, that name the device it measures.
    """

    @property
    def name(self) -> str:
        """Its name in tables and plans."""

    @property
    def version(self) -> int:
        """Version of the scores, part of the fingerprint."""

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the scores, shape (n,).

        Raises:
            ScoringError: an architecture cannot be scored; the session then asks for them one at a time, unless it
                is `PartialScoringError`, which says which and gives the scores of the rest.
        """


@runtime_checkable
class Grouped(Protocol):
    """Estimators with an equal `group` are computed in one pass. Law: column j == member j alone, bit for bit."""

    @property
    def group(self) -> Hashable:
        """The settings that the members of one pass share."""

    def score_group(self, members: Sequence[Estimator], archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the scores of all members, shape (n, k)."""


@runtime_checkable
class Composite(Protocol):
    """Combines the scores of other estimators in the driver process; only the parts' scores are stored."""

    @property
    def name(self) -> str:
        """Its name in tables and plans."""

    @property
    def parts(self) -> tuple[AnyEstimator, ...]:
        """The estimators it combines."""

    @property
    def calibration(self) -> int | None:
        """Size of the reference sample of the space; None: the reference is the codes being scored."""

    def combine(self, columns: NDArray[np.float64], reference: NDArray[np.float64]) -> Scores:
        """Return the scores, shape (n,), from the parts' columns (n, k) and those of the reference (m, k)."""


AnyEstimator: TypeAlias = "Estimator | Composite"
"""What a stage, a session and the catalogue hold."""


def check_estimator(estimator: Any, what: str = "`estimator`") -> None:
    """Check that a value is an estimator instance, not a name or a class.

    Raises:
        SettingError: it is not.
    """
    if not (offers(estimator, "name", "score") or offers(estimator, "name", "combine")):
        of_proxy = f", or of a proxy archsieve.ZeroCost({estimator!r:.80})" if isinstance(estimator, str) else ""
        raise wrong_kind(what, "an estimator", estimator, named_in("ESTIMATORS", estimator) + of_proxy)


def check_estimators(estimators: Any, what: str = "`estimators`") -> None:
    """Check that a value is a list of estimators.

    Raises:
        SettingError: it is one estimator, a text, or holds something else.
    """
    is_one = offers(estimators, "score") or offers(estimators, "combine")
    check_list(what, estimators, "estimators", "write [estimator]" if is_one else "")
    for estimator in estimators:
        check_estimator(estimator, f"Each of {what}")


def is_relative(estimator: AnyEstimator) -> bool:
    """Whether scores depend on the other scored architectures, so that scores of two calls are not comparable.

    This holds for a composite without a calibration, for an estimator that learns from the pool, and for a composite
    with such a part. A composite may override it by an attribute `is_relative`.
    """
    if isinstance(estimator, Composite):
        own = getattr(estimator, "is_relative", estimator.calibration is None)
        return bool(own) or any(map(is_relative, estimator.parts))
    return isinstance(estimator, Fittable) and bool(estimator.learns_from_pool)


def kind_of_score(estimator: AnyEstimator) -> str:
    """Return "metric" for values of the task's metric, "relative" for pool-dependent scores, else "score"."""
    return "metric" if scores_metric(estimator) else "relative" if is_relative(estimator) else "score"


def refuse_relative(estimator: AnyEstimator, use: str) -> None:
    """Raise an error for relative scores where scores of different calls are compared.

    `use` names, for the message, what compares them.

    Raises:
        SettingError: it is one.
    """
    if is_relative(estimator):
        raise SettingError(
            f"{use} scores networks one by one, but the scores of {estimator.name!r} are relative to the networks "
            f"scored with them, so each would be compared with itself: give the composite, and each "
            f"composite in it, a `calibration`, and use no part that learns from the pool."
        )


def leaves_of(estimator: AnyEstimator) -> list[Estimator]:
    """Return the estimators that compute scores: the estimator itself, or the leaves of a composite's parts."""
    if isinstance(estimator, Composite):
        return [leaf for part in estimator.parts for leaf in leaves_of(part)]
    return [estimator]


def lesson_of(estimator: AnyEstimator) -> tuple[AnyEstimator, int] | None:
    """Return the teacher of an estimator and how many codes it learns from; None if it does not learn."""
    return getattr(estimator, "lesson", None)


def scores_metric(estimator: AnyEstimator) -> bool:
    """Whether the scores of an estimator are values of the task's metric."""
    return bool(getattr(estimator, "scores_metric", False))


def is_measured(estimator: AnyEstimator) -> bool:
    """Whether scores of an estimator, or of a part of it, are measurements that vary when repeated."""
    return any(getattr(leaf, "is_measured", False) for leaf in leaves_of(estimator))


def uses_device(estimator: AnyEstimator) -> bool:
    """Whether the scores are computed on the session's device; True if the estimator does not say."""
    return bool(getattr(estimator, "uses_device", True))


@runtime_checkable
class Fittable(Protocol):
    """An estimator that is fitted before it scores; its state is stored in `ctx.workdir`."""

    @property
    def learns_from_pool(self) -> bool:
        """Whether the fitted state depends on the pool, and not on the space alone."""

    def fit(self, pool: Sequence[Architecture], ctx: Context, scores: Callable[..., NDArray[np.float64]]) -> None:
        """Fit, unless `ctx.workdir` holds the fitted state. `scores(estimators, archs)` gives labels."""


@runtime_checkable
class Resumable(Protocol):
    """An estimator that continues from the state of a smaller budget: epoch 2 continues epoch 1."""

    @property
    def lineage(self) -> Estimator:
        """The estimator whose work folder this one shares."""

    def forget(self, archs: Sequence[Architecture], ctx: Context) -> None:
        """Delete the saved state of these codes, which the stage did not keep."""


class Price(NamedTuple):
    """A cost in network-epochs: one network trained once on every item of the training split.

    Forward passes alone count a third of that. What several architectures could share counts as if they did not.

    Attributes:
        training: what estimators of one lineage go on from.
        scoring: what is spent on these scores alone.
    """

    training: float
    scoring: float


@runtime_checkable
class Priced(Protocol):
    """An estimator that forecasts its cost. One with a teacher declares it by `lesson`: (estimator, count)."""

    def price(self, n: int, space: SearchSpace, task: Task) -> Price | None:
        """Return the cost of scoring `n` architectures from scratch; None: unknown."""
