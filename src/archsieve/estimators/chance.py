"""Random scores: the baseline of all estimators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.estimators.contract import Price
from archsieve.randomness import derive_seed, first_draws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import Context, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class Chance:
    """Scores an architecture by a random number in [0, 1) that depends on the seed and the code."""

    name: ClassVar[str] = "chance"
    version: ClassVar[int] = 1
    chunk_size: ClassVar[int] = 4096
    uses_device: ClassVar[bool] = False

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return zero: nothing is computed."""
        return Price(0.0, 0.0)

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the random numbers, shape (n,)."""
        return first_draws([derive_seed(ctx.seed, "noise", "chance", *arch) for arch in archs])
