"""Estimators that fail on some networks, or on all: a plugin file for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from archsieve.registry import ESTIMATORS


@dataclass(frozen=True)
class Some:
    """Fails on codes that begin with 00."""

    name: ClassVar[str] = "some"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        if any(arch[:2] == (0, 0) for arch in archs):
            raise ZeroDivisionError("odd")
        return np.array([float(sum(arch)) for arch in archs])


@dataclass(frozen=True)
class Nothing:
    """Fails on all."""

    name: ClassVar[str] = "none"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        raise ZeroDivisionError("none")


ESTIMATORS.add("some", Some)
ESTIMATORS.add("none", Nothing)
