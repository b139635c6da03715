"""An estimator whose scores the user enters, because the networks are trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from archsieve.errors import UntoldError
from archsieve.estimators.contract import Price
from archsieve.values import check_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import Context
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class Told:
    """Scores an architecture by the value that `archsieve tell` stored in the run folder.

    Of what is told higher is better, unless it is a metric with another direction.

    Args:
        what: what tables and plans call it; scores of another name are other scores.
        epochs_behind: the cost of the training behind one score, in network-epochs; None: unknown, and so is the cost
            of the search.
        is_metric: whether what is told are values of the task's metric, in its own direction: of an error lower is
            better. It is told as it is, stored with a minus sign like any error, and reports show it as the metric.
    """

    what: str = "told"
    epochs_behind: float | None = None
    is_metric: bool = field(default=False, metadata={"added": True})
    version: ClassVar[int] = 1
    uses_device: ClassVar[bool] = False
    chunk_size: ClassVar[int] = 1_000_000

    @property
    def name(self) -> str:
        """The name of the entered score."""
        return self.what

    @property
    def scores_metric(self) -> bool:
        """Whether reports show its scores as values of the task's metric."""
        return self.is_metric

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.epochs_behind is not None:
            check_finite("epochs_behind", self.epochs_behind, most=1e12)

    def identity(self) -> dict[str, Any]:
        """Return what scores depend on: the name and the direction, but not the cost."""
        direction = {"is_metric": True} if self.is_metric else {}
        return {"type": "Told", "version": self.version, "what": self.what, **direction}

    def price(self, n: int, space: SearchSpace, task: Task) -> Price | None:
        """Return the cost behind `n` entered scores; None if `epochs_behind` is not set."""
        return None if self.epochs_behind is None else Price(n * self.epochs_behind, 0.0)

    def score(self, archs: Sequence[Architecture], ctx: Context) -> NoReturn:
        """Raise an error that lists the missing scores.

        Raises:
            UntoldError: always; the session calls this for the architectures whose scores are not stored.
        """
        raise UntoldError(self.name, tuple(archs), str(ctx.workdir.parents[1]))  # it is RUN/artifacts/NAME
