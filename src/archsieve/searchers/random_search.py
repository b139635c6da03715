"""Random search: the baseline every searcher has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.searchers.history import History, check_budget

if TYPE_CHECKING:
    import numpy as np

    from archsieve.searchers.contract import Evaluate, SearchResult
    from archsieve.spaces.contract import SearchSpace


def random_search(space: SearchSpace, evaluate: Evaluate, *, budget: int, rng: np.random.Generator) -> SearchResult:
    """Return the best of `budget` codes drawn independently (duplicates may occur), evaluated as one batch.

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
    history = History(evaluate)
    history.ask([space.sample(rng) for _ in range(budget)])
    return history.result("random search")
