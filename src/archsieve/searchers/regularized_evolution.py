"""Regularised evolution: tournaments select parents, and the oldest member is removed instead of the worst.

Ageing evolution of Real et al. 2019 (arXiv 1802.01548): the best of a random sample of the population is
mutated in one decision, its child joins, the oldest member leaves. Departure: the sample is drawn without
replacement, so that `tournament == population` always mutates the best member; of equals, the one drawn
first wins. NaN loses every tournament.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import SettingError
from archsieve.searchers.batches import Batches
from archsieve.searchers.history import maximise, rank
from archsieve.values import check_whole

if TYPE_CHECKING:
    import numpy as np

    from archsieve.searchers.batches import Steps
    from archsieve.searchers.contract import Candidates, Evaluate, SearchResult
    from archsieve.spaces.contract import SearchSpace


@dataclass(frozen=True)
class RegularizedEvolution:
    """Requests the first population at once, then `batch` children at a time.

    Args:
        population: members alive.
        tournament: members that compete to be the parent.
        batch: children that may be scored at the same time; each is born before the scores of the others are known.
    """

    population: int = 50
    tournament: int = 10
    batch: int = 1
    name: ClassVar[str] = "regularized_evolution"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        check_whole("population", self.population)
        check_whole("tournament", self.tournament)
        check_whole("batch", self.batch, 1)
        if not 1 <= self.tournament <= self.population:
            settings = f"tournament={self.tournament}, population={self.population}"
            raise SettingError(f"`1 <= tournament <= population` must hold, but got {settings}.")

    def begin(self, candidates: Candidates, rng: np.random.Generator) -> Batches:
        """Return a new search."""
        return Batches(self._steps(candidates, rng))

    def _steps(self, candidates: Candidates, rng: np.random.Generator) -> Steps:
        archs = [candidates.sample(rng) for _ in range(self.population)]
        alive = deque(zip(archs, (yield archs), strict=True))
        while True:
            children = []
            for _ in range(self.batch):
                competitors = [alive[i] for i in rng.choice(self.population, size=self.tournament, replace=False)]
                parent, _ = max(competitors, key=lambda member: rank(member[1]))
                children.append(candidates.mutate(parent, rng))
            alive.extend(zip(children, (yield children), strict=True))
            for _ in children:
                alive.popleft()


def regularized_evolution(
    space: SearchSpace,
    evaluate: Evaluate,
    *,
    budget: int,
    rng: np.random.Generator,
    population: int = 50,
    tournament: int = 10,
) -> SearchResult:
    """Search by regularised evolution, and return the best architecture evaluated.

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
    searcher = RegularizedEvolution(population, tournament)
    return maximise(searcher, space, evaluate, budget=budget, rng=rng)
