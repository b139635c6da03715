"""Differential evolution: members are points of the unit cube, decoded to architectures by bins of equal width.

rand/1/bin of Storn and Price 1997, with the settings of the MKR paper's comparison (TPAMI 2025, "Good
Performance Estimation strategies are All You Need in Neural Architecture Search"): slots are visited
cyclically, one trial a step; the three members differ from each other, but one may be the target; a
dimension is forced only if none was crossed; coordinates not strictly inside (0, 1) are drawn again
uniformly; a trial that is not worse replaces the target. NaN is the worst score. A trial that a constrained
space excludes, or that is no candidate any more, costs no evaluation: it is drawn again, up to 100 times,
then replaced by a fresh candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.searchers.batches import Batches
from archsieve.searchers.history import maximise, rank
from archsieve.values import check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.searchers.batches import Steps
    from archsieve.searchers.contract import Candidates, Evaluate, SearchResult
    from archsieve.spaces.contract import Architecture, SearchSpace

_ATTEMPTS = 100  # trials outside a constrained space before a fresh point is drawn instead


@dataclass(frozen=True)
class DifferentialEvolution:
    """Requests the first population at once, then `batch` trials at a time.

    Args:
        population: members, at least 3.
        f: weight of the difference of two members, in (0, 2].
        cr: probability that a dimension is crossed, in [0, 1].
        batch: trials, each against a member of its own, that may be scored at the same time; at most the population.
    """

    population: int = 50
    f: float = 0.5
    cr: float = 0.5
    batch: int = 1
    name: ClassVar[str] = "differential_evolution"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        check_whole("population", self.population)
        check_whole("batch", self.batch, 1)
        if self.population < 3:
            raise SettingError(f"`population >= 3` must hold, but got population={self.population}.")
        if not 0 < self.f <= 2:
            raise SettingError(f"`0 < f <= 2` must hold, but got f={self.f}.")
        if not 0 <= self.cr <= 1:
            raise SettingError(f"`0 <= cr <= 1` must hold, but got cr={self.cr}.")
        if self.batch > self.population:
            settings = f"batch={self.batch}, population={self.population}"
            raise SettingError(f"`batch <= population` must hold, but got {settings}.")

    def begin(self, candidates: Candidates, rng: np.random.Generator) -> Batches:
        """Return a new search."""
        return Batches(self._steps(candidates, rng))

    def _steps(self, candidates: Candidates, rng: np.random.Generator) -> Steps:
        archs = [candidates.sample(rng) for _ in range(self.population)]
        points = np.array([_point(candidates.space, arch, rng) for arch in archs])
        scores = yield archs
        step = 0
        while True:
            targets = [(step + i) % self.population for i in range(self.batch)]
            trials = [_trial(candidates, points, target, rng, self.f, self.cr) for target in targets]
            told = yield [arch for arch, _ in trials]
            for target, (_, trial), score in zip(targets, trials, told, strict=True):
                if rank(score) >= rank(scores[target]):
                    points[target], scores[target] = trial, score
            step += self.batch


def differential_evolution(
    space: SearchSpace,
    evaluate: Evaluate,
    *,
    budget: int,
    rng: np.random.Generator,
    population: int = 50,
    f: float = 0.5,
    cr: float = 0.5,
) -> SearchResult:
    """Search by differential evolution, and return the best architecture (the first of equal ones).

    Args:
        space: what the points decode to.
        evaluate: returns the scores (n,) of n architectures; called once with the first population, then
            with one architecture at a time. Duplicates are evaluated again.
        budget: evaluations in all, the first population included.
        rng: the source of all randomness.
        population: members, at least 3.
        f: weight of the difference of two members, in (0, 2].
        cr: probability that a dimension is crossed, in [0, 1].

    Raises:
        SettingError: a setting out of range, a budget below the population, or `evaluate` asks a session for scores
            that are relative to what else is scored.
        ArchitectureError: the space has nothing to draw.
    """
    searcher = DifferentialEvolution(population, f, cr)
    return maximise(searcher, space, evaluate, budget=budget, rng=rng)


def _trial(
    candidates: Candidates,
    points: NDArray[np.float64],
    target: int,
    rng: np.random.Generator,
    f: float,
    cr: float,
) -> tuple[Architecture, NDArray[np.float64]]:
    """Return a valid trial for the target: its code and its point."""
    space = candidates.space
    movable = [i for i, options in enumerate(space.choices) if options > 1] or range(len(space.choices))
    for _ in range(_ATTEMPTS):
        base, plus, minus = points[rng.choice(len(points), size=3, replace=False)]
        crossed = rng.random(len(space.choices)) < cr
        if not crossed[movable].any():
            crossed[rng.choice(movable)] = True
        trial = np.where(crossed, base + f * (plus - minus), points[target])
        outside = (trial <= 0) | (trial >= 1)
        trial[outside] = rng.random(int(outside.sum()))
        arch = _decode(space, trial)
        if space.is_valid(arch) and arch in candidates:
            return arch, trial
    arch = candidates.sample(rng)
    return arch, _point(space, arch, rng)


def _decode(space: SearchSpace, point: NDArray[np.float64]) -> Architecture:
    """Return the code whose bins contain the point."""
    return tuple(min(int(x * options), options - 1) for x, options in zip(point, space.choices, strict=True))


def _point(space: SearchSpace, arch: Architecture, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a uniform random point in the bins of a code."""
    return np.array([(option + rng.random()) / n for option, n in zip(arch, space.choices, strict=True)])
