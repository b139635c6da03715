"""The searches of a study: each maximises the scores of one estimator over a space, or over the codes of a table."""

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
from archsieve.spaces.sampling import LARGEST_POOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

Known: TypeAlias = "NDArray[np.float64] | Mapping[Architecture, float]"
"""Scores by code: an array with an axis for each decision, or a mapping of canonical codes."""


@dataclass(frozen=True)
class Listed(SearchSpace):
    """The networks of a table, where the space is too large to list: a search draws them and moves among them.

    A mutant is a neighbour that the table has, drawn uniformly; where it has none, any other of its networks.
    """

    space: SearchSpace
    archs: tuple[Architecture, ...]
    name: ClassVar[str] = "listed"  # type: ignore[misc]

    @property
    def choices(self) -> tuple[int, ...]:
        """Those of the space."""
        return self.space.choices

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the network of the space."""
        return self.space.build(arch, task)

    def is_valid(self, arch: Architecture) -> bool:
        """Whether the table has the network."""
        return self.space.is_valid(arch) and self.space.canonical(arch) in self._known

    def canonical(self, arch: Architecture) -> Architecture:
        """Return that of the space."""
        return self.space.canonical(arch)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Return one of the networks."""
        return self.archs[int(rng.integers(len(self.archs)))]

    def mutate(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a neighbour that the table has, else any network of it."""
        near = self._near(self.space.canonical(arch))
        return near[int(rng.integers(len(near)))] if near else self.sample(rng)

    @cached_property
    def _known(self) -> frozenset[Architecture]:
        return frozenset(self.archs)

    @cached_property
    def _found(self) -> dict[Architecture, list[Architecture]]:
        return {}

    def _near(self, arch: Architecture) -> list[Architecture]:
        """Return the networks of the table that differ in one decision."""
        if arch not in self._found:
            near = {self.space.canonical(each) for each in neighbours(self.space, arch)}
            self._found[arch] = sorted((near & self._known) - {arch})
        return self._found[arch]


def searched(space: SearchSpace, archs: Sequence[Architecture]) -> SearchSpace:
    """Return where searches go: the space, or the codes of the table where the space is too large to list."""
    return space if size(space) <= LARGEST_POOL else Listed(space, tuple(dict.fromkeys(map(space.canonical, archs))))


def by_code(space: SearchSpace, archs: Sequence[Architecture], scores: NDArray[np.float64]) -> Known:
    """Return the scores by code, NaN where there is none; `space` is what `searched` returned."""
    if isinstance(space, Listed):
        return dict(zip(map(space.canonical, archs), scores.tolist(), strict=True))
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
    """Return the code that one search finds, with the key of the search.

    Raises:
        SettingError: none of the codes that it met has a score.
    """
    key = run.estimator, run.searcher, run.seed

    def scores(archs: Sequence[Architecture]) -> NDArray[np.float64]:
        if isinstance(run.known, np.ndarray):
            return np.asarray(run.known[tuple(np.array(archs).T)])
        known = run.known
        return np.array([known.get(space.canonical(arch), np.nan) for arch in archs])

    result = maximise(
        SEARCHERS[run.searcher.replace(" ", "_")](),
        space,
        scores,
        budget=budget,
        rng=generator(run_seed, "sample", "study", *key),
    )
    if result.best is None:
        raise SettingError(f"A search by {run.estimator} has no result: none of its architectures has a score.")
    return key, space.canonical(result.best) if isinstance(space, Listed) else result.best
