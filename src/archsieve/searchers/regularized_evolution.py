"""Regularised evolution: tournaments choose who has offspring, and the oldest dies, not the worst.

Ageing evolution of Real et al. 2019 (arXiv 1802.01548): the best of a random sample of the population is
mutated in one decision, its child joins, the oldest member leaves. Departure: the sample is drawn without
replacement, so that `tournament == population` always mutates the best member; of equals, the one drawn
first wins. NaN loses every tournament.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from archsieve.errors import SettingError
from archsieve.searchers.history import History, check_budget, rank
from archsieve.values import check_whole

if TYPE_CHECKING:
    import numpy as np

    from archsieve.searchers.contract import Evaluate, SearchResult
    from archsieve.spaces.contract import SearchSpace


def regularized_evolution(
    space: SearchSpace,
    evaluate: Evaluate,
    *,
    budget: int,
    rng: np.random.Generator,
    population: int = 50,
    tournament: int = 10,
) -> SearchResult:
    """Return the best architecture ever evaluated.

    Args:
        space: what to draw from and mutate in.
        evaluate: returns the scores (n,) of n architectures; called once with the first population, then
            with one architecture at a time. Duplicates are evaluated again.
        budget: evaluations in all, the first population included.
        rng: the source of all randomness.
        population: members alive.
        tournament: members that compete to be the parent.

    Raises:
        SettingError: `1 <= tournament <= population <= budget` does not hold, or `evaluate` asks a session for scores
            that are relative to what else is scored.
        ArchitectureError: the space has nothing to draw, or nothing to mutate to.
    """
    check_whole("population", population)
    check_whole("tournament", tournament)
    if not 1 <= tournament <= population:
        settings = f"tournament={tournament}, population={population}"
        raise SettingError(f"`1 <= tournament <= population` must hold, but got {settings}.")
    check_budget(budget, population)
    history = History(evaluate, "Regularized evolution")
    archs = [space.sample(rng) for _ in range(population)]
    alive = deque(zip(archs, history.ask(archs), strict=True))
    for _ in range(budget - population):
        competitors = [alive[i] for i in rng.choice(population, size=tournament, replace=False)]
        parent, _ = max(competitors, key=lambda member: rank(member[1]))
        child = space.mutate(parent, rng)
        alive.append((child, history.ask([child])[0]))
        alive.popleft()
    return history.result("regularized evolution")
