"""A space of one decision, and an estimator that gives it the scores a test wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from archsieve.errors import PartialScoringError
from archsieve.spaces.contract import SearchSpace


@dataclass(frozen=True)
class Line(SearchSpace):
    """The codes (0,), (1,) and so on."""

    name: ClassVar[str] = "line"
    length: int = 8

    @property
    def choices(self):
        return (self.length,)

    def build(self, arch, task):
        raise NotImplementedError


@dataclass(frozen=True)
class Given:
    """The scores by code; what is NaN could not be scored, for this reason."""

    values: tuple[float, ...]
    reason: str = "not here"
    name: ClassVar[str] = "given"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        scores = np.array([self.values[code] for (code,) in archs], dtype=float)
        if lacking := {(int(i), 0): self.reason for i in np.flatnonzero(np.isnan(scores))}:
            raise PartialScoringError(scores, lacking)
        return scores
