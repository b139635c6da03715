"""Differential evolution: members are points of the unit cube, decoded to architectures by equal bins.

rand/1/bin of Storn and Price 1997, with the settings of the MKR paper's comparison (TPAMI 2025, "Good
Performance Estimation strategies are All You Need in Neural Architecture Search"): slots are visited
cyclically, one trial a step; the three members differ from each other, but one may be the target; a
dimension is forced only if none was crossed; coordinates not strictly inside (0, 1) are drawn again
uniformly; a trial that is not worse replaces the target. NaN is the worst score. A trial that a constrained
space excludes costs no evaluation: it is drawn again, up to 100 times, then replaced by a fresh point of
the space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import SettingError
from archsieve.searchers.history import History, check_budget, rank
from archsieve.values import check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.searchers.contract import Evaluate, SearchResult
    from archsieve.spaces.contract import Architecture, SearchSpace

_ATTEMPTS = 100  # trials outside a constrained space before a fresh point is drawn instead


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
    """Return the best architecture ever evaluated, the first reached of equals.

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
    _check(population, budget, f, cr)
    history = History(evaluate, "Differential evolution")
    archs = [space.sample(rng) for _ in range(population)]
    points = np.array([_point(space, arch, rng) for arch in archs])
    scores = history.ask(archs)
    for step in range(budget - population):
        target = step % population
        arch, trial = _trial(space, points, target, rng, f, cr)
        score = history.ask([arch])[0]
        if rank(score) >= rank(scores[target]):
            points[target], scores[target] = trial, score
    return history.result("differential evolution")


def _check(population: int, budget: int, f: float, cr: float) -> None:
    check_whole("population", population)
    if population < 3:
        raise SettingError(f"`population >= 3` must hold, but got population={population}.")
    if not 0 < f <= 2:
        raise SettingError(f"`0 < f <= 2` must hold, but got f={f}.")
    if not 0 <= cr <= 1:
        raise SettingError(f"`0 <= cr <= 1` must hold, but got cr={cr}.")
    check_budget(budget, population)


def _trial(
    space: SearchSpace,
    points: NDArray[np.float64],
    target: int,
    rng: np.random.Generator,
    f: float,
    cr: float,
) -> tuple[Architecture, NDArray[np.float64]]:
    """Return a valid trial against the target: its code and its point."""
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
        if space.is_valid(arch):
            return arch, trial
    arch = space.sample(rng)
    return arch, _point(space, arch, rng)


def _decode(space: SearchSpace, point: NDArray[np.float64]) -> Architecture:
    """Return the code whose equal bins hold the point."""
    return tuple(min(int(x * options), options - 1) for x, options in zip(point, space.choices, strict=True))


def _point(space: SearchSpace, arch: Architecture, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a point drawn uniformly from the bins of a code: for a uniform code, a uniform point."""
    return np.array([(option + rng.random()) / n for option, n in zip(arch, space.choices, strict=True)])
