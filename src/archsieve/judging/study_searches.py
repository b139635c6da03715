"""The searches of a study: each maximises one estimator's scores over a space or over a table's codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from archsieve.errors import SettingError
from archsieve.randomness import generator
from archsieve.registry import SEARCHERS
from archsieve.searchers.history import maximise
from archsieve.spaces.contract import SearchSpace, neighbours, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

Known: TypeAlias = "NDArray[np.float64] | Mapping[Architecture, float]"
"""Scores by code: an array with an axis for each decision, or a mapping of the codes of a table."""


@dataclass(frozen=True)
class Listed(SearchSpace):
    """The codes of a table that covers a part of a space; searches draw from them and move among them.

    A code is known where the table has it or a twin of it, which is the same network. A mutant is a neighbour that is
    known, drawn uniformly; where there is none, any of the codes.
    """

    space: SearchSpace
    archs: tuple[Architecture, ...]
    name: ClassVar[str] = "listed"  # type: ignore[misc]

    @property
    def choices(self) -> tuple[int, ...]:
        """The choices of the space."""
        return self.space.choices

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the network of the space."""
        return self.space.build(arch, task)

    def is_valid(self, arch: Architecture) -> bool:
        """Whether the table contains the network."""
        return self.listed(arch) is not None

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Return one of the codes."""
        return self.archs[int(rng.integers(len(self.archs)))]

    def mutate(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a neighbour in the table, else a random code of the table."""
        near = self._near(arch)
        return near[int(rng.integers(len(near)))] if near else self.sample(rng)

    def listed(self, arch: Architecture) -> Architecture | None:
        """Return the table's code of a network; None if the table lacks it."""
        if arch in self._codes:
            return arch
        return self._first.get(self.space.canonical(arch)) if self.space.is_valid(arch) else None

    @cached_property
    def _codes(self) -> frozenset[Architecture]:
        return frozenset(self.archs)

    @cached_property
    def _first(self) -> dict[Architecture, Architecture]:
        """Return the first code of each network."""
        return {self.space.canonical(arch): arch for arch in reversed(self.archs)}

    @cached_property
    def _found(self) -> dict[Architecture, list[Architecture]]:
        return {}

    def _near(self, arch: Architecture) -> list[Architecture]:
        """Return the table's codes that differ in one decision, equivalent codes included."""
        if arch not in self._found:
            near = {self.listed(each) for each in neighbours(self.space, arch)} - {arch}
            self._found[arch] = sorted(each for each in near if each is not None)
        return self._found[arch]


def searched(space: SearchSpace, archs: Sequence[Architecture]) -> SearchSpace:
    """Return the space to search: the whole space, or the table's codes if they are less than half of it."""
    return space if size(space) <= 2 * len(archs) else Listed(space, tuple(archs))


def by_code(space: SearchSpace, archs: Sequence[Architecture], scores: NDArray[np.float64]) -> Known:
    """Return the scores by code, NaN for missing ones; `space` is the result of `searched`."""
    if isinstance(space, Listed):
        return dict(zip(archs, scores.tolist(), strict=True))
    cube = np.full(space.choices, np.nan)
    cube[tuple(np.array(archs).T)] = scores
    return cube


@dataclass(frozen=True, eq=False)
class Run:
    """One search: the estimator it maximises, searcher, seed, and the scores by code."""

    estimator: str
    searcher: str
    seed: int
    known: Known


def search(space: SearchSpace, budget: int, run_seed: int, run: Run) -> tuple[tuple[str, str, int], Architecture]:
    """Return the code that one search finds, with the search's key.

    Raises:
        SettingError: none of the codes that it met has a score.
    """
    key = run.estimator, run.searcher, run.seed

    def scores(archs: Sequence[Architecture]) -> NDArray[np.float64]:
        if isinstance(run.known, np.ndarray):
            return np.asarray(run.known[tuple(np.array(archs).T)])
        return np.array([run.known[code] for code in _listed(space, archs)])

    result = maximise(
        SEARCHERS[run.searcher.replace(" ", "_")](),
        space,
        scores,
        budget=budget,
        rng=generator(run_seed, "sample", "study", *key),
    )
    if result.best is None:
        raise SettingError(f"A search by {run.estimator} has no result: none of its architectures has a score.")
    return key, _listed(space, [result.best])[0]


def _listed(space: SearchSpace, archs: Sequence[Architecture]) -> list[Architecture]:
    """Return the codes of the table; in a whole space, the codes themselves."""
    if not isinstance(space, Listed):
        return list(archs)
    return [code for arch in archs if (code := space.listed(arch)) is not None]
