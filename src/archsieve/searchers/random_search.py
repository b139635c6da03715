"""Random search: the baseline every searcher has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.searchers.batches import Batches
from archsieve.searchers.history import check_budget, maximise
from archsieve.values import check_whole

if TYPE_CHECKING:
    import numpy as np

    from archsieve.searchers.batches import Steps
    from archsieve.searchers.contract import Candidates, Evaluate, SearchResult
    from archsieve.spaces.contract import SearchSpace


@dataclass(frozen=True)
class RandomSearch:
    """Requests codes drawn independently; duplicates may occur.

    Args:
        batch: how many may be scored at the same time; it does not change which are drawn.
    """

    batch: int = 100
    name: ClassVar[str] = "random_search"
    takes_objectives: ClassVar[bool] = True
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the setting."""
        check_whole("batch", self.batch, 1)

    def begin(self, candidates: Candidates, rng: np.random.Generator) -> Batches:
        """Return a new search."""
        return Batches(self._steps(candidates, rng))

    def _steps(self, candidates: Candidates, rng: np.random.Generator) -> Steps:
        while True:
            yield [candidates.sample(rng) for _ in range(self.batch)]


def random_search(space: SearchSpace, evaluate: Evaluate, *, budget: int, rng: np.random.Generator) -> SearchResult:
    """Search at random: return the best of `budget` independently drawn codes (duplicates may occur).

    Raises:
        SettingError: the budget is below 1.

    >>> import numpy as np
    >>> from archsieve.spaces.contract import SearchSpace
    >>> class Pairs(SearchSpace):
    ...     choices = (3, 3)
    ...     build = None
    >>> result = random_search(
    ...     Pairs(), lambda archs: [sum(arch) for arch in archs], budget=9, rng=np.random.default_rng(0)
    ... )
    >>> len(result.rounds[0].archs), result.best_score == sum(result.best)
    (9, True)
    """
    check_budget(budget)
    searcher = RandomSearch(batch=int(budget))
    return maximise(searcher, space, evaluate, budget=budget, rng=rng, compares=False)
