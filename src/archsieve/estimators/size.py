"""Sizes as estimators: the baseline that every proxy has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np

from archsieve.errors import SettingError
from archsieve.estimators.contract import Price
from archsieve.spaces.sizes import SizeName, size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import Context, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class Size:
    """Scores an architecture by its size (larger is better); needs no data.

    "params" is the number of parameters; "macs" the multiply-adds of one input, half of what
    `torch.utils.flop_counter` counts; "flops" is NASLib's count, which adds normalisation, activation and pooling. A
    space's method of that name gives it in closed form, else it is counted on the built network. "published_flops" is
    the count by which the networks of a space are published, where that is another one: only the space knows it.
    """

    name: SizeName
    uses_device: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check that the size exists."""
        if self.name not in get_args(SizeName):
            raise SettingError(
                f"The `name` of a size must be one of {', '.join(get_args(SizeName))}, but got {self.name!r}."
            )

    @property
    def version(self) -> int:
        """Version of the count; version 2 of "flops" treats normalisations with and without parameters differently."""
        return 2 if self.name == "flops" else 1

    def identity(self) -> dict[str, Any]:
        """Return the settings that scores depend on; `type` is a former class name, kept for stored scores."""
        return {"type": "Cost", "version": self.version, "name": self.name}

    def chunk_size(self, space: SearchSpace, task: Task) -> int:
        """Return how many codes to score at a time: many if the size has a closed form."""
        return 4096 if hasattr(space, self.name) else 256

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the sizes, shape (n,).

        Raises:
            SettingError: published FLOPs are asked for, and the space has none of its own.
        """
        return np.array([size_of(ctx.space, arch, ctx.task, self.name) for arch in archs], dtype=float)

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return zero: nothing is run."""
        return Price(0.0, 0.0)


PARAMS = partial(Size, "params")
MACS = partial(Size, "macs")
FLOPS = partial(Size, "flops")
PUBLISHED_FLOPS = partial(Size, "published_flops")
